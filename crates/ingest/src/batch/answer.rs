//! The answer to a line: what a vote by itself is answered with, in one line, with the line's number and key before it.

use std::io::Write as _;

use actix_web::http::StatusCode;
use serde::Serialize;
use vote_domain::ReceiptKey;
use vote_http::Problem;
use vote_store::Outcome;

use super::taker::Sent;
use crate::gateways::LineOutcome;
use crate::vote::{VoteAccepted, VoteStatus, vote_accepted};

#[derive(Serialize)]
struct Recorded<'a> {
    line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(flatten)]
    vote: VoteAccepted<'a>,
}

#[derive(Serialize)]
struct Head<'a> {
    line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

/// Writes the answer to a vote that ended with `outcome`; its problem where it is not recorded.
pub(super) fn write_outcome(
    answers: &mut Vec<u8>,
    (line, key): (u32, Option<&str>),
    (sent, outcome): (&Sent, &Outcome),
    receipt_key: &ReceiptKey,
) -> Result<LineOutcome, Problem> {
    let vote = vote_accepted(sent.open.poll(), sent.received, outcome, receipt_key)?;
    let noted = match vote.status {
        VoteStatus::Accepted => LineOutcome::Accepted,
        VoteStatus::AlreadyAccepted => LineOutcome::AlreadyAccepted,
    };
    write_line(answers, &Recorded { line, key, vote })?;
    Ok(noted)
}

/// Writes the answer to a line with a problem.
pub(super) fn write_problem(
    answers: &mut Vec<u8>,
    (line, key): (u32, Option<&str>),
    problem: &Problem,
) -> LineOutcome {
    let before = answers.len();
    if write_line(answers, &Head { line, key }).is_ok() {
        // Both are objects: what is in the second goes on where the first would end.
        answers.truncate(answers.len() - b"}\n".len());
        let body = problem.body();
        answers.push(b',');
        answers.extend_from_slice(
            body.get(1..body.len().saturating_sub(1))
                .unwrap_or_default(),
        );
        if let Some(seconds) = problem.retry_after_s() {
            let _infallible = write!(answers, ",\"retry_after_s\":{seconds}");
        }
        answers.extend_from_slice(b"}\n");
    } else {
        answers.truncate(before);
    }
    match problem.code().status() {
        StatusCode::TOO_MANY_REQUESTS => LineOutcome::RateLimited,
        StatusCode::GATEWAY_TIMEOUT => LineOutcome::Unknown,
        status if status.is_server_error() => LineOutcome::NotRecorded,
        _ => LineOutcome::Refused,
    }
}

fn write_line(answers: &mut Vec<u8>, line: &impl Serialize) -> Result<(), Problem> {
    serde_json::to_writer(&mut *answers, line).map_err(Problem::internal)?;
    answers.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use vote_http::ProblemCode;

    use super::*;

    #[test]
    fn a_problem_is_one_line_with_number_key_and_pause() {
        for (problem, pause, outcome) in [
            (ProblemCode::UnknownCandidate, None, LineOutcome::Refused),
            (ProblemCode::PollPaused, Some(5), LineOutcome::Refused),
            (ProblemCode::Overloaded, Some(1), LineOutcome::NotRecorded),
            (ProblemCode::OutcomeUnknown, Some(1), LineOutcome::Unknown),
            (ProblemCode::RateLimited, Some(1), LineOutcome::RateLimited),
        ] {
            let mut text = Vec::new();
            let problem = Problem::new(problem);
            assert_eq!(
                write_problem(&mut text, (7, Some("a\"b")), &problem),
                outcome
            );
            assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
            let line: Value = serde_json::from_slice(&text).expect("JSON");
            assert_eq!((&line["line"], &line["key"]), (&json!(7), &json!("a\"b")));
            assert_eq!(line["code"], problem.code().as_str());
            assert_eq!(line["status"], problem.code().status().as_u16());
            assert_eq!(line["retry_after_s"].as_u64(), pause);
        }
        let mut text = Vec::new();
        write_problem(&mut text, (1, None), &ProblemCode::MalformedBody.into());
        let line: Value = serde_json::from_slice(&text).expect("JSON");
        assert!(line.get("key").is_none() && line["detail"].is_string());
    }
}
