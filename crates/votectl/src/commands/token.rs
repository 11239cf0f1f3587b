//! `votectl token mint` and `votectl token gateway`

use crate::commands::gateway_token::{self, GatewayArgs};
use crate::context::Context;
use crate::duration;
use crate::failure::Failure;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use vote_voters::mint::{DEFAULT_ISSUER, SigningKey};

/// Commands about tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a voter token, as who knows the voters does in production
    Mint(MintArgs),
    /// Make the token of a gateway that sends votes in batches, and its entry in the file of gateways
    Gateway(GatewayArgs),
}

/// Whom the token names, and with which key it is signed.
#[derive(Debug, Args)]
pub struct MintArgs {
    /// Whom it names (`sub`): the same voter has the same one in each token
    #[arg(long, value_name = "TEXT")]
    subject: String,

    /// The private key, a JWK of Ed25519 with its `d`; `votectl dev` makes one with each run
    #[arg(long, value_name = "FILE", default_value = ".dev/voter-key.json")]
    key: PathBuf,

    /// Who makes it (`iss`): voters.issuer of the settings
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_ISSUER)]
    issuer: String,

    /// Whom it is for (`aud`): voters.audience of the settings
    #[arg(long, value_name = "TEXT")]
    audience: Option<String>,

    /// How long it is good
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = duration::positive)]
    lasts: Duration,
}

/// A new token.
#[derive(Debug, Serialize)]
struct Made {
    token: String,
}

/// Runs a command about tokens.
///
/// # Errors
/// [`Failure::Usage`] where the file holds no key.
pub fn run(command: TokenCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        TokenCommand::Mint(args) => mint(args, context),
        TokenCommand::Gateway(args) => gateway_token::run(&args, context),
    }
}

fn mint(args: MintArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let shown = args.key.display().to_string();
    let file = fs::read(&args.key);
    let file = file.with_context(|| format!("--key: can't read {shown}"))?;
    let key = SigningKey::from_private_jwk(&file)
        .map_err(|error| Failure::usage(format!("--key: {shown}: {error}")))?;
    let now = context.now().as_second();
    let lasts = i64::try_from(args.lasts.as_secs()).unwrap_or(i64::MAX);
    let mut claims = json!({
        "iss": args.issuer, "sub": args.subject, "iat": now, "exp": now.saturating_add(lasts),
    });
    if let Some(audience) = args.audience {
        claims["aud"] = audience.into();
    }
    let token = key.sign(&claims);
    if context.json() {
        return context.write_json(&Made { token });
    }
    context.terminal.line(&token)
}
