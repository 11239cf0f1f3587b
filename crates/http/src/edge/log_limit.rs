//! How many errors a worker logs.

use std::cell::Cell;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;

/// Errors of one worker that are logged within [`LOG_INTERVAL`]; the rest is counted, so that an outage
/// under load does not fill disks.
const LOGGED_PER_INTERVAL: u32 = 20;
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// A request that failed, as the log names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed<'a> {
    pub(super) method: &'static str,
    pub(super) route: &'a str,
    pub(super) status: StatusCode,
    pub(super) id: &'a HeaderValue,
}

/// Lets the first errors of a second through to the log and counts the rest.
pub(super) struct LogLimit {
    since: Cell<Instant>,
    logged: Cell<u32>,
    suppressed: Cell<u64>,
}

impl LogLimit {
    pub(super) fn new() -> Self {
        Self {
            since: Cell::new(Instant::now()),
            logged: Cell::new(0),
            suppressed: Cell::new(0),
        }
    }

    pub(super) fn error(&self, failed: Failed<'_>, cause: &str) {
        if self.since.get().elapsed() >= LOG_INTERVAL {
            self.since.set(Instant::now());
            self.logged.set(0);
        }
        if self.logged.get() >= LOGGED_PER_INTERVAL {
            self.suppressed.set(self.suppressed.get() + 1);
            return;
        }
        self.logged.set(self.logged.get() + 1);
        tracing::error!(
            http.route = failed.route,
            http.method = failed.method,
            http.status = failed.status.as_u16(),
            request.id = failed.id.to_str().unwrap_or_default(),
            suppressed = self.suppressed.replace(0),
            error = cause,
            "request failed"
        );
    }
}
