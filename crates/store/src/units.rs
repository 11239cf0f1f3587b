//! How settings write durations, sizes, and what is not set; for `#[serde(deserialize_with = …)]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// Whole microseconds.
///
/// # Errors
/// Where there is no whole number.
pub fn micros<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_micros)
}

/// Whole milliseconds.
///
/// # Errors
/// Where there is no whole number.
pub fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

/// Whole seconds.
///
/// # Errors
/// Where there is no whole number.
pub fn secs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}

/// Whole mebibytes, as bytes.
///
/// # Errors
/// Where there is no whole number.
pub fn mebibytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    usize::deserialize(deserializer).map(|mebibytes| mebibytes.saturating_mul(1 << 20))
}

/// A text, of which an empty one stands for "not set".
///
/// # Errors
/// Where there is no text.
pub fn empty_is_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: From<String>,
{
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| T::from(text)))
}
