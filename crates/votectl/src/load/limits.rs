//! What a load must keep to: each breach is exit code 1.

use crate::duration;
use clap::Args;
use jiff::SignedDuration;
use std::str::FromStr;

/// What a load must keep to.
#[derive(Debug, Clone, Default, Args)]
pub struct Limits {
    /// Fail (exit 1) where fewer votes per second were accepted than this
    #[arg(long, value_name = "RATE")]
    pub(super) min_rate: Option<u32>,

    /// Fail (exit 1) where the p99 of the latency of accepted votes is longer than this, for example 250ms
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(super) max_p99: Option<SignedDuration>,

    /// Fail (exit 1) where more of the votes that were asked for ended without being accepted, or were not sent in
    /// time: a number, or a share such as 0.1%
    #[arg(long, value_name = "NUMBER|SHARE%")]
    pub(super) max_errors: Option<MostErrors>,
}

/// How many votes may end without being accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MostErrors {
    /// So many.
    Number(u64),
    /// So many hundredths of a percent of all.
    Share(u16),
}

impl FromStr for MostErrors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "must be a number of votes such as 10, or a share from 0% to 100% such as 0.1%, with at most two decimals"
                .to_owned()
        };
        let Some(share) = text.strip_suffix('%') else {
            return text.parse().map(Self::Number).map_err(|_| wrong());
        };
        let (whole, decimals) = share.split_once('.').unwrap_or((share, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 2 {
            return Err(wrong());
        }
        let hundredths: u16 = format!("{decimals:0<2}").parse().map_err(|_| wrong())?;
        whole
            .parse::<u16>()
            .ok()
            .filter(|whole| *whole <= 100)
            .map(|whole| whole * 100 + hundredths)
            .filter(|share| *share <= 10_000)
            .map(Self::Share)
            .ok_or_else(wrong)
    }
}

/// The figures that are compared with the limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// Accepted votes per second.
    pub(super) rate: f64,
    /// Of accepted votes, in microseconds.
    pub(super) p99: u64,
    /// Votes that were asked for.
    pub(super) votes: u64,
    /// Those of them that were not accepted.
    pub(super) errors: u64,
}

impl Limits {
    /// What was not kept, a sentence each.
    pub(super) fn breaches(&self, measured: Measured) -> Vec<String> {
        let Measured {
            rate,
            p99,
            votes,
            errors,
        } = measured;
        let mut breaches = Vec::new();
        if let Some(min) = self.min_rate.filter(|min| rate < f64::from(*min)) {
            breaches.push(format!(
                "{rate:.1} votes per second were accepted, --min-rate is {min}"
            ));
        }
        if let Some(max) = self.max_p99.filter(|max| i128::from(p99) > max.as_micros()) {
            breaches.push(format!("the p99 is {p99} µs, --max-p99 is {max:#}"));
        }
        let over = match self.max_errors {
            None => None,
            Some(MostErrors::Number(most)) => (errors > most).then(|| most.to_string()),
            Some(MostErrors::Share(most)) => {
                let over = u128::from(errors) * 10_000 > u128::from(most) * u128::from(votes);
                over.then(|| format!("{}.{:02}%", most / 100, most % 100))
            }
        };
        if let Some(most) = over {
            breaches.push(format!(
                "{errors} of {votes} votes were not accepted, --max-errors is {most}"
            ));
        }
        breaches
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, Measured, MostErrors};
    use jiff::SignedDuration;

    #[test]
    fn errors_are_a_number_or_a_share() {
        for (text, read) in [
            ("0", MostErrors::Number(0)),
            ("10", MostErrors::Number(10)),
            ("0%", MostErrors::Share(0)),
            ("0.1%", MostErrors::Share(10)),
            ("1.05%", MostErrors::Share(105)),
            ("100%", MostErrors::Share(10_000)),
        ] {
            assert_eq!(text.parse(), Ok(read), "{text}");
        }
        for text in [
            "", "%", "-1", "1.5", "101%", "100.01%", "1.%", ".5%", "1.234%", "a%", "٣%",
        ] {
            assert!(text.parse::<MostErrors>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_limit_is_kept_to_the_unit() {
        let measured = Measured {
            rate: 500.0,
            p99: 250_000,
            votes: 1_000,
            errors: 10,
        };
        let limits = |min_rate, millis, max_errors| Limits {
            min_rate: Some(min_rate),
            max_p99: Some(SignedDuration::from_millis(millis)),
            max_errors: Some(max_errors),
        };
        let kept = limits(500, 250, MostErrors::Share(100)).breaches(measured);
        assert!(kept.is_empty(), "{kept:?}");
        assert_eq!(
            limits(501, 249, MostErrors::Share(99)).breaches(measured),
            [
                "500.0 votes per second were accepted, --min-rate is 501",
                "the p99 is 250000 µs, --max-p99 is 249ms",
                "10 of 1000 votes were not accepted, --max-errors is 0.99%",
            ]
        );
        let one = limits(1, 9_999, MostErrors::Number(9)).breaches(measured);
        assert_eq!(
            one,
            ["10 of 1000 votes were not accepted, --max-errors is 9"]
        );
        assert!(Limits::default().breaches(measured).is_empty());
    }
}
