use proptest::prelude::*;

use super::*;
use crate::wire_time;

fn zone_named(name: &str) -> TimeZone {
    zone::named(name).expect("known").1
}

fn utc(read: Result<Timestamp, InstantError>) -> String {
    wire_time::format(read.expect("an instant"))
}

#[test]
fn an_instant_is_rfc_3339_to_the_letter() {
    for (text, at) in [
        ("2026-12-01T20:00:00Z", "2026-12-01T20:00:00.000Z"),
        ("2026-12-01t20:00:00z", "2026-12-01T20:00:00.000Z"),
        ("2026-12-01T20:00:00.25-03:00", "2026-12-01T23:00:00.250Z"),
        ("2026-12-01T20:00:00-00:00", "2026-12-01T20:00:00.000Z"),
        (
            "2026-12-01T20:00:00.123456789012Z",
            "2026-12-01T20:00:00.123Z",
        ),
        (
            "2026-12-01T20:00:00-03:00[America/Sao_Paulo]",
            "2026-12-01T23:00:00.000Z",
        ),
        (
            "2026-12-01T20:00:00-03:00[-03:00]",
            "2026-12-01T23:00:00.000Z",
        ),
        (
            "2026-12-01T20:00:00Z[!America/New_York]",
            "2026-12-01T20:00:00.000Z",
        ),
        (
            "2026-12-01T20:00:00-03:00[America/Sao_Paulo][u-ca=iso8601][_x=1]",
            "2026-12-01T23:00:00.000Z",
        ),
    ] {
        assert_eq!(utc(parse(text)), at, "{text}");
    }
    for text in [
        "",
        "now",
        "20261201T200000Z",
        "2026-12-01T20:00:00-0300",
        "2026-12-01T20:00:00-03",
        "2026-12-01T20Z",
        "2026-12-01T20:00Z",
        "2026-12-01 20:00:00Z",
        "2026-12-01T20:00:00,5Z",
        "2026-12-01T20:00:00.Z",
        "+002026-12-01T20:00:00Z",
        " 2026-12-01T20:00:00Z",
        "2026-12-01T20:00:00Z ",
        "2026-12-01T20:00:00−03:00",
        "２026-12-01T20:00:00Z",
        "2026-W49-2T20:00:00Z",
    ] {
        assert_eq!(parse(text), Err(InstantError::Shape), "{text}");
    }
    for text in [
        "2026-02-30T20:00:00Z",
        "2026-13-01T20:00:00Z",
        "2026-12-01T24:00:00Z",
        "2026-12-01T20:60:00Z",
        "2026-12-01T23:59:60Z",
        "2026-12-31T23:59:60.5Z",
        "2016-12-31T23:59:60Z",
        "2026-12-01T23:59:60-03:00[America/Sao_Paulo]",
        "2026-12-01t23:59:61z",
    ] {
        assert!(matches!(parse(text), Err(InstantError::Value(_))), "{text}");
    }
    assert!(parse("2026-12-01T20:00:00+24:00").is_err());
    let (zone, now) = (TimeZone::UTC, Timestamp::UNIX_EPOCH);
    for text in [
        "2026-12-01T23:59:60Z",
        "2026-12-01T23:59:60",
        "2026-12-01 23:59:60.25",
        "23:59:60",
    ] {
        let error = parse_next(text, &zone, now).expect_err("it is refused");
        assert_eq!(
            error.to_string(),
            "is no time that there is: there is no second 60",
            "{text}"
        );
    }
    assert_eq!(parse("2026-12-01T20:00:00"), Err(InstantError::NoZone));
}

#[test]
fn a_suffix_must_not_contradict_the_offset() {
    let contradicts = "2026-12-01T20:00:00-03:00[!America/New_York]";
    assert_eq!(
        parse(contradicts).expect_err("refused").to_string(),
        "has the offset -03, but America/New_York has -05 then: give -05, no offset, or Z"
    );
    for text in [
        "2026-12-01T20:00:00-03:00[America/New_York]",
        "2026-12-01T20:00:00-03:00[-05:00]",
    ] {
        assert!(
            matches!(parse(text), Err(InstantError::Offset { .. })),
            "{text}"
        );
    }
    for text in [
        "2026-12-01T20:00:00Z[America/Gotham]",
        "2026-12-01T20:00:00Z[localtime]",
        "2026-12-01T20:00:00Z[!u-ca=hebrew]",
        "2026-12-01T20:00:00Z[u-ca=iso8601][UTC]",
        "2026-12-01T20:00:00Z[UTC][UTC]",
        "2026-12-01T20:00:00Z[UTC",
        "2026-12-01T20:00:00Z[UTC]x",
        "2026-12-01T20:00:00Z[]",
    ] {
        assert!(
            matches!(parse(text), Err(InstantError::Suffix(_))),
            "{text}"
        );
    }
}

#[test]
fn a_local_time_is_the_zones() {
    let zone = zone_named("America/Sao_Paulo");
    for text in [
        "2026-11-25T23:00",
        "2026-11-25 23:00",
        "2026-11-25T23:00:00",
        "2026-11-25 23:00:00.0",
        "2026-11-25T23:00:00-03:00",
        "2026-11-26T02:00:00Z",
        "2026-11-25T21:00:00-05:00[America/New_York]",
    ] {
        assert_eq!(
            utc(parse_in(text, &zone)),
            "2026-11-26T02:00:00.000Z",
            "{text}"
        );
    }
    for text in ["2026-11-25", "23:00", "25/11/2026 23:00", "2026-11-25T23"] {
        let error = parse_in(text, &zone).expect_err(text).to_string();
        assert!(error.contains("America/Sao_Paulo"), "{error}");
    }
}

#[test]
fn the_offset_of_a_daylight_saving_that_has_ended_is_refused() {
    let zone = zone_named("America/Sao_Paulo");
    assert_eq!(
        parse_in("2026-11-25T23:00:00-02:00", &zone)
            .expect_err("Brazil has had no daylight saving since 2019")
            .to_string(),
        "has the offset -02, but America/Sao_Paulo has -03 then: give -03, no offset, or Z"
    );
    assert!(parse_in("2018-11-25T23:00:00-02:00", &zone).is_ok());
}

#[test]
fn a_local_time_that_is_not_or_is_twice_is_refused_with_both_offsets() {
    let zone = zone_named("America/New_York");
    let said = |text| parse_in(text, &zone).expect_err(text).to_string();
    let skipped = said("2026-03-08T02:30");
    assert!(
        skipped.contains("does not exist") && skipped.contains("from -05 to -04"),
        "{skipped}"
    );
    let twice = said("2026-11-01T01:30");
    assert!(twice.contains("at -04 and at -05"), "{twice}");
    assert_eq!(
        utc(parse_in("2026-11-01T01:30:00-05:00", &zone)),
        "2026-11-01T06:30:00.000Z"
    );
}

#[test]
fn a_time_of_day_is_the_next_one() {
    let zone = zone_named("America/Sao_Paulo");
    // 22:30 on the 25th.
    let now = parse("2026-11-26T01:30:00Z").expect("an instant");
    for (text, at) in [
        ("23:00", "2026-11-26T02:00:00.000Z"),
        ("22:30", "2026-11-27T01:30:00.000Z"),
        ("22:30:01", "2026-11-26T01:30:01.000Z"),
        ("00:15", "2026-11-26T03:15:00.000Z"),
        ("2026-11-25 23:00", "2026-11-26T02:00:00.000Z"),
    ] {
        assert_eq!(utc(parse_next(text, &zone, now)), at, "{text}");
    }
    for text in ["24:00", "23:60", "23", "11pm", "23h00"] {
        assert!(parse_next(text, &zone, now).is_err(), "{text}");
    }
}

proptest! {
    /// What is read is an instant that is read again as it is written; so is a time of the zone.
    #[test]
    fn any_text_is_an_instant_or_refused(text in prop_oneof![
        "\\PC{0,60}", "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(\\.[0-9]{0,12})?(Z|[+-][0-9]{2}:?[0-9]{2})?(\\[[A-Za-z/_:+0-9-]{0,20}\\])?",
        "[0-9]{1,2}:[0-9]{2}",
    ]) {
        let zone = zone_named("America/Sao_Paulo");
        let now = parse("2026-11-26T02:00:00Z").expect("an instant");
        let read = [parse(&text), parse_in(&text, &zone), parse_next(&text, &zone, now), parse_last(&text, &zone, now)];
        for at in read.into_iter().flatten() {
            prop_assert_eq!(parse(&wire_time::format(at)).ok(), Some(at), "{}", text);
        }
    }
}
