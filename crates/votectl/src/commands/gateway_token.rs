//! `votectl token gateway NAME`

use std::fmt::Write as _;

use crate::context::Context;
use crate::failure::Failure;
use clap::Args;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use vote_runtime::entropy::random_bytes;

use super::feed_token::name;

/// Which token to make, and what its gateway may do.
#[derive(Debug, Args)]
pub struct GatewayArgs {
    /// Names the gateway, in the file and in metrics, such as `sms-1`
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,

    /// A channel that it may vote by, of each poll that has it; `POLL/CHANNEL` for one poll's alone. May be given several times
    #[arg(long = "channel", value_name = "CHANNEL", required = true)]
    channels: Vec<String>,

    /// How many lines it may send in how long a time, to each ingest process
    #[arg(long = "lines", value_name = "LINES/TIME", default_value = "1000/1s", value_parser = rate)]
    rate: String,

    /// Only channels that allow each voter at most so many votes
    #[arg(long, value_name = "VOTES", value_parser = clap::value_parser!(u32).range(1..))]
    votes_per_voter: Option<u32>,

    /// Its voters are whom voter tokens name by the same text (`sub`): who votes both ways is one voter
    #[arg(long)]
    voters_are_subjects: bool,
}

/// So many in so long a time, such as `2000/1s`. The service looks at it more closely.
fn rate(text: &str) -> Result<String, String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text.split_once('/').and_then(|(lines, time)| {
        let number = time.strip_suffix(['s', 'm', 'h'])?;
        Some((lines, number))
    });
    if parts.is_some_and(|(lines, number)| is_number(lines) && is_number(number)) {
        return Ok(text.to_owned());
    }
    Err("is no rate such as 2000/1s".to_owned())
}

/// A new token.
#[derive(Debug, Serialize)]
struct Made<'a> {
    name: &'a str,
    /// The token itself. Nobody can show it again.
    token: &'a str,
    /// What the file of gateways has of it.
    entry: &'a str,
}

/// Makes a token of a gateway, and its entry for the file of gateways.
///
/// # Errors
/// The system has no randomness, or the output can't be written.
pub fn run(args: &GatewayArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let bytes: [u8; 32] = random_bytes().map_err(anyhow::Error::from)?;
    let token = BASE64URL_NOPAD.encode(&bytes);
    let entry = entry(args, &token);
    if context.json() {
        return context.write_json(&Made {
            name: &args.name,
            token: &token,
            entry: &entry,
        });
    }
    context.terminal.line(&format!(
        "# The token, which nobody can show again: for the gateway, as `Authorization: Bearer TOKEN`.\n# {token}\n\
         # For the file of gateways.file:\n{}",
        entry.trim_end()
    ))
}

/// What the file has of a gateway.
fn entry(args: &GatewayArgs, token: &str) -> String {
    let digest = HEXLOWER.encode(&Sha256::digest(token));
    let channels: Vec<String> = args.channels.iter().map(|id| format!("{id:?}")).collect();
    let mut entry = format!(
        "[[gateway]]\nname = \"{}\"\ntoken_sha256 = \"{digest}\"\nchannels = [{}]\nrate = \"{}\"\n",
        args.name,
        channels.join(", "),
        args.rate
    );
    if let Some(votes) = args.votes_per_voter {
        let _infallible = writeln!(entry, "votes_per_voter = {votes}");
    }
    if args.voters_are_subjects {
        entry.push_str("voters_are_subjects = true\n");
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_digest_and_not_the_token() {
        let args = GatewayArgs {
            name: "sms-1".to_owned(),
            channels: vec!["sms".to_owned(), "paredao-01/telefone".to_owned()],
            rate: rate("2000/1s").expect("a rate"),
            votes_per_voter: Some(10),
            voters_are_subjects: true,
        };
        // printf token | sha256sum
        assert_eq!(
            entry(&args, "token"),
            "[[gateway]]\nname = \"sms-1\"\n\
             token_sha256 = \"3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0\"\n\
             channels = [\"sms\", \"paredao-01/telefone\"]\nrate = \"2000/1s\"\nvotes_per_voter = 10\n\
             voters_are_subjects = true\n"
        );
    }
}
