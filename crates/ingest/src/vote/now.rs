//! When a vote is received that is received now.

use jiff::Timestamp;
use tokio::time::Instant;
use vote_domain::Clock;
use vote_http::{Problem, ProblemCode};
use vote_store::Clocks;

/// When a vote came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// By the process' clock: what it comes in time for.
    pub(crate) at: Timestamp,
    /// By the clock that only goes on: how long it has waited.
    pub(crate) since: Instant,
}

impl Arrival {
    /// The same by both clocks for what came before.
    pub(crate) fn back_to(self, since: Instant) -> Self {
        let waited = self.since.duration_since(since);
        Self {
            // There is such a time, but for a clock that is set to the beginning of all times.
            at: self.at.checked_sub(waited).unwrap_or(self.at),
            since,
        }
    }
}

/// Now, by both clocks.
///
/// # Errors
/// The clock is so far off that a repeat might not be found, and count again.
pub(crate) fn now(clock: &dyn Clock, clocks: &Clocks) -> Result<Arrival, Problem> {
    match clocks.ready() {
        Ok(()) => Ok(Arrival {
            at: clock.now(),
            since: Instant::now(),
        }),
        Err(why) => Err(Problem::new(ProblemCode::NotRecorded).because(why)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_came_before_came_as_much_before_by_both_clocks() {
        let came = Instant::now();
        tokio::time::advance(Duration::from_secs(7)).await;
        let now = Arrival {
            at: Timestamp::UNIX_EPOCH,
            since: Instant::now(),
        };
        let then = now.back_to(came);
        assert_eq!((then.at.as_second(), then.since), (-7, came));
    }
}
