//! When a vote is received that is received now.

use jiff::Timestamp;
use vote_domain::Clock;
use vote_http::{Problem, ProblemCode};
use vote_store::Clocks;

/// The time by the process' clock.
///
/// # Errors
/// The clock is so far off that a repeat might not be found, and count again.
pub(crate) fn now(clock: &dyn Clock, clocks: &Clocks) -> Result<Timestamp, Problem> {
    match clocks.ready() {
        Ok(()) => Ok(clock.now()),
        Err(why) => Err(Problem::new(ProblemCode::NotRecorded).because(why)),
    }
}
