//! Instants as they are written: RFC 3339, with the suffix of RFC 9557, or as the local time of a poll's zone.
//!
//! The shape is checked to the letter before anything is computed: a reader that also takes `20261201T200000Z` or `T20Z`
//! guesses, and two readers guess differently.

use std::borrow::Cow;

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

use crate::zone;

/// Digits of a second's fraction that are read; RFC 3339 allows any number.
const FRACTION_DIGITS: usize = 9;

/// Where the second of `2026-11-26T02:00:00` begins, with its colon.
const SECOND_OF_INSTANT: usize = 16;

/// Where the second of `02:00:00` begins, with its colon.
const SECOND_OF_TIME: usize = 5;

/// Why a text is no instant, as a sentence's end: `must be …`, `is …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstantError {
    /// It has another shape.
    #[error(
        "must be an RFC 3339 instant, such as 2026-11-26T02:00:00Z or 2026-11-25T23:00:00-03:00"
    )]
    Shape,
    /// It has another shape, where a local time would do as well.
    #[error(
        "must be a local time of {zone}, such as 2026-11-25T23:00, or an RFC 3339 instant, such as 2026-11-25T23:00:00-03:00"
    )]
    LocalShape {
        /// The zone.
        zone: String,
    },
    /// It has no offset, and no zone is known that it could be local to.
    #[error("has no offset, and there is no time zone that it could be local to: give either")]
    NoZone,
    /// There is no such day or hour.
    #[error("is no time that there is: {0}")]
    Value(String),
    /// Its offset is not the one that the zone has then: the old daylight saving, or a mistake.
    #[error(
        "has the offset {given}, but {zone} has {of_zone} then: give {of_zone}, no offset, or Z"
    )]
    Offset {
        /// The offset that it has.
        given: Offset,
        /// The zone's at that instant.
        of_zone: Offset,
        /// The zone.
        zone: String,
    },
    /// The clocks pass over this local time.
    #[error(
        "does not exist in {zone}: clocks go from {before} to {after} then; give it with an offset"
    )]
    Skipped {
        /// The zone.
        zone: String,
        /// The offset until then.
        before: Offset,
        /// The offset from then on.
        after: Offset,
    },
    /// The clocks show this local time twice.
    #[error("comes twice in {zone}, at {before} and at {after}: give it with one of these offsets")]
    Twice {
        /// The zone.
        zone: String,
        /// The first one's offset.
        before: Offset,
        /// The second one's offset.
        after: Offset,
    },
    /// Its suffix breaks RFC 9557, or asks for what we can't do.
    #[error("has a suffix that can't be read: {0}")]
    Suffix(String),
}

/// Refuses a second 60 at this place: our clocks have no leap second (POSIX.1-2024, section 4.19), and the reader would
/// take the one before for it without a word.
fn check_second(text: &str, place: usize) -> Result<(), InstantError> {
    match text.get(place..place + 3) {
        Some(":60") => Err(InstantError::Value("there is no second 60".to_owned())),
        _ => Ok(()),
    }
}

/// Reads an RFC 3339 instant, with RFC 9557's suffix: `2026-11-25T23:00:00-03:00[America/Sao_Paulo]`. A zone in the
/// suffix must have the offset that is written before it.
///
/// # Errors
/// [`InstantError`] with what is wrong. Never because of a suffix that RFC 9557 lets us ignore.
pub fn parse(text: &str) -> Result<Timestamp, InstantError> {
    written(text).map(|written| written.at)
}

/// Reads an instant as [`parse`], or a local time of the zone: `2026-11-25T23:00`, `2026-11-25 23:00:00`. An offset must
/// be the zone's at that instant; `Z` is always right, and so is another zone that the suffix names.
///
/// # Errors
/// [`InstantError`] with what is wrong, and what would be right.
pub fn parse_in(text: &str, zone: &TimeZone) -> Result<Timestamp, InstantError> {
    if let Some(local) = local(text) {
        check_second(local, SECOND_OF_INSTANT)?;
        return at_local(local.parse().map_err(InstantError::from)?, zone);
    }
    let written = written(text).map_err(|error| match error {
        InstantError::Shape => InstantError::LocalShape { zone: name(zone) },
        other => other,
    })?;
    match written.offset {
        Some(given) if !written.names_zone => {
            check_offset(written.at, given, zone)?;
            Ok(written.at)
        }
        _ => Ok(written.at),
    }
}

/// Reads what [`parse_in`] reads, or a time of day, `23:00`: the next one after `now`.
///
/// # Errors
/// [`InstantError`] with what is wrong, and what would be right.
pub fn parse_next(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, InstantError> {
    let Some(time) = time_of_day(text)? else {
        return parse_in(text, zone);
    };
    let today = now.to_zoned_datetime(zone.clone()).date();
    let at = at_local(today.to_datetime(time), zone)?;
    if at > now {
        return Ok(at);
    }
    let tomorrow = today.checked_add(1.day()).map_err(InstantError::from)?;
    at_local(tomorrow.to_datetime(time), zone)
}

/// Reads what [`parse_in`] reads, or a time of day, `23:00`: the last one up to `now`.
///
/// # Errors
/// [`InstantError`] with what is wrong, and what would be right.
pub fn parse_last(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, InstantError> {
    let Some(time) = time_of_day(text)? else {
        return parse_in(text, zone);
    };
    let today = now.to_zoned_datetime(zone.clone()).date();
    let at = at_local(today.to_datetime(time), zone)?;
    if at <= now {
        return Ok(at);
    }
    let yesterday = today.checked_sub(1.day()).map_err(InstantError::from)?;
    at_local(yesterday.to_datetime(time), zone)
}

/// A time without a day; `None` for all else.
fn time_of_day(text: &str) -> Result<Option<Time>, InstantError> {
    if !is_shape(text.as_bytes(), b"00:00") && !is_shape(text.as_bytes(), b"00:00:00") {
        return Ok(None);
    }
    check_second(text, SECOND_OF_TIME)?;
    text.parse().map(Some).map_err(InstantError::from)
}

/// An instant as it was written.
struct Written {
    at: Timestamp,
    /// `None` for `Z` and `-00:00`, which say nothing of a zone (RFC 9557, section 2.2).
    offset: Option<Offset>,
    names_zone: bool,
}

fn written(text: &str) -> Result<Written, InstantError> {
    let (core, suffix) = text.split_at(text.find('[').unwrap_or(text.len()));
    let (local, offset) = rfc3339(core).ok_or_else(|| match local(text) {
        Some(_) => InstantError::NoZone,
        None => InstantError::Shape,
    })?;
    check_second(&local, SECOND_OF_INSTANT)?;
    let offset_text = if offset.eq_ignore_ascii_case("z") {
        "Z"
    } else {
        offset
    };
    let at: Timestamp = format!("{local}{offset_text}")
        .parse()
        .map_err(InstantError::from)?;
    let offset = match offset_text {
        "Z" | "-00:00" => None,
        numeric => Some(numeric_offset(numeric)?),
    };
    let names_zone = check_suffix(suffix, at, offset)?;
    Ok(Written {
        at,
        offset,
        names_zone,
    })
}

/// The local part, and the offset, of what has RFC 3339's shape. Digits of a fraction that can't be read are left out.
fn rfc3339(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let offset = if text.ends_with(['Z', 'z']) { 1 } else { 6 };
    let (local, offset) = text.split_at_checked(text.len().checked_sub(offset)?)?;
    let sign = [b"+00:00", b"-00:00"];
    let is_offset = offset.len() == 1 || sign.iter().any(|sign| is_shape(offset.as_bytes(), *sign));
    let (seconds, fraction) = match local.split_once('.') {
        Some((seconds, fraction)) => (seconds, Some(fraction)),
        None => (local, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_local = is_shape(seconds.as_bytes(), b"0000-00-00T00:00:00")
        || is_shape(seconds.as_bytes(), b"0000-00-00t00:00:00");
    if !is_offset || !is_local || !fraction.is_none_or(digits) {
        return None;
    }
    let local = match fraction {
        Some(fraction) if fraction.len() > FRACTION_DIGITS => {
            format!("{seconds}.{}", &fraction[..FRACTION_DIGITS]).into()
        }
        _ => local.into(),
    };
    Some((local, offset))
}

/// A local time of one of the shapes that production writes.
fn local(text: &str) -> Option<&str> {
    let shapes: [&[u8]; 4] = [
        b"0000-00-00T00:00",
        b"0000-00-00T00:00:00",
        b"0000-00-00 00:00",
        b"0000-00-00 00:00:00",
    ];
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fits = shapes
        .iter()
        .any(|shape| is_shape(seconds.as_bytes(), shape));
    (fits && fraction.len() <= FRACTION_DIGITS && fraction.bytes().all(|b| b.is_ascii_digit()))
        .then_some(text)
}

/// Whether the text has a digit wherever the shape has `0`, and the shape's own byte elsewhere.
fn is_shape(text: &[u8], shape: &[u8]) -> bool {
    let fits = |(byte, like): (&u8, &u8)| match like {
        b'0' => byte.is_ascii_digit(),
        _ => byte == like,
    };
    text.len() == shape.len() && text.iter().zip(shape).all(fits)
}

fn at_local(local: DateTime, zone: &TimeZone) -> Result<Timestamp, InstantError> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => ambiguous.compatible().map_err(InstantError::from),
        AmbiguousOffset::Gap { before, after } => Err(InstantError::Skipped {
            zone: name(zone),
            before,
            after,
        }),
        AmbiguousOffset::Fold { before, after } => Err(InstantError::Twice {
            zone: name(zone),
            before,
            after,
        }),
    }
}

fn check_offset(at: Timestamp, given: Offset, zone: &TimeZone) -> Result<(), InstantError> {
    let of_zone = zone.to_offset(at);
    if of_zone == given {
        return Ok(());
    }
    Err(InstantError::Offset {
        given,
        of_zone,
        zone: name(zone),
    })
}

/// Checks RFC 9557's suffix: `[zone]` first, then `[key=value]`s, of which only those with a `!` have to be understood.
/// Says whether it names a zone.
fn check_suffix(suffix: &str, at: Timestamp, offset: Option<Offset>) -> Result<bool, InstantError> {
    let refuse = |why: String| Err(InstantError::Suffix(why));
    let (mut rest, mut names_zone, mut first) = (suffix, false, true);
    while let Some(tagged) = rest.strip_prefix('[') {
        let Some((tag, after)) = tagged.split_once(']') else {
            return refuse("a bracket is not closed".to_owned());
        };
        let (critical, tag) = match tag.strip_prefix('!') {
            Some(tag) => (true, tag),
            None => (false, tag),
        };
        match tag.split_once('=') {
            Some((key, _)) if critical => {
                return refuse(format!("`{}` is not known here", crate::shown::shown(key)));
            }
            Some(_) => {}
            None if first => {
                names_zone = true;
                check_zone(tag, at, offset)?;
            }
            None => return refuse("the zone must come first, once".to_owned()),
        }
        (rest, first) = (after, false);
    }
    if !rest.is_empty() {
        return refuse("nothing may follow the brackets".to_owned());
    }
    Ok(names_zone)
}

fn check_zone(tag: &str, at: Timestamp, offset: Option<Offset>) -> Result<(), InstantError> {
    let zone = match zone::named(tag) {
        Some((_, zone)) => zone,
        None => TimeZone::fixed(numeric_offset(tag).map_err(|_| {
            InstantError::Suffix(format!(
                "there is no time zone `{}`",
                crate::shown::shown(tag)
            ))
        })?),
    };
    offset.map_or(Ok(()), |given| check_offset(at, given, &zone))
}

/// `±HH:MM`.
fn numeric_offset(text: &str) -> Result<Offset, InstantError> {
    let shape = |sign: &[u8]| is_shape(text.as_bytes(), sign);
    let number = |from: usize| text.get(from..from + 2)?.parse::<i32>().ok();
    let seconds = match (number(1), number(4)) {
        (Some(hours @ 0..=23), Some(minutes @ 0..=59)) if shape(b"+00:00") => {
            Some(hours * 3_600 + minutes * 60)
        }
        (Some(hours @ 0..=23), Some(minutes @ 0..=59)) if shape(b"-00:00") => {
            Some(-hours * 3_600 - minutes * 60)
        }
        _ => None,
    };
    seconds
        .and_then(|seconds| Offset::from_seconds(seconds).ok())
        .ok_or(InstantError::Shape)
}

impl From<jiff::Error> for InstantError {
    fn from(error: jiff::Error) -> Self {
        Self::Value(error.to_string())
    }
}

fn name(zone: &TimeZone) -> String {
    zone.iana_name()
        .map_or_else(|| "the zone".to_owned(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests;
