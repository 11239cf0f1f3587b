//! An instant on the wire: RFC 3339, UTC, with exactly milliseconds (`2026-11-24T01:02:03.250Z`).
//!
//! Use it as `#[serde(with = "vote_domain::wire_time")]`. Reading takes any offset and precision, and
//! rounds down to the millisecond.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serializer};

use crate::instant::{self, InstantError};

/// The instant as text: `2026-11-24T01:02:03.250Z`.
#[must_use]
pub fn format(at: Timestamp) -> String {
    format!("{:.3}", floor(at))
}

/// The instant as text with the zone's offset, to the second: `2026-11-23T22:00:00-03:00`.
#[must_use]
pub fn format_in(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone())
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

/// An instant as production says it, with UTC beside it:
/// `2026-11-25 23:00 America/Sao_Paulo (2026-11-26T02:00:00.000Z)`. Seconds are shown where there are any.
#[must_use]
pub fn shown(at: Timestamp, zone: &TimeZone) -> String {
    let local = at.to_zoned_datetime(zone.clone());
    let seconds = if local.second() == 0 && local.subsec_nanosecond() == 0 {
        ""
    } else {
        ":%S"
    };
    let local = local
        .strftime(&format!("%Y-%m-%d %H:%M{seconds}"))
        .to_string();
    let name = zone.iana_name().unwrap_or("UTC");
    format!("{local} {name} ({})", format(at))
}

/// Reads an RFC 3339 instant, rounded down to the millisecond.
///
/// # Errors
/// Where the text is no instant: a date alone, or a local time without an offset, isn't one.
pub fn parse(text: &str) -> Result<Timestamp, InstantError> {
    instant::parse(text).map(floor)
}

/// The instant rounded down to the millisecond, which is what the wire form keeps of it.
#[must_use]
pub fn floor(at: Timestamp) -> Timestamp {
    let part = at.as_nanosecond().rem_euclid(1_000_000);
    // Out of range only within a millisecond of the year -9999.
    Timestamp::from_nanosecond(at.as_nanosecond() - part).unwrap_or(at)
}

/// Writes an instant.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{:.3}", floor(*at)))
}

/// Reads an instant.
///
/// # Errors
/// Where it is no RFC 3339 instant.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// The same of an instant that may be missing, for members that are left out then.
pub mod optional {
    use jiff::Timestamp;
    use serde::{Deserializer, Serializer};

    /// Writes an instant, or `null`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads an instant.
    ///
    /// # Errors
    /// Where it is no RFC 3339 instant.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn has_exactly_milliseconds() {
        for (given, written) in [
            ("2026-11-24T01:02:03Z", "2026-11-24T01:02:03.000Z"),
            ("2026-11-24T01:02:03.25Z", "2026-11-24T01:02:03.250Z"),
            ("2026-11-24T01:02:03.2509999Z", "2026-11-24T01:02:03.250Z"),
            ("2026-11-23T22:02:03.25-03:00", "2026-11-24T01:02:03.250Z"),
        ] {
            assert_eq!(format(parse(given).expect(given)), written);
        }
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for text in [
            "",
            "now",
            "2026-11-24",
            "2026-11-24T01:02:03",
            "2026-13-24T01:02:03Z",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shows_the_offset_of_a_zone() {
        let zone = TimeZone::get("America/Sao_Paulo").expect("known");
        let at = parse("2026-11-24T01:00:00Z").expect("legal");
        assert_eq!(format_in(at, &zone), "2026-11-23T22:00:00-03:00");
        assert_eq!(format_in(at, &TimeZone::UTC), "2026-11-24T01:00:00+00:00");
    }

    #[test]
    fn an_instant_is_shown_in_its_zone_and_in_utc() {
        let (_, zone) = crate::zone::named("America/Sao_Paulo").expect("known");
        assert_eq!(
            shown(parse("2026-11-26T02:00:00Z").expect("legal"), &zone),
            "2026-11-25 23:00 America/Sao_Paulo (2026-11-26T02:00:00.000Z)"
        );
        assert_eq!(
            shown(
                parse("2026-11-26T02:00:07.5Z").expect("legal"),
                &TimeZone::UTC
            ),
            "2026-11-26 02:00:07 UTC (2026-11-26T02:00:07.500Z)"
        );
    }

    proptest! {
        #[test]
        fn survives_the_wire_to_the_millisecond(ms in 0_i64..253_000_000_000_000) {
            let at = Timestamp::from_millisecond(ms).expect("in range");
            prop_assert_eq!(parse(&format(at)).expect("reads"), at);
        }
    }
}
