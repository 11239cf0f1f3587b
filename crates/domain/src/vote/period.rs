//! The hour or day in which a voter's votes are counted.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::definition::choices::LimitPeriod;
use crate::figures::buckets::hour_start;

/// An hour or a day of a poll's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VotingPeriod {
    /// The hour that begins then, in seconds since 1970. One that is repeated when clocks are put back is two hours.
    Hour(i64),
    /// The day of that date, such as 20261124, however many hours it has.
    Day(i64),
}

impl VotingPeriod {
    /// The one that an instant is in; `None` where votes are counted for the whole poll.
    #[must_use]
    pub fn of(period: LimitPeriod, at: Timestamp, zone: &TimeZone) -> Option<Self> {
        match period {
            LimitPeriod::Poll => None,
            LimitPeriod::Hour => Some(Self::Hour(hour_start(at, zone).as_second())),
            LimitPeriod::Day => {
                let date = zone.to_datetime(at).date();
                let (year, month, day) = (date.year(), date.month(), date.day());
                let in_year = i64::from(month) * 100 + i64::from(day);
                Some(Self::Day(i64::from(year) * 10_000 + in_year))
            }
        }
    }

    /// What tells it from any other.
    pub(crate) fn bytes(self) -> [u8; 9] {
        let (kind, number) = match self {
            Self::Hour(start) => (b'h', start),
            Self::Day(date) => (b'd', date),
        };
        let mut bytes = [kind; 9];
        bytes[1..].copy_from_slice(&number.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    fn periods(period: LimitPeriod, zone: &str, instants: &[&str]) -> Vec<Option<VotingPeriod>> {
        let zone = TimeZone::get(zone).expect("a zone");
        let instants = instants.iter();
        instants
            .map(|instant| VotingPeriod::of(period, at(instant), &zone))
            .collect()
    }

    #[test]
    fn hours_and_days_are_those_of_the_zone() {
        let day = periods(
            LimitPeriod::Day,
            "America/Sao_Paulo",
            &[
                "2026-11-24T02:59:59.999Z",
                "2026-11-24T03:00:00Z",
                "2026-11-25T02:59:59Z",
            ],
        );
        let expected =
            [20_261_123, 20_261_124, 20_261_124].map(|date| Some(VotingPeriod::Day(date)));
        assert_eq!(day, expected);
        // Half an hour off: its hours begin at the half of ours.
        let hours = periods(
            LimitPeriod::Hour,
            "Asia/Kolkata",
            &[
                "2026-11-24T00:29:59Z",
                "2026-11-24T00:30:00Z",
                "2026-11-24T01:29:59Z",
            ],
        );
        assert!(hours[0] != hours[1] && hours[1] == hours[2]);
        let whole = periods(LimitPeriod::Poll, "UTC", &["2026-11-24T00:29:59Z"]);
        assert_eq!(whole, [None]);
    }

    #[test]
    fn the_hour_that_clocks_repeat_is_two() {
        let hours = periods(
            LimitPeriod::Hour,
            "Europe/Berlin",
            &[
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:30:00Z",
            ],
        );
        assert!(hours[0] != hours[1] && hours[1] != hours[2]);
        let day = periods(
            LimitPeriod::Day,
            "Europe/Berlin",
            &["2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z"],
        );
        assert_eq!(day[0], day[1]);
    }
}
