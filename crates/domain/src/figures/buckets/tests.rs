//! Series by minutes and hours, in zones that make it hard.

use proptest::prelude::*;

use super::*;
use crate::Transition;
use crate::fixtures::{at, poll_after, series};

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect(name)
}

fn shown(buckets: &[Bucket], zone: &TimeZone) -> Vec<(String, u128)> {
    buckets
        .iter()
        .map(|bucket| (wire_time::format_in(bucket.start, zone), bucket.total))
        .collect()
}

fn hours(series: &MinuteSeries, name: &str, from: &str, until: &str) -> Vec<(String, u128)> {
    let zone = zone(name);
    shown(&dense_hours(series, &zone, at(from), at(until)), &zone)
}

fn expect(buckets: &[(&str, u128)]) -> Vec<(String, u128)> {
    buckets
        .iter()
        .map(|&(start, votes)| (start.to_owned(), votes))
        .collect()
}

#[test]
fn a_minute_without_votes_is_zero_and_one_not_yet_come_is_absent() {
    let series = series(&[
        ("2026-11-24T00:00:10Z", 3),
        ("2026-11-24T00:03:59Z", 4),
        ("2026-11-24T00:09:00Z", 9),
    ]);
    let minutes = dense_minutes(
        &series,
        at("2026-11-24T00:00:00Z"),
        at("2026-11-24T00:05:30Z"),
    );
    assert_eq!(
        shown(&minutes, &TimeZone::UTC),
        expect(&[
            ("2026-11-24T00:00:00+00:00", 3),
            ("2026-11-24T00:01:00+00:00", 0),
            ("2026-11-24T00:02:00+00:00", 0),
            ("2026-11-24T00:03:00+00:00", 4),
            ("2026-11-24T00:04:00+00:00", 0),
            ("2026-11-24T00:05:00+00:00", 0),
        ])
    );
    assert_eq!(minutes[3].candidates, [4, 0]);
}

#[test]
fn an_hour_without_votes_is_zero_and_one_not_yet_come_is_absent() {
    let series = series(&[
        ("2026-11-24T01:30:00Z", 5),
        ("2026-11-24T03:59:59Z", 7),
        ("2026-11-24T04:00:00Z", 8),
    ]);
    assert_eq!(
        hours(
            &series,
            "America/Sao_Paulo",
            "2026-11-24T00:30:00Z",
            "2026-11-24T03:10:00Z"
        ),
        expect(&[
            ("2026-11-23T21:00:00-03:00", 0),
            ("2026-11-23T22:00:00-03:00", 5),
            ("2026-11-23T23:00:00-03:00", 0),
            ("2026-11-24T00:00:00-03:00", 7),
        ])
    );
}

#[test]
fn hours_of_a_zone_half_an_hour_off_begin_on_its_hours() {
    let series = series(&[
        ("2026-11-24T00:29:00Z", 1),
        ("2026-11-24T00:30:00Z", 2),
        ("2026-11-24T01:29:00Z", 4),
    ]);
    assert_eq!(
        hours(
            &series,
            "Asia/Kolkata",
            "2026-11-24T00:00:00Z",
            "2026-11-24T01:30:00Z"
        ),
        expect(&[
            ("2026-11-24T05:00:00+05:30", 1),
            ("2026-11-24T06:00:00+05:30", 6),
            ("2026-11-24T07:00:00+05:30", 0),
        ])
    );
    assert_eq!(
        hours(
            &series,
            "Asia/Kathmandu",
            "2026-11-24T00:00:00Z",
            "2026-11-24T00:30:00Z"
        ),
        expect(&[
            ("2026-11-24T05:00:00+05:45", 0),
            ("2026-11-24T06:00:00+05:45", 3)
        ])
    );
}

#[test]
fn the_hour_that_clocks_repeat_is_two_and_the_one_they_skip_is_none() {
    let back = series(&[("2026-11-01T05:30:00Z", 1), ("2026-11-01T06:30:00Z", 2)]);
    assert_eq!(
        hours(
            &back,
            "America/New_York",
            "2026-11-01T04:10:00Z",
            "2026-11-01T07:00:00Z"
        ),
        expect(&[
            ("2026-11-01T00:00:00-04:00", 0),
            ("2026-11-01T01:00:00-04:00", 1),
            ("2026-11-01T01:00:00-05:00", 2),
            ("2026-11-01T02:00:00-05:00", 0),
        ])
    );
    let forward = series(&[("2026-03-08T06:59:00Z", 1), ("2026-03-08T07:00:00Z", 2)]);
    assert_eq!(
        hours(
            &forward,
            "America/New_York",
            "2026-03-08T06:00:00Z",
            "2026-03-08T08:00:00Z"
        ),
        expect(&[
            ("2026-03-08T01:00:00-05:00", 1),
            ("2026-03-08T03:00:00-04:00", 2),
            ("2026-03-08T04:00:00-04:00", 0),
        ])
    );
}

#[test]
fn clocks_that_move_by_half_an_hour_cut_an_hour_short() {
    let series = series(&[
        ("2026-04-04T14:59:00Z", 1),
        ("2026-04-04T15:00:00Z", 2),
        ("2026-04-04T15:30:00Z", 4),
    ]);
    let expected = expect(&[
        ("2026-04-05T01:00:00+11:00", 1),
        ("2026-04-05T01:30:00+10:30", 2),
        ("2026-04-05T02:00:00+10:30", 4),
    ]);
    let zone = "Australia/Lord_Howe";
    assert_eq!(
        hours(
            &series,
            zone,
            "2026-04-04T14:00:00Z",
            "2026-04-04T15:45:00Z"
        ),
        expected
    );
    // The short hour begins where it does, from whichever instant the series is begun.
    for from in [
        "2026-04-04T15:00:00Z",
        "2026-04-04T15:10:00Z",
        "2026-04-04T15:29:59Z",
    ] {
        assert_eq!(
            hours(&series, zone, from, "2026-04-04T15:45:00Z"),
            expected[1..]
        );
    }
}

#[test]
fn a_series_that_has_not_begun_is_empty() {
    let series = series(&[("2026-11-24T00:30:00Z", 1)]);
    let (from, until) = (at("2026-11-24T00:00:30Z"), at("2026-11-24T00:00:10Z"));
    assert!(dense_minutes(&series, from, until).is_empty());
    assert!(dense_hours(&series, &TimeZone::UTC, from, until).is_empty());
}

#[test]
fn a_poll_that_opened_long_ago_costs_no_memory_for_each_minute_since() {
    let series = series(&[("2026-11-24T00:30:00Z", 5)]);
    let (from, until) = (Timestamp::UNIX_EPOCH, at("2026-11-24T01:00:00Z"));
    let minutes = dense_minutes(&series, from, until);
    assert_eq!(minutes.len(), 50_000);
    let hours = dense_hours(&series, &zone("America/Sao_Paulo"), from, until);
    assert_eq!(hours.len(), 50_000);
    for buckets in [&minutes, &hours] {
        assert_eq!(buckets.iter().map(|bucket| bucket.total).sum::<u128>(), 5);
    }
}

#[test]
fn no_vote_is_left_out_however_long_ago() {
    let series = series(&[("2026-01-01T00:30:00Z", 5), ("2026-11-24T00:30:00Z", 5)]);
    let minutes = dense_minutes(&series, Timestamp::UNIX_EPOCH, at("2026-11-24T01:00:00Z"));
    assert_eq!(minutes[0].start, at("2026-01-01T00:30:00Z"));
    assert_eq!(minutes.iter().map(|bucket| bucket.total).sum::<u128>(), 10);
}

#[test]
fn a_polls_series_goes_from_its_opening_to_now_or_its_last_votable_instant() {
    let poll = poll_after(&[Transition::Open]);
    let none = MinuteSeries::new(2, 2);
    let range = |series: &MinuteSeries, now: &str| series_range(&poll, series, at(now));
    let opens = at("2026-11-24T00:00:00Z");
    assert_eq!(range(&none, "2026-11-23T23:59:59Z"), None);
    assert_eq!(range(&none, "2026-11-24T00:00:00Z"), Some((opens, opens)));
    assert_eq!(
        range(&none, "2026-11-24T05:00:00Z"),
        Some((opens, at("2026-11-24T05:00:00Z")))
    );
    assert_eq!(
        range(&none, "2027-01-01T00:00:00Z"),
        Some((opens, at("2026-11-26T01:59:59.999Z")))
    );
    // A writer's clock may be ahead of ours: its votes are shown all the same.
    let ahead = series(&[("2026-11-24T05:01:00Z", 1)]);
    assert_eq!(
        range(&ahead, "2026-11-24T05:00:59Z"),
        Some((opens, at("2026-11-24T05:01:00Z")))
    );
}

fn any_zone() -> impl Strategy<Value = TimeZone> {
    prop::sample::select(vec![
        "UTC",
        "America/Sao_Paulo",
        "America/New_York",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "America/St_Johns",
        "Africa/Monrovia",
        "Pacific/Apia",
        "Europe/Dublin",
    ])
    .prop_map(zone)
}

proptest! {
    #[test]
    fn every_vote_is_in_exactly_one_bucket_and_buckets_leave_no_gap(
        zone in any_zone(),
        start in 0_i64..2_000_000_000,
        minutes in prop::collection::vec((0_i64..6000, 0_usize..2, 0_usize..3, 1_u64..1000), 0..40),
        length in 0_i64..400_000,
    ) {
        let from = Timestamp::from_second(start).expect("in range");
        let until = from + SignedDuration::from_secs(length);
        let mut series = MinuteSeries::new(2, 3);
        for (offset, channel, candidate, votes) in minutes {
            let minute = Minute::from_timestamp(from + SignedDuration::from_mins(offset));
            series.add(minute, channel, candidate, votes)?;
        }
        let hours = dense_hours(&series, &zone, from, until);
        let minutes = dense_minutes(&series, from, until);

        prop_assert!(hours[0].start <= from);
        prop_assert!(hours[hours.len() - 1].start <= until);
        for pair in hours.windows(2) {
            let long = pair[1].start.duration_since(pair[0].start);
            prop_assert!(long > SignedDuration::ZERO && long <= SignedDuration::from_hours(1));
        }
        for hour in &hours[1..] {
            let local = zone.to_datetime(hour.start);
            let before = zone.to_offset(hour.start - SignedDuration::from_secs(1));
            prop_assert!(
                (local.minute() == 0 && local.second() == 0) || before != zone.to_offset(hour.start)
            );
        }
        // Every minute up to the last one shown is in both.
        let end = minutes[minutes.len() - 1].start;
        let of_minutes: u128 = minutes.iter().map(|bucket| bucket.total).sum();
        let after: u128 = series
            .iter()
            .filter(|(minute, _)| minute.start() > end)
            .map(|(_, tally)| tally.total())
            .sum();
        prop_assert_eq!(of_minutes + after, series.total());
        let of_hours: u128 = hours.iter().map(|bucket| bucket.total).sum();
        prop_assert!(of_hours >= of_minutes, "the last hour may hold minutes still to come");
        for bucket in hours.iter().chain(&minutes) {
            prop_assert_eq!(bucket.total, bucket.candidates.iter().sum::<u128>());
        }
    }
}
