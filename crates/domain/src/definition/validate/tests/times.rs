//! Times and zones.

use super::wrong_with;
use crate::PollDefinition;
use crate::fixtures::{PAREDAO, at, paredao_with, wrong};

#[test]
fn it_closes_after_it_opens() {
    for closes_at in ["2026-11-23T23:59:59Z", "2026-11-24T00:00:00Z"] {
        let [error] = &wrong_with("closes_at", &format!("closes_at: {closes_at}"))[..] else {
            panic!("one violation")
        };
        assert!(
            error.starts_with("closes_at: must be after opens_at (2026-11-24T00:00:00.000Z), is "),
            "{error}"
        );
    }
}

#[test]
fn only_a_rehearsal_may_leave_its_time_zone_out() {
    let without = PAREDAO.replace("timezone: America/Sao_Paulo\n", "");
    assert_eq!(
        wrong(&without),
        [
            "timezone: is missing: a live poll names the programme's, the IANA name of a time zone, such as \
             America/Sao_Paulo"
        ]
    );
    let rehearsal = without.replace("kind: live", "kind: rehearsal");
    let poll = PollDefinition::parse_yaml(&rehearsal).expect("a poll file");
    assert_eq!(poll.timezone(), "UTC");
    let local = rehearsal.replace(
        "opens_at: 2026-11-24T00:00:00Z",
        "opens_at: 2026-11-24T00:00",
    );
    assert!(wrong(&local)[0].starts_with("opens_at: has no offset"));
}

#[test]
fn a_time_is_local_to_the_polls_zone_unless_it_says_otherwise() {
    for text in [
        "2026-11-25T23:00",
        "2026-11-25 23:00",
        "2026-11-25T23:00:00-03:00",
        "2026-11-26T02:00:00Z",
    ] {
        let file = paredao_with("closes_at", &format!("closes_at: {text}"));
        let poll = PollDefinition::parse_yaml(&file).expect(text);
        assert_eq!(poll.closes_at(), at("2026-11-26T02:00:00Z"), "{text}");
    }
    assert_eq!(
        wrong_with("closes_at", "closes_at: 2026-11-25T23:00:00-02:00"),
        [
            "closes_at: has the offset -02, but America/Sao_Paulo has -03 then: give -03, no offset, or Z; is \
             `2026-11-25T23:00:00-02:00`"
        ]
    );
}

#[test]
fn instants_are_exact_to_the_millisecond_and_since_1970() {
    for text in [
        "2026-11-26",
        "20261126T020000Z",
        "amanhã",
        "''",
        "1969-12-31T23:59:59Z",
        "2026-11-26T02:00:00.0001Z",
    ] {
        let [error] = &wrong_with("closes_at", &format!("closes_at: {text}"))[..] else {
            panic!("one violation")
        };
        assert!(
            error.starts_with("closes_at: must be an RFC 3339 instant since 1970"),
            "{error}"
        );
    }
    assert_eq!(
        wrong_with("closes_at", "closes_at: 1764122400"),
        ["closes_at: must be a text (in quotes), is the number 1764122400"]
    );
}

#[test]
fn time_zones_are_those_of_the_database() {
    for zone in [
        "Brasil",
        "-03:00",
        "''",
        "../../etc/passwd",
        "America/Nowhere",
        "Etc/Unknown",
    ] {
        let [error] = &wrong_with("timezone", &format!("timezone: {zone}"))[..] else {
            panic!("one violation")
        };
        assert!(
            error.starts_with("timezone: must be the IANA name of a time zone"),
            "{error}"
        );
    }
    let file = paredao_with("timezone", "timezone: america/sao_paulo");
    let poll = PollDefinition::parse_yaml(&file).expect("names ignore case");
    assert_eq!(
        poll.timezone(),
        "America/Sao_Paulo",
        "and are kept as the database writes them"
    );
}
