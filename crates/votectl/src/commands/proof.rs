//! `votectl proof solve URL`

use crate::context::Context;
use crate::failure::Failure;
use crate::smoke::ask::{Answer, Service, Silence};
use clap::{Args, Subcommand};
use serde::Serialize;
use vote_client::target::Target;
use vote_domain::IdempotencyKey;
use vote_proof::solve;

/// Commands about proofs of work.
#[derive(Debug, Subcommand)]
pub enum ProofCommand {
    /// Get a challenge and solve it: prints what to send as the `proof` of one vote
    Solve(SolveArgs),
}

/// The challenge to solve.
#[derive(Debug, Args)]
pub struct SolveArgs {
    /// Address of the challenge, such as http://127.0.0.1:8080/v1/polls/POLL/challenge?channel=CHANNEL
    url: String,

    /// The Idempotency-Key that the vote will have; without one the vote must have none
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Option<String>,

    /// The voter token that the vote will be sent with, for channels that ask who votes
    #[arg(long, value_name = "TOKEN", value_parser = token)]
    token: Option<String>,
}

/// What is printed in JSON.
#[derive(Debug, Serialize)]
struct Solved<'a> {
    proof: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

/// As it goes into a header, in quotes.
fn key(text: &str) -> Result<String, String> {
    let key = IdempotencyKey::parse(text).map_err(|error| error.to_string())?;
    let escaped = key.as_str().replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("\"{escaped}\""))
}

/// As it goes into a header.
fn token(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a token has only visible ASCII characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Runs a command about proofs.
///
/// # Errors
/// [`Failure::Refused`] where the service gives no challenge, [`Failure::Broken`] where it is away.
pub async fn run(command: ProofCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    let ProofCommand::Solve(args) = command;
    let (target, path) = parted(&args.url)?;
    let service = Service::new("url", target)?;
    let answer = service.get_for_vote(path, args.key.as_deref(), args.token.as_deref());
    let challenge = challenge(answer.await, &args.url)?;
    // Minutes at the highest cost on a slow machine: nothing for the runtime's own threads.
    let solved = tokio::task::spawn_blocking(move || solve(&challenge));
    let proof = solved.await.map_err(anyhow::Error::from)?;
    let proof = proof.map_err(Failure::refused)?;
    if context.json() {
        let key = args.key.as_deref();
        return context.write_json(&Solved { proof: &proof, key });
    }
    context.terminal.line(&proof)
}

/// Where the service is, and the path there.
fn parted(url: &str) -> Result<(Target, &str), Failure> {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = url[authority..].find('/').map(|at| authority + at);
    let (base, path) = url.split_at(path.unwrap_or(url.len()));
    if path.is_empty() || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::usage(
            "URL: it is no address of a challenge, such as http://127.0.0.1:8080/v1/polls/POLL/challenge",
        ));
    }
    let target = base.parse();
    let target = target.map_err(|error| Failure::usage(format!("URL: {error}")))?;
    Ok((target, path))
}

/// The challenge that the service has answered with.
fn challenge(answer: Result<Answer, Silence>, url: &str) -> Result<Vec<u8>, Failure> {
    match answer {
        Ok(answer) if answer.status == 200 => Ok(answer.body),
        Ok(answer) => {
            let problem = answer.json();
            let detail = problem["detail"].as_str().unwrap_or("no problem document");
            Err(Failure::refused(format!(
                "{url} answers {}: {detail}",
                answer.status
            )))
        }
        Err(Silence::NotSent(why)) => Err(Failure::Broken(anyhow::anyhow!("{url}: {why}"))),
        Err(Silence::Open(why)) => Err(Failure::Broken(anyhow::anyhow!("{url}: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{key, parted, token};

    #[test]
    fn an_address_is_parted_before_its_path() {
        let (target, path) =
            parted("http://[::1]:8080/v1/polls/p/challenge?channel=c").expect("one");
        assert_eq!(target.to_string(), "http://[::1]:8080");
        assert_eq!(path, "/v1/polls/p/challenge?channel=c");
        for wrong in [
            "",
            "/",
            "http://h",
            "h/v1",
            "http://h/a b",
            "http://h/a\r\nx: y",
        ] {
            assert!(parted(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_goes_into_its_header_in_quotes() {
        assert_eq!(key("a\\b"), Ok("\"a\\\\b\"".to_owned()));
        assert_eq!(key("\"k\""), Ok("\"k\"".to_owned()));
        assert!(key("a\r\nb").is_err() && key("").is_err());
        assert_eq!(token("a.b.c"), Ok("a.b.c".to_owned()));
        assert!(token("a\r\nb").is_err() && token("").is_err());
    }
}
