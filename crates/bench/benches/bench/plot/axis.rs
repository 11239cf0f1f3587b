//! An axis: where a value is, and at which values there are marks.

use crate::spread::{as_f64, number};

/// From zero to a round number above all values; or, of powers, from the least to the greatest.
pub(super) struct Axis {
    from: f64,
    to: f64,
    /// On the picture.
    start: f64,
    length: f64,
    is_logarithmic: bool,
}

impl Axis {
    /// Of amounts.
    pub(super) fn linear(greatest: f64, start: f64, length: f64) -> Self {
        let step = round_step(greatest.max(f64::MIN_POSITIVE));
        Self {
            from: 0.0,
            to: (greatest / step).ceil().max(1.0) * step,
            start,
            length,
            is_logarithmic: false,
        }
    }

    /// Of sizes, each many times the one before.
    pub(super) fn logarithmic(from: f64, to: f64, start: f64, length: f64) -> Self {
        Self {
            from: from.ln(),
            // A single size has a place as well.
            to: to.max(from * 2.0).ln(),
            start,
            length,
            is_logarithmic: true,
        }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if self.is_logarithmic {
            value.ln()
        } else {
            value
        };
        self.start + (value - self.from) / (self.to - self.from) * self.length
    }

    /// The marks of an axis of amounts, each with its text.
    pub(super) fn marks(&self) -> Vec<(f64, String)> {
        let step = round_step(self.to);
        let mut marks = Vec::new();
        for place in 0_u64.. {
            let value = as_f64(place) * step;
            if value > self.to * 1.001 {
                break;
            }
            marks.push((value, number(value, decimals(step))));
        }
        marks
    }
}

/// 1, 2 or 5 times a power of ten, of which there are three to seven up to that value.
fn round_step(greatest: f64) -> f64 {
    let rough = greatest / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|times| times * power >= rough);
    times.unwrap_or(10.0) * power
}

fn decimals(step: f64) -> usize {
    if step >= 1.0 {
        0
    } else if step >= 0.1 {
        1
    } else {
        2
    }
}
