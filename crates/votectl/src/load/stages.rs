//! The stages of a load, as `--stages` takes them.

use crate::duration;
use jiff::SignedDuration;
use std::str::FromStr;
use vote_client::pacer::{Pace, Schedule};

/// More stages than anybody types.
const MOST: usize = 100;

/// The fastest that `--rate` takes as well.
const FASTEST: u32 = 1_000_000;

/// Longer than any load, in hours: a longer one is a slip.
pub(super) const MOST_HOURS: i64 = 24;

/// Rates one after the other: `1000:30s,20000:2m`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stages(pub(super) Schedule);

impl FromStr for Stages {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let stages: Vec<Pace> = text
            .split(',')
            .take(MOST + 1)
            .map(stage)
            .collect::<Result<_, _>>()?;
        if stages.len() > MOST {
            return Err(format!("at most {MOST} stages are taken"));
        }
        let [first, then @ ..] = &*stages else {
            return Err("at least one stage is needed".to_owned());
        };
        Ok(Self(Schedule::of(*first, then)))
    }
}

/// Reads `1000:30s`.
fn stage(text: &str) -> Result<Pace, String> {
    let wrong = |rule: &str| format!("stage `{text}`: {rule} (for example 1000:30s,20000:2m)");
    let (rate, length) = text
        .trim()
        .split_once(':')
        .ok_or_else(|| wrong("must be a rate, a colon and a duration"))?;
    let rate = rate
        .parse()
        .ok()
        .filter(|rate| (1..=FASTEST).contains(rate))
        .ok_or_else(|| wrong("the rate must be from 1 to 1000000 votes per second"))?;
    let length = duration::parse(length).map_err(|rule| wrong(&rule))?;
    if length > SignedDuration::from_hours(MOST_HOURS) {
        return Err(wrong(&format!("it must be at most {MOST_HOURS}h long")));
    }
    let nanos = u128::try_from(length.as_nanos()).unwrap_or(0);
    let votes = u64::try_from(nanos * u128::from(rate) / 1_000_000_000).unwrap_or(u64::MAX);
    match votes {
        0 => Err(wrong("it is too short for a single vote")),
        votes => Ok(Pace { rate, votes }),
    }
}

#[cfg(test)]
mod tests {
    use super::Stages;
    use std::time::Duration;

    #[test]
    fn stages_hold_their_rates_one_after_the_other() {
        let Stages(schedule) = "1000:30s, 20000:2m".parse().expect("two stages");
        assert_eq!(schedule.votes(), 30_000 + 2_400_000);
        assert_eq!(schedule.length(), Duration::from_secs(150));
        assert_eq!(schedule.due(Duration::from_secs(31)), 50_001);
    }

    #[test]
    fn what_is_no_stage_is_said_with_what_would_be_right() {
        for (text, says) in [
            ("", "stage ``: must be a rate, a colon and a duration"),
            ("1000", "must be a rate, a colon"),
            ("1000:30s,", "stage ``"),
            ("0:30s", "from 1 to 1000000"),
            ("-5:30s", "from 1 to 1000000"),
            ("99999999999:30s", "from 1 to 1000000"),
            ("1000:30", "must be a duration such as 30m"),
            ("1000:0s", "too short"),
            ("1000:-3s", "too short"),
            ("1:10ms", "too short"),
            ("100:999999h", "must be at most 24h long"),
            ("100:24h1s", "must be at most 24h long"),
        ] {
            let error = text.parse::<Stages>().expect_err("it is refused");
            assert!(error.contains(says), "{text}: {error}");
        }
        let many = vec!["1:1s"; 101].join(",");
        let error = many.parse::<Stages>().expect_err("it is refused");
        assert_eq!(error, "at most 100 stages are taken");
    }
}
