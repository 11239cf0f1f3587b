//! How the body of a batch ends, and what its answers end with.

use std::time::Duration;

use vote_http::{Problem, ProblemCode};

use super::lines::{MAX_BYTES, MAX_LINES, TooLarge};
use crate::gateways::BatchEnd;

/// How a body has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    CutOff,
    TooLarge(TooLarge),
    Late(Duration),
    Draining,
}

impl End {
    /// What is said of the first line that was not taken; nothing where all were.
    pub(super) fn problem(self) -> Option<Problem> {
        let beyond = "this line and what is behind it were not read, and are to be sent again";
        Some(match self {
            Self::Whole => return None,
            Self::CutOff => Problem::new(ProblemCode::MalformedBody)
                .detail(format!("The body did not arrive whole: {beyond}.")),
            Self::TooLarge(TooLarge::Bytes) => Problem::new(ProblemCode::BodyTooLarge)
                .detail(format!(
                    "A batch has at most {MAX_BYTES} bytes: {beyond}, in another batch."
                ))
                .member("limit_bytes", MAX_BYTES),
            Self::TooLarge(TooLarge::Lines) => Problem::new(ProblemCode::BodyTooLarge)
                .detail(format!(
                    "A batch has at most {MAX_LINES} lines: {beyond}, in another batch."
                ))
                .member("limit_lines", MAX_LINES),
            Self::Late(bound) => Problem::new(ProblemCode::RequestTimeout).detail(format!(
                "The body did not arrive within {} ms: {beyond}.",
                bound.as_millis()
            )),
            // What `draining` says would be wrong: something was taken.
            Self::Draining => Problem::new(ProblemCode::NotRecorded),
        })
    }

    /// The same for the metrics.
    pub(super) const fn noted(self) -> BatchEnd {
        match self {
            Self::Whole => BatchEnd::Whole,
            Self::CutOff => BatchEnd::CutOff,
            Self::TooLarge(_) => BatchEnd::TooLarge,
            Self::Late(_) => BatchEnd::Late,
            Self::Draining => BatchEnd::Draining,
        }
    }
}
