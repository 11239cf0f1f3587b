//! A percentage of exactly two decimals.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A percentage in hundredths, 0.00 to 100.00.
///
/// A JSON number on the wire: `56.73`, `56.7`, `100`. Whole ones are written without a fraction, which
/// is how RFC 8785 (JSON canonicalisation) writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Percent(u16);

impl Percent {
    /// 0.00
    pub const ZERO: Self = Self(0);
    /// 100.00
    pub const HUNDRED: Self = Self(10_000);

    /// So many hundredths of a percent; `None` above 10 000.
    #[must_use]
    pub(crate) fn from_hundredths(hundredths: u16) -> Option<Self> {
        (hundredths <= Self::HUNDRED.0).then_some(Self(hundredths))
    }

    /// In hundredths of a percent: 5673 for 56.73 %.
    #[must_use]
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// The double nearest to it, for bars and graphics.
    #[must_use]
    pub(crate) fn as_f64(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl fmt::Display for Percent {
    /// Always two decimals: `56.73`, `100.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:02}", self.0 / 100, self.0 % 100))
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(100) {
            serializer.serialize_u16(self.0 / 100)
        } else {
            // The shortest text that reads back as this double is the two decimals themselves.
            serializer.serialize_f64(self.as_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        let hundredths = (number * 100.0).round();
        // The last bit of a double may differ; a third decimal is refused.
        let legal =
            (0.0..=10_000.0).contains(&hundredths) && (number * 100.0 - hundredths).abs() < 1e-6;
        if legal {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number from 0 to 10 000, checked just above"
            )]
            return Ok(Self(hundredths as u16));
        }
        Err(serde::de::Error::custom(format!(
            "a percentage must be 0 to 100 with at most two decimals, is {number}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_number_with_at_most_two_decimals_and_reads_back_for_every_value() {
        for hundredths in 0..=10_000 {
            let percent = Percent::from_hundredths(hundredths).expect("in range");
            let json = serde_json::to_string(&percent).expect("serialises");
            let shown = percent.to_string();
            let short = shown.trim_end_matches('0').trim_end_matches('.');
            assert_eq!(json, short);
            assert_eq!(
                serde_json::from_str::<Percent>(&json).expect("reads"),
                percent
            );
        }
    }

    #[test]
    fn nothing_else_is_one() {
        assert_eq!(Percent::from_hundredths(10_001), None);
        for json in ["-0.01", "100.01", "56.735", "1e300", "\"56.73\"", "null"] {
            assert!(serde_json::from_str::<Percent>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn shows_two_decimals() {
        let shown = |hundredths| {
            Percent::from_hundredths(hundredths)
                .expect("in range")
                .to_string()
        };
        assert_eq!(shown(5673), "56.73");
        assert_eq!(shown(5), "0.05");
        assert_eq!(shown(10_000), "100.00");
    }
}
