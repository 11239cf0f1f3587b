//! How long a poll may be open: the rule that its file and its extension share.

use jiff::Timestamp;

use crate::definition::violation::Violation;
use crate::wire_time;

/// The longest that a poll may be open, in days. Its minute series is read an hour a key, so its
/// length is what an audit costs Redis.
const MAX_DAYS: i64 = 366;

/// The violation of an end that isn't after the beginning, or too long after it.
pub(crate) fn check(opens_at: Timestamp, closes_at: Timestamp) -> Option<Violation> {
    let rule = if closes_at <= opens_at {
        "must be after opens_at".to_owned()
    } else if closes_at.as_second() - opens_at.as_second() > MAX_DAYS * 86_400 {
        format!("must be at most {MAX_DAYS} days after opens_at")
    } else {
        return None;
    };
    Some(Violation {
        field: "closes_at".to_owned(),
        rule: format!(
            "{rule} ({}), is {}",
            wire_time::format(opens_at),
            wire_time::format(closes_at)
        ),
    })
}
