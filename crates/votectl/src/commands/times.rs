//! Times of votes that have come, as options say them.

use crate::failure::Failure;
use jiff::Timestamp;
use vote_domain::{Poll, instant};

/// Reads a time of the poll's zone: of a day (`23:00` is the last one up to `now`), local with its day, or an instant.
///
/// # Errors
/// [`Failure::Usage`], which names the option, and says what would be right.
pub(super) fn time_that_came(
    option: &str,
    text: &str,
    poll: &Poll,
    now: Timestamp,
) -> Result<Timestamp, Failure> {
    let read = instant::parse_last(text.trim(), poll.definition.zone(), now);
    read.map_err(|error| Failure::usage(format!("{option}: {error}; is `{}`", text.escape_debug())))
}
