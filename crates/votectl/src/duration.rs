//! Durations as options take them.

use crate::failure::Failure;
use jiff::SignedDuration;
use std::time::Duration;

/// Reads a duration such as `30m` or `1h30m`.
///
/// # Errors
/// What would be right, in words for whoever typed it.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    text.parse().map_err(|_| {
        if is_well_formed(text) {
            format!("`{text}` is too far away")
        } else {
            format!("must be a duration such as 30m or 1h30m, is `{text}`")
        }
    })
}

/// Reads a duration that is longer than zero.
///
/// # Errors
/// What would be right, in words for whoever typed it.
pub fn positive(text: &str) -> Result<Duration, String> {
    let given = parse(text)?;
    longer_than_zero("duration", given).map_err(|error| error.to_string())
}

/// A duration that must be longer than zero.
///
/// # Errors
/// [`Failure::Usage`] where it is not; `option` is its name.
pub fn longer_than_zero(option: &str, given: SignedDuration) -> Result<Duration, Failure> {
    let positive = Duration::try_from(given)
        .ok()
        .filter(|duration| !duration.is_zero());
    positive
        .ok_or_else(|| Failure::usage(format!("{option}: must be longer than zero, is {given:#}")))
}

/// Whether it would be a duration with smaller numbers.
fn is_well_formed(text: &str) -> bool {
    let mut small = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' if small.ends_with('1') => {}
            '0'..='9' => small.push('1'),
            other => small.push(other),
        }
    }
    small.parse::<SignedDuration>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::parse;
    use jiff::SignedDuration;

    #[test]
    fn a_duration_is_read_and_everything_else_told_what_is_right() {
        for (text, seconds) in [("30m", 1_800), ("1h30m", 5_400), ("90s", 90), ("0s", 0)] {
            assert_eq!(
                parse(text),
                Ok(SignedDuration::from_secs(seconds)),
                "{text}"
            );
        }
        for text in ["", "30", "1d", "soon", "1h 30", "m"] {
            let says = format!("must be a duration such as 30m or 1h30m, is `{text}`");
            assert_eq!(parse(text), Err(says));
        }
        let far = "99999999999999999999h10m";
        assert_eq!(parse(far), Err(format!("`{far}` is too far away")));
    }
}
