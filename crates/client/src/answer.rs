//! What the answer to a vote says about the vote: what load, smoke test and fault suite go by.

use crate::connection::{Broken, Connection, Response};
use crate::route::RouteError;
use std::time::Duration;

/// The name of a request that nobody took.
pub const NO_CONNECTION: &str = "no connection";

/// The name of a request that nobody took for this reason: where TLS or a proxy is to blame, an operator has to
/// know why.
#[must_use]
pub fn no_connection(error: &std::io::Error) -> String {
    let inner = error.get_ref();
    if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        // What answers a greeting with something else is most likely plain HTTP.
        return match tls {
            rustls::Error::InvalidMessage(_) => format!("{NO_CONNECTION}: that port speaks no TLS"),
            tls => format!("{NO_CONNECTION}: {tls}"),
        };
    }
    match inner.and_then(|inner| inner.downcast_ref::<RouteError>()) {
        Some(route) => format!("{NO_CONNECTION}: {route}"),
        None => NO_CONNECTION.to_owned(),
    }
}

/// The name of a request whose connection ended without an answer.
pub const CUT: &str = "connection cut";

/// The name of a request that was not answered in time.
pub const NO_ANSWER: &str = "no answer in time";

/// The name of a request whose answer can't be read.
pub const NO_HTTP: &str = "answer is no HTTP";

/// What one attempt has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// `201`: recorded by this attempt.
    Accepted,
    /// `200`: recorded by an earlier request with this key.
    AlreadyAccepted,
    /// Not recorded, and asking again won't help.
    Refused,
    /// Not recorded, and may be sent again.
    NotRecorded,
    /// May have been recorded.
    Open,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<'a> {
    /// What it says about the vote.
    pub shown: Shown,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Status and problem code, or what happened to the connection; empty, and not allocated, for a recorded vote.
    pub error: String,
    /// The answer's body; `None` where there was none, and the connection is of no use any more.
    pub body: Option<&'a [u8]>,
}

/// Sends a vote that is rendered, and says what its answer shows.
pub async fn vote<'a>(
    connection: &'a mut Connection,
    request: &[u8],
    timeout: Duration,
) -> Seen<'a> {
    match exchange(connection, request, timeout).await {
        Ok(answer) => {
            let (shown, error) = judge(answer.status, answer.body);
            Seen {
                shown,
                retry_after: answer.retry_after,
                error,
                body: Some(answer.body),
            }
        }
        Err(error) => Seen {
            shown: Shown::Open,
            retry_after: None,
            error: error.to_owned(),
            body: None,
        },
    }
}

/// Sends a request that is rendered, and gives its answer.
///
/// # Errors
/// What happened to the connection, in the words of the report.
pub async fn exchange<'a>(
    connection: &'a mut Connection,
    request: &[u8],
    timeout: Duration,
) -> Result<Response<'a>, &'static str> {
    match tokio::time::timeout(timeout, connection.exchange(request)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Broken::Cut)) => Err(CUT),
        Ok(Err(Broken::Garbled)) => Err(NO_HTTP),
        Err(_) => Err(NO_ANSWER),
    }
}

/// What an answer says about the vote, and the error's name.
#[must_use]
pub fn judge(status: u16, body: &[u8]) -> (Shown, String) {
    let says = |text: &str| {
        body.windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    match status {
        201 if says("\"accepted\"") => (Shown::Accepted, String::new()),
        200 if says("\"already_accepted\"") => (Shown::AlreadyAccepted, String::new()),
        // Some other server, or some other endpoint: nothing is known about the vote.
        200..=299 => (Shown::Open, format!("{status} without a vote's answer")),
        503 | 429 => (Shown::NotRecorded, named(status, body)),
        // A gateway's own 502 and 504 leave the outcome open as well.
        500..=599 => (Shown::Open, named(status, body)),
        _ => (Shown::Refused, named(status, body)),
    }
}

/// Status and problem code of an answer, for example `503 overloaded`; the status alone where it is no problem of ours.
#[must_use]
pub fn named(status: u16, body: &[u8]) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    match problem
        .as_ref()
        .and_then(|problem| problem.get("code"))
        .and_then(|code| code.as_str())
    {
        Some(code) => format!("{status} {code}"),
        // No service answers so.
        None if status == 407 => "407 of the proxy".to_owned(),
        None => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Shown, judge};

    #[test]
    fn answers_say_whether_the_vote_counts() {
        let problem = br#"{"type":"/problems/overloaded","status":503,"code":"overloaded"}"#;
        let cases: [(u16, &[u8], Shown, &str); 10] = [
            (201, br#"{"status":"accepted"}"#, Shown::Accepted, ""),
            (
                200,
                br#"{"status":"already_accepted"}"#,
                Shown::AlreadyAccepted,
                "",
            ),
            (200, b"<html>", Shown::Open, "200 without a vote's answer"),
            (503, problem, Shown::NotRecorded, "503 overloaded"),
            (
                429,
                br#"{"code":"rate-limited"}"#,
                Shown::NotRecorded,
                "429 rate-limited",
            ),
            // Of a proxy in front, which has not asked the service.
            (429, b"slow down", Shown::NotRecorded, "429"),
            (
                504,
                br#"{"code":"outcome_unknown"}"#,
                Shown::Open,
                "504 outcome_unknown",
            ),
            (500, b"", Shown::Open, "500"),
            (
                410,
                br#"{"code":"poll_closed"}"#,
                Shown::Refused,
                "410 poll_closed",
            ),
            (404, b"no", Shown::Refused, "404"),
        ];
        for (status, body, shown, error) in cases {
            assert_eq!(judge(status, body), (shown, error.to_owned()), "{status}");
        }
    }
}
