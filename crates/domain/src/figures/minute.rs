//! Minutes: what votes are counted by over time.

use jiff::Timestamp;

/// A minute of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(pub(super) i64);

impl Minute {
    /// The minute that an instant is in.
    #[must_use]
    pub fn from_timestamp(at: Timestamp) -> Self {
        let whole = at.as_nanosecond().div_euclid(60_000_000_000);
        // Jiff's instants end in the year 9999.
        Self(i64::try_from(whole).unwrap_or(i64::MAX))
    }

    /// So many minutes since the Unix epoch; `None` where no instant is in that minute.
    #[must_use]
    pub fn from_since_epoch(minutes: i64) -> Option<Self> {
        Timestamp::from_second(minutes.checked_mul(60)?).ok()?;
        Some(Self(minutes))
    }

    /// Minutes since the Unix epoch.
    #[must_use]
    pub const fn since_epoch(self) -> i64 {
        self.0
    }

    /// Its first instant.
    #[must_use]
    pub fn start(self) -> Timestamp {
        // Out of range only in the first minute of the year -9999.
        Timestamp::from_second(self.0.saturating_mul(60)).unwrap_or(Timestamp::MIN)
    }

    /// The minute after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Hours since the Unix epoch, of UTC.
    #[must_use]
    pub const fn hour(self) -> i64 {
        self.0.div_euclid(60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    #[test]
    fn a_minute_is_the_one_that_holds_the_instant() {
        let minute = Minute::from_timestamp(at("2026-11-24T01:02:59.999Z"));
        assert_eq!(minute.start(), at("2026-11-24T01:02:00Z"));
        assert_eq!(Minute::from_since_epoch(minute.since_epoch()), Some(minute));
        assert_eq!(minute.since_epoch(), minute.hour() * 60 + 2);
        assert_eq!(Minute::from_since_epoch(i64::MAX), None);
        assert_eq!(Minute::from_since_epoch(i64::MAX / 60), None);
        let before = Minute::from_timestamp(at("1969-12-31T23:59:59Z"));
        assert_eq!((before.hour(), before.since_epoch()), (-1, -1));
    }
}
