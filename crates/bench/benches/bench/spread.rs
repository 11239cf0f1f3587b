//! Least, median and greatest of some values.

use std::fmt;

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of these; none of nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let at = |place: usize| values.get(place).copied().unwrap_or(max);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(at(middle - 1), at(middle))
        } else {
            at(middle)
        };
        Some(Self { min, median, max })
    }
}

/// With as many decimals as asked for, and thousands parted where there are none.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(0);
        let [min, median, max] =
            [self.min, self.median, self.max].map(|value| number(value, decimals));
        if self.min.total_cmp(&self.max).is_eq() {
            return f.write_str(&median);
        }
        write!(f, "{median} ({min} to {max})")
    }
}

/// A number as the documentation writes it: `51,200`, `0.62`.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), String::new()), |(whole, rest)| {
            (whole, format!(".{rest}"))
        });
    let mut parted = String::new();
    for (place, digit) in whole.chars().enumerate() {
        let behind = whole.len() - place;
        if place > 0 && behind.is_multiple_of(3) && !parted.ends_with('-') {
            parted.push(',');
        }
        parted.push(digit);
    }
    parted + &rest
}

/// For ratios of counts, of which three digits are read.
#[expect(clippy::cast_precision_loss, reason = "for figures with a few digits")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}
