//! The file of the benchmarks' poll.

use jiff::Timestamp;

/// A poll file with that id: open since so many days, until tomorrow.
pub(crate) fn poll_text(
    id: &str,
    shards: u16,
    days: i64,
    now: Timestamp,
) -> anyhow::Result<String> {
    const DAY: i64 = 86_400;
    // A poll's times are of milliseconds at most.
    let of = |seconds: i64| Timestamp::from_second(now.as_second() + seconds);
    Ok(include_str!("poll.yaml")
        .replace("$ID", id)
        .replace("$SHARDS", &shards.to_string())
        .replace("$OPENS_AT", &of(-days * DAY)?.to_string())
        .replace("$CLOSES_AT", &of(DAY)?.to_string()))
}
