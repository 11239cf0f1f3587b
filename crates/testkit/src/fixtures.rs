//! What tests of several crates begin with: the poll of the documentation, times, and random numbers.

mod demo_poll;
mod random;

use jiff::Timestamp;

pub use crate::fixtures::demo_poll::{DemoPoll, demo_poll};
pub use crate::fixtures::random::{SeededRandom, random_bytes};

/// An instant as RFC 3339 spells it, such as `2026-11-24T00:00:00Z`.
///
/// # Panics
/// When the text is none.
#[must_use]
pub fn at(text: &str) -> Timestamp {
    text.parse()
        .unwrap_or_else(|error| panic!("{text:?} is no instant: {error}"))
}
