//! `votectl feed-token NAME`

use crate::context::Context;
use crate::failure::Failure;
use clap::Args;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use vote_runtime::entropy::random_bytes;

/// The longest name that the settings take.
const LONGEST_NAME: usize = 64;

/// Which token to make.
#[derive(Debug, Args)]
pub struct FeedTokenArgs {
    /// Names the token, to revoke it by: where it is used, such as `obs-studio-1`
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
}

/// A new token.
#[derive(Debug, Serialize)]
struct Made<'a> {
    name: &'a str,
    /// The token itself. Nobody can show it again.
    token: &'a str,
    /// What the settings have of it.
    setting: &'a str,
}

/// A name that settings take.
///
/// # Errors
/// What it must be.
pub(super) fn name(text: &str) -> Result<String, String> {
    let is_named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(is_named) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "must have 1 to {LONGEST_NAME} of A-Z, a-z, 0-9, `-`, `_` and `.`"
    ))
}

/// Makes a token of a feed, and what the settings have to have of it.
///
/// # Errors
/// The system has no randomness, or the output can't be written.
pub fn run(args: &FeedTokenArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let bytes: [u8; 24] = random_bytes().map_err(anyhow::Error::from)?;
    let token = BASE64URL_NOPAD.encode(&bytes);
    let digest = HEXLOWER.encode(&Sha256::digest(&token));
    let setting = format!("{}:{digest}", args.name);
    if context.json() {
        return context.write_json(&Made {
            name: &args.name,
            token: &token,
            setting: &setting,
        });
    }
    context.terminal.line(&format!(
        "token, which nobody can show again:\n  {token}\nfor access.feed_tokens, or a line of the file of access.feed_tokens_file:\n  {setting}"
    ))
}
