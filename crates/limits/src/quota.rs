//! So many in so long a time, as settings write it: `20/10s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// The most that a limit counts.
const MAX_VOTES: u32 = 10_000_000;

/// The longest time, a day.
const MAX_SECONDS: u32 = 24 * 60 * 60;

/// So many in so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    votes: u32,
    seconds: u32,
}

/// A text that is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no limit such as 20/10s: 1 to {MAX_VOTES} votes in 1 to {MAX_SECONDS} seconds (s, m or h), at most one a microsecond"
)]
pub struct QuotaError;

impl Quota {
    /// `None` where it is out of bounds.
    #[must_use]
    pub fn new(votes: u32, seconds: u32) -> Option<Self> {
        let is_right = (1..=MAX_VOTES).contains(&votes)
            && (1..=MAX_SECONDS).contains(&seconds)
            && u64::from(votes) <= u64::from(seconds) * 1_000_000;
        is_right.then_some(Self { votes, seconds })
    }

    /// How many.
    #[must_use]
    pub const fn votes(self) -> u32 {
        self.votes
    }

    /// In how many seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// In which time.
    #[must_use]
    pub const fn window(self) -> Duration {
        Duration::from_secs(self.seconds as u64)
    }
}

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, QuotaError> {
        let (votes, time) = text.split_once('/').ok_or(QuotaError)?;
        let unit = match time.as_bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3600,
            _ => return Err(QuotaError),
        };
        let number = time.get(..time.len() - 1).ok_or(QuotaError)?;
        let seconds = digits(number)?.checked_mul(unit).ok_or(QuotaError)?;
        Self::new(digits(votes)?, seconds).ok_or(QuotaError)
    }
}

/// A number in digits alone: no sign, no blanks.
fn digits(text: &str) -> Result<u32, QuotaError> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_plain.then(|| text.parse().ok()).flatten();
    number.ok_or(QuotaError)
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}s", self.votes, self.seconds)
    }
}

impl<'de> Deserialize<'de> for Quota {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_written() {
        for (text, votes, seconds) in [
            ("20/10s", 20, 10),
            ("1/1s", 1, 1),
            ("120/5m", 120, 300),
            ("3600/24h", 3600, 86_400),
        ] {
            let quota: Quota = text.parse().expect(text);
            assert_eq!((quota.votes(), quota.seconds()), (votes, seconds), "{text}");
            assert_eq!(quota.to_string().parse(), Ok(quota));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "/",
            "20",
            "20/",
            "20/s",
            "/10s",
            "20/10",
            "0/10s",
            "20/0s",
            "-1/10s",
            "+1/10s",
            "1/+1s",
            " 1/1s",
            "1/1s ",
            "1/1 s",
            "1/25h",
            "10000001/24h",
            "1000001/1s",
            "1/4294967296s",
            "1/4294967295m",
            "1/1d",
            "1.5/1s",
            "1/1é",
            "٣/1s",
        ] {
            assert_eq!(text.parse::<Quota>(), Err(QuotaError), "{text}");
        }
    }
}
