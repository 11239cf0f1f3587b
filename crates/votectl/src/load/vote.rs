//! One vote's way: sent, sent again with the same key while its outcome is open or the service asks to, and judged.

use super::http::{Broken, Connection};
use super::plan::{Plan, mix};
use super::stats::{Progress, Stats, Verdict};
use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The longest pause between two attempts, also when the service asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a vote is sent again at most: well within the time for which its key is remembered (120 s by default).
/// Later, a repeat could count it twice.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// What one attempt has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// `201`: recorded by this attempt.
    Accepted,
    /// `200`: recorded by an earlier request with this key.
    AlreadyAccepted,
    /// Not recorded, and asking again won't help.
    Refused,
    /// Not recorded, and may be sent again after this pause.
    NotRecorded(Option<Duration>),
    /// May have been recorded.
    Open,
}

/// Sends vote `index` until its outcome is known or the attempts are used up.
///
/// `connection` is the worker's, opened when needed and dropped when it breaks. Without a key a vote whose outcome is
/// open is not sent again: that could count it twice.
pub(super) async fn cast(
    plan: &Plan,
    index: u64,
    request: &[u8],
    connection: &mut Option<Connection>,
    stats: &RefCell<Stats>,
    progress: &Progress,
) -> (Verdict, u32) {
    let mut open = false;
    let start = Instant::now();
    for attempt in 1..=plan.attempts.max(1) {
        let (seen, error) = send(plan, request, connection).await;
        let mut last = attempt >= plan.attempts || start.elapsed() >= GIVE_UP_AFTER;
        let pause = match seen {
            Attempt::Accepted => return (Verdict::Accepted, attempt),
            // Only an earlier attempt of ours can have recorded it: keys are new with every run.
            Attempt::AlreadyAccepted if open => return (Verdict::Accepted, attempt),
            Attempt::AlreadyAccepted => return (Verdict::Repeated, attempt),
            Attempt::Refused => {
                last = true;
                None
            }
            Attempt::NotRecorded(pause) => pause,
            Attempt::Open => {
                open = true;
                last |= plan.keys.is_none();
                None
            }
        };
        stats.borrow_mut().error(&error, last);
        progress.failures.fetch_add(1, Ordering::Relaxed);
        if last {
            let verdict = if open {
                Verdict::Unknown
            } else {
                Verdict::Refused
            };
            return (verdict, attempt);
        }
        tokio::time::sleep(
            pause
                .unwrap_or_else(|| backoff(index, attempt))
                .min(LONGEST_PAUSE),
        )
        .await;
    }
    (Verdict::Refused, 0)
}

/// One attempt, and the name of its error (empty, and not allocated, when there is none).
async fn send(plan: &Plan, request: &[u8], slot: &mut Option<Connection>) -> (Attempt, String) {
    let mut connection = match slot.take().filter(Connection::is_reusable) {
        Some(connection) => connection,
        None => match tokio::time::timeout(plan.timeout, Connection::open(plan.address)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(_)) => return (Attempt::NotRecorded(None), "no connection".to_owned()),
            Err(_) => {
                return (
                    Attempt::NotRecorded(None),
                    "no connection: timed out".to_owned(),
                );
            }
        },
    };
    let seen = match tokio::time::timeout(plan.timeout, connection.exchange(request)).await {
        Ok(Ok(answer)) => judge(answer.status, answer.retry_after, answer.body),
        Ok(Err(Broken::NoConnection)) => {
            return (Attempt::NotRecorded(None), "no connection".to_owned());
        }
        Ok(Err(Broken::Cut)) => return (Attempt::Open, "connection cut".to_owned()),
        Ok(Err(Broken::Garbled)) => return (Attempt::Open, "answer is no HTTP".to_owned()),
        Err(_) => return (Attempt::Open, "no answer in time".to_owned()),
    };
    *slot = Some(connection);
    seen
}

/// What an answer says about the vote, and the error's name: status and problem code.
fn judge(status: u16, retry_after: Option<Duration>, body: &[u8]) -> (Attempt, String) {
    let says = |text: &str| {
        body.windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    match status {
        201 if says("\"accepted\"") => (Attempt::Accepted, String::new()),
        200 if says("\"already_accepted\"") => (Attempt::AlreadyAccepted, String::new()),
        // Some other server, or some other endpoint: nothing is known about the vote.
        200..=299 => (Attempt::Open, format!("{status} without a vote's answer")),
        503 | 429 => (Attempt::NotRecorded(retry_after), named(status, body)),
        // A gateway's own 502 and 504 leave the outcome open as well.
        500..=599 => (Attempt::Open, named(status, body)),
        _ => (Attempt::Refused, named(status, body)),
    }
}

fn named(status: u16, body: &[u8]) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    match problem
        .as_ref()
        .and_then(|problem| problem.get("code"))
        .and_then(|code| code.as_str())
    {
        Some(code) => format!("{status} {code}"),
        None => status.to_string(),
    }
}

/// 50 ms, 100 ms and so on up to 1.6 s, half of it spread by vote and attempt so that retries don't come in step.
fn backoff(index: u64, attempt: u32) -> Duration {
    let full = 50_u64 << (attempt - 1).min(5);
    Duration::from_millis(full / 2 + mix(index ^ u64::from(attempt) << 56) % (full / 2 + 1))
}

#[cfg(test)]
mod tests {
    use super::{Attempt, backoff, judge};
    use std::time::Duration;

    #[test]
    fn answers_say_whether_the_vote_counts() {
        let problem = br#"{"type":"/problems/overloaded","status":503,"code":"overloaded"}"#;
        let wait = Some(Duration::from_secs(1));
        let cases: [(u16, &[u8], Attempt, &str); 8] = [
            (201, br#"{"status":"accepted"}"#, Attempt::Accepted, ""),
            (
                200,
                br#"{"status":"already_accepted"}"#,
                Attempt::AlreadyAccepted,
                "",
            ),
            (200, b"<html>", Attempt::Open, "200 without a vote's answer"),
            (503, problem, Attempt::NotRecorded(wait), "503 overloaded"),
            (
                504,
                br#"{"code":"outcome_unknown"}"#,
                Attempt::Open,
                "504 outcome_unknown",
            ),
            (500, b"", Attempt::Open, "500"),
            (
                410,
                br#"{"code":"poll_closed"}"#,
                Attempt::Refused,
                "410 poll_closed",
            ),
            (404, b"no", Attempt::Refused, "404"),
        ];
        for (status, body, attempt, error) in cases {
            assert_eq!(
                judge(status, wait, body),
                (attempt, error.to_owned()),
                "{status}"
            );
        }
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        for attempt in 1..40 {
            let pause = backoff(7, attempt);
            assert!(
                pause >= Duration::from_millis(25) && pause <= Duration::from_millis(1600),
                "{pause:?}"
            );
        }
        assert!(backoff(7, 6) >= Duration::from_millis(800));
    }
}
