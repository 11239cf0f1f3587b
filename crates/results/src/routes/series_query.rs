//! What is asked for of a series.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vote_domain::{Minute, PollDefinition, wire_time, zone};
use vote_http::problem::echo;
use vote_http::query::parameters;
use vote_http::{Problem, ProblemCode};

use crate::documents::series::{Bounds, SeriesPart};

/// The longest name of the IANA database has 32 characters.
const MAX_ZONE_CHARS: usize = 64;

/// The parameters of a series.
const KNOWN: [&str; 3] = ["tz", "from", "until"];

/// A query that was understood.
#[derive(Debug, PartialEq)]
pub(super) struct SeriesQuery {
    /// The time zone and its name; the poll's own where it is missing.
    zone: Option<(String, TimeZone)>,
    pub(super) bounds: Bounds,
}

impl SeriesQuery {
    /// Reads the query of a URL.
    ///
    /// # Errors
    /// `invalid-query`, `invalid-time-zone`.
    pub(super) fn parse(query: &str) -> Result<Self, Problem> {
        let given = parameters(query, &KNOWN)?;
        let value = |name: &str| {
            let given = given.iter().find(|(given, _)| given == name);
            given.map(|(_, value)| value.as_ref())
        };
        let zone = value("tz").map(named_zone).transpose()?;
        let bound = |name| value(name).map(|text| instant(name, text)).transpose();
        let (from, until) = (bound("from")?, bound("until")?);
        if let (Some(from), Some(until)) = (from, until)
            && until <= from
        {
            return Err(
                Problem::new(ProblemCode::InvalidQuery).detail("`until` must be after `from`.")
            );
        }
        // Buckets begin with a minute, so these make no difference but to the cache.
        let bounds = Bounds {
            from: from.map(|from| Minute::from_timestamp(from).start()),
            until: until.map(up_to_minute),
        };
        Ok(Self { zone, bounds })
    }

    /// Whether it asks for the whole series in this time zone.
    pub(super) fn is_for_all_in(&self, own_zone: &str) -> bool {
        let zone = self.zone.as_ref();
        zone.is_none_or(|(name, _)| name == own_zone) && self.bounds == Bounds::default()
    }

    /// The part of a poll's series that it asks for.
    pub(super) fn of(self, definition: &PollDefinition) -> SeriesPart {
        let mut part = SeriesPart::own(definition);
        if let Some((zone_name, zone)) = self.zone {
            (part.zone_name, part.zone) = (zone_name, zone);
        }
        part.bounds = self.bounds;
        part
    }
}

/// A time zone by its IANA name, in the database's own spelling.
fn named_zone(text: &str) -> Result<(String, TimeZone), Problem> {
    Some(text)
        .filter(|text| text.len() <= MAX_ZONE_CHARS)
        .and_then(zone::named)
        .ok_or_else(|| {
            Problem::new(ProblemCode::InvalidTimeZone).detail(format!(
                "tz must be the IANA name of a time zone, such as America/Sao_Paulo; is {}.",
                echo(text)
            ))
        })
}

fn instant(name: &str, text: &str) -> Result<Timestamp, Problem> {
    wire_time::parse(text).map_err(|_error| {
        Problem::new(ProblemCode::InvalidQuery).detail(format!(
            "{name} must be an RFC 3339 instant, such as 2026-11-24T01:00:00Z (a + in it is written \
             %2B); is {}.",
            echo(text)
        ))
    })
}

/// The minute's beginning, or the next one's.
fn up_to_minute(at: Timestamp) -> Timestamp {
    let start = Minute::from_timestamp(at).start();
    if start == at {
        return at;
    }
    start
        .checked_add(SignedDuration::from_mins(1))
        .unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::at;

    fn refused(query: &str) -> (ProblemCode, String) {
        let problem = SeriesQuery::parse(query).expect_err(query);
        let body: serde_json::Value = serde_json::from_slice(&problem.body()).expect("JSON");
        (
            problem.code(),
            body["detail"].as_str().expect("text").to_owned(),
        )
    }

    #[test]
    fn everything_is_optional() {
        let asked = SeriesQuery::parse("").expect("fine");
        assert_eq!(
            asked,
            SeriesQuery {
                zone: None,
                bounds: Bounds::default()
            }
        );
    }

    #[test]
    fn zones_are_known_by_any_spelling_and_have_one_name() {
        for spelling in ["America/Manaus", "america/manaus", "America%2FManaus"] {
            let asked = SeriesQuery::parse(&format!("tz={spelling}")).expect(spelling);
            assert_eq!(asked.zone.expect("a zone").0, "America/Manaus");
        }
    }

    #[test]
    fn bounds_are_whole_minutes() {
        let asked =
            SeriesQuery::parse("from=2026-11-24T01:02:03.250Z&until=2026-11-24T03:04:05%2B01:00");
        let bounds = asked.expect("fine").bounds;
        assert_eq!(bounds.from, Some(at("2026-11-24T01:02:00Z")));
        assert_eq!(bounds.until, Some(at("2026-11-24T02:05:00Z")));
        let whole = SeriesQuery::parse("until=2026-11-24T03:04:00Z").expect("fine");
        assert_eq!(whole.bounds.until, Some(at("2026-11-24T03:04:00Z")));
    }

    #[test]
    fn a_zone_that_is_none_is_named_and_cut() {
        let long = "x".repeat(10_000);
        for tz in [
            "",
            "Mars/Phobos",
            "UTC+3",
            "-03:00",
            "EST5EDT4,M3",
            "../../etc/passwd",
            "/etc/localtime",
            "America/Sao_Paulo%00",
            "%ff%fe",
            &long,
        ] {
            let (code, detail) = refused(&format!("tz={tz}"));
            assert_eq!(code, ProblemCode::InvalidTimeZone, "{tz:.40}");
            assert!(
                detail.contains("America/Sao_Paulo") && detail.len() < 300,
                "{detail}"
            );
        }
    }

    #[test]
    fn an_instant_that_is_none_is_named() {
        for text in [
            "",
            "yesterday",
            "2026-11-24",
            "2026-11-24T01:00:00",
            "1700000000",
            "2026-11-24T01:00:00+03:00",
        ] {
            for name in ["from", "until"] {
                let (code, detail) = refused(&format!("{name}={text}"));
                assert_eq!(code, ProblemCode::InvalidQuery, "{text}");
                assert!(detail.starts_with(name), "{detail}");
            }
        }
    }

    #[test]
    fn an_end_before_the_beginning_is_refused() {
        for until in ["2026-11-24T01:00:00Z", "2026-11-24T00:59:00Z"] {
            let (code, detail) = refused(&format!("from=2026-11-24T01:00:00Z&until={until}"));
            assert_eq!(code, ProblemCode::InvalidQuery);
            assert!(detail.contains("after"), "{detail}");
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        for (query, word) in [
            ("timezone=UTC", "timezone"),
            ("tz=UTC&tz=UTC", "tz"),
            ("tz=UTC&x=1", "x"),
            ("tz[]=UTC", "tz[]"),
        ] {
            let (code, detail) = refused(query);
            assert_eq!(code, ProblemCode::InvalidQuery, "{query}");
            assert!(detail.contains(word), "{detail}");
        }
    }
}
