//! Why a connection is let go of, and what its client is told.

use std::time::{Duration, SystemTime};

use actix_web::http::StatusCode;
use actix_web::http::header::HttpDate;
use vote_domain::Clock as _;
use vote_runtime::SystemClock;

/// Why a connection is let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A head took too long.
    Late,
    /// A head is too large.
    TooLarge,
    /// There was none.
    Idle,
}

impl Refusal {
    /// What its client is told, if there is anything.
    pub(super) fn answer(self) -> Option<Vec<u8>> {
        match self {
            Self::Late => Some(bare(StatusCode::REQUEST_TIMEOUT)),
            Self::TooLarge => Some(bare(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)),
            Self::Idle => None,
        }
    }
}

/// An answer without a body, after which the connection is closed: there is no request to say more of.
pub(crate) fn bare(status: StatusCode) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    // No clock is from before 1970.
    let since = u64::try_from(SystemClock.now().as_second()).unwrap_or_default();
    let date = HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(since));
    let answer = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-length: 0\r\nconnection: close\r\nx-content-type-options: nosniff\r\ndate: {date}\r\n\r\n",
        status.as_str()
    );
    answer.into_bytes()
}
