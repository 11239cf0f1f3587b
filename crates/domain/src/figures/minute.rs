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

    /// The minute of an hour since the epoch, as [`Self::hour`] and [`Self::within_hour`] give them;
    /// `None` where there is no such minute, or no instant in it.
    #[must_use]
    pub fn from_parts(hour: i64, within_hour: u8) -> Option<Self> {
        if within_hour > 59 {
            return None;
        }
        let minute = hour.checked_mul(60)?.checked_add(i64::from(within_hour))?;
        Timestamp::from_second(minute.checked_mul(60)?).ok()?;
        Some(Self(minute))
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

    /// Hours since the Unix epoch, of UTC: what minutes are stored by.
    #[must_use]
    pub const fn hour(self) -> i64 {
        self.0.div_euclid(60)
    }

    /// The minute within that hour, 0 to 59.
    #[must_use]
    pub fn within_hour(self) -> u8 {
        u8::try_from(self.0.rem_euclid(60)).unwrap_or_default()
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
        assert_eq!(minute.within_hour(), 2);
        assert_eq!(Minute::from_parts(minute.hour(), 2), Some(minute));
        assert_eq!(minute.since_epoch(), minute.hour() * 60 + 2);
        assert_eq!(Minute::from_parts(0, 60), None);
        assert_eq!(Minute::from_parts(i64::MAX, 0), None);
        let before = Minute::from_timestamp(at("1969-12-31T23:59:59Z"));
        assert_eq!((before.hour(), before.within_hour()), (-1, 59));
    }
}
