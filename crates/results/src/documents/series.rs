//! Votes over time as they are published, by the hour or by the minute.

use std::collections::BTreeMap;

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use vote_domain::{
    CandidateId, Direction, Kind, Poll, PollDefinition, PollId, Status, dense_hours, dense_minutes,
    series_range, wire_time,
};
use vote_store::PollSnapshot;

use crate::documents::view::View;

/// What a bucket of a series is; its number is its place where there is one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Hour,
    Minute,
}

impl Step {
    pub(crate) const ALL: [Self; 2] = [Self::Hour, Self::Minute];
}

/// The stretch of a series that is asked for; all of it where a bound is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bounds {
    /// The first bucket is the one that this is in.
    pub(crate) from: Option<Timestamp>,
    /// The last bucket begins before this.
    pub(crate) until: Option<Timestamp>,
}

/// The most that one answer tells by the minute: three days. A year of them would be half a million.
const LONGEST_BY_MINUTE: SignedDuration = SignedDuration::from_hours(72);

impl Bounds {
    /// Whether a poll is too long for one answer to tell all of this by the minute. Who says where to begin is told until now,
    /// or to the poll's end; who doesn't is told so from the poll's first minute on, and not only once the poll has run for
    /// too long.
    pub(crate) fn are_too_far_apart(self, poll: &Poll, now: Timestamp) -> bool {
        let opens_at = poll.definition.opens_at();
        let end = if self.from.is_some() {
            now.min(poll.closes_at)
        } else {
            poll.closes_at
        };
        let from = self.from.map_or(opens_at, |from| from.max(opens_at));
        let until = self.until.map_or(end, |until| until.min(end));
        until.duration_since(from) > LONGEST_BY_MINUTE
    }
}

/// A part of a series, and the time zone that it is told in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeriesPart {
    pub(crate) zone: TimeZone,
    /// The zone's IANA name.
    pub(crate) zone_name: String,
    pub(crate) bounds: Bounds,
}

impl SeriesPart {
    /// The whole series in the poll's own time zone.
    pub(crate) fn own(definition: &PollDefinition) -> Self {
        Self {
            zone: definition.zone().clone(),
            zone_name: definition.timezone().to_owned(),
            bounds: Bounds::default(),
        }
    }
}

/// Votes by the hour.
///
/// Every hour from the opening to that of `as_of` is there; one without votes is zero. Between `as_of` and the time in
/// `Figures-Confirmed-At` no vote has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HourlySeries<'s> {
    /// Which poll.
    #[schema(value_type = PollId)]
    pub(crate) poll: &'s PollId,
    /// Whether it counts.
    pub(crate) kind: Kind,
    /// What a vote means.
    pub(crate) direction: Direction,
    /// The time zone of the hours, by its IANA name.
    #[schema(example = "America/Sao_Paulo")]
    pub(crate) timezone: &'s str,
    /// How far the figures can be relied on.
    pub(crate) status: Status,
    /// When the figures were read.
    #[schema(format = DateTime, example = "2026-11-24T01:02:03.250Z")]
    pub(crate) as_of: String,
    /// The revision of the figures.
    pub(crate) revision: u64,
    /// The hours, in order.
    pub(crate) hours: Vec<SeriesBucket<'s>>,
    /// Who is out of the poll, and since when: their votes are in the series, and in no percentage.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false, value_type = BTreeMap<String, String>, example = json!({}))]
    pub(crate) withdrawn: BTreeMap<&'s str, String>,
}

/// Votes by the minute.
///
/// Every minute from the opening to that of `as_of` is there; one without votes is zero. Between `as_of` and the time in
/// `Figures-Confirmed-At` no vote has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MinutelySeries<'s> {
    /// Which poll.
    #[schema(value_type = PollId)]
    pub(crate) poll: &'s PollId,
    /// Whether it counts.
    pub(crate) kind: Kind,
    /// What a vote means.
    pub(crate) direction: Direction,
    /// The time zone that `start` is written in, by its IANA name.
    #[schema(example = "America/Sao_Paulo")]
    pub(crate) timezone: &'s str,
    /// How far the figures can be relied on.
    pub(crate) status: Status,
    /// When the figures were read.
    #[schema(format = DateTime, example = "2026-11-24T01:02:03.250Z")]
    pub(crate) as_of: String,
    /// The revision of the figures.
    pub(crate) revision: u64,
    /// The minutes, in order.
    pub(crate) minutes: Vec<SeriesBucket<'s>>,
    /// Who is out of the poll, and since when: their votes are in the series, and in no percentage.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false, value_type = BTreeMap<String, String>, example = json!({}))]
    pub(crate) withdrawn: BTreeMap<&'s str, String>,
}

/// The votes of an hour or a minute, through all channels.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeriesBucket<'s> {
    /// Its first instant, in the zone's local time with its offset.
    #[schema(format = DateTime, example = "2026-11-23T22:00:00-03:00")]
    pub(crate) start: String,
    /// All its votes.
    #[schema(value_type = u64, example = 12)]
    pub(crate) total_votes: u128,
    /// Its votes by candidate, in the poll's order.
    #[serde(serialize_with = "as_map")]
    #[schema(value_type = BTreeMap<String, u64>, example = json!({ "ana": 7, "bia": 5 }))]
    pub(crate) candidates: Vec<(&'s CandidateId, u128)>,
}

fn as_map<S: Serializer>(votes: &[(&CandidateId, u128)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(votes.iter().copied())
}

impl<'s> HourlySeries<'s> {
    /// The hours of a poll up to `as_of`: every process says the same of the same figures. Since then no vote has come.
    pub(crate) fn new(snapshot: &'s PollSnapshot, view: &View, part: &'s SeriesPart) -> Self {
        let definition = &snapshot.poll.definition;
        Self {
            poll: definition.id(),
            kind: definition.kind(),
            direction: definition.direction(),
            timezone: &part.zone_name,
            status: view.status,
            as_of: wire_time::format(view.as_of),
            revision: snapshot.revision,
            hours: buckets(snapshot, view, Step::Hour, part),
            withdrawn: snapshot.poll.withdrawn_by_candidate(),
        }
    }
}

impl<'s> MinutelySeries<'s> {
    /// As [`HourlySeries::new`], by the minute.
    pub(crate) fn new(snapshot: &'s PollSnapshot, view: &View, part: &'s SeriesPart) -> Self {
        let definition = &snapshot.poll.definition;
        Self {
            poll: definition.id(),
            kind: definition.kind(),
            direction: definition.direction(),
            timezone: &part.zone_name,
            status: view.status,
            as_of: wire_time::format(view.as_of),
            revision: snapshot.revision,
            minutes: buckets(snapshot, view, Step::Minute, part),
            withdrawn: snapshot.poll.withdrawn_by_candidate(),
        }
    }
}

fn buckets<'s>(
    snapshot: &'s PollSnapshot,
    view: &View,
    step: Step,
    part: &SeriesPart,
) -> Vec<SeriesBucket<'s>> {
    let Some((from, until)) = range(snapshot, view, part.bounds) else {
        return Vec::new();
    };
    let (minutes, zone) = (snapshot.net_minutes(), &part.zone);
    let buckets = match step {
        Step::Hour => dense_hours(&minutes, zone, from, until),
        Step::Minute => dense_minutes(&minutes, from, until),
    };
    let candidates = snapshot.poll.definition.candidates();
    let ids = candidates.iter().map(|candidate| &candidate.id);
    let mut starts = Starts::new(zone);
    buckets
        .into_iter()
        .map(|bucket| SeriesBucket {
            start: starts.write(bucket.start),
            total_votes: bucket.total,
            candidates: ids.clone().zip(bucket.candidates).collect(),
        })
        .collect()
}

/// Writes instants in a zone's local time. There are thousands of minutes, and each is the one before but for its digits.
struct Starts<'z> {
    zone: &'z TimeZone,
    /// The one before: when, the zone's offset then, and its text.
    last: Option<(Timestamp, Offset, String)>,
}

impl<'z> Starts<'z> {
    const fn new(zone: &'z TimeZone) -> Self {
        Self { zone, last: None }
    }

    fn write(&mut self, at: Timestamp) -> String {
        let offset = self.zone.to_offset(at);
        let last = self.last.take();
        let written = last
            .and_then(|last| next_minute(last, at, offset))
            .unwrap_or_else(|| wire_time::format_in(at, self.zone));
        self.last = Some((at, offset, written.clone()));
        written
    }
}

/// The text of an instant a minute after another one, in the same hour.
fn next_minute(
    (before, offset, mut text): (Timestamp, Offset, String),
    at: Timestamp,
    new_offset: Offset,
) -> Option<String> {
    if offset != new_offset || at.duration_since(before) != SignedDuration::from_mins(1) {
        return None;
    }
    // After a year of four digits: `2026-11-24T01:02:03-03:00`.
    let place = 14..16;
    let minute: u8 = text.get(place.clone())?.parse().ok()?;
    if minute >= 59 || text.as_bytes().get(13) != Some(&b':') {
        return None;
    }
    text.replace_range(place, &format!("{:02}", minute + 1));
    Some(text)
}

/// The first and last instant of the series.
fn range(snapshot: &PollSnapshot, view: &View, bounds: Bounds) -> Option<(Timestamp, Timestamp)> {
    if !view.has_begun && snapshot.minutes.first().is_none() {
        return None;
    }
    let (first, last) = series_range(&snapshot.poll, &snapshot.minutes, view.as_of)?;
    let from = bounds.from.map_or(first, |from| from.max(first));
    let until = bounds.until.map_or(last, |until| {
        let before = until.checked_sub(SignedDuration::from_millis(1));
        before.unwrap_or(until).min(last)
    });
    (from <= until).then_some((from, until))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use vote_domain::{Transition, Visibility};

    use super::*;
    use crate::documents::Document;
    use crate::documents::view::tests_freshness;
    use crate::samples::{at, closes_at, confirmed, opens_at, poll, snapshot_of};

    /// The series of votes `(minute, votes)` as of an instant.
    fn series(votes: &[(i64, u64)], as_of: &str, step: Step, zone: &str, bounds: Bounds) -> Value {
        let votes: Vec<_> = votes
            .iter()
            .map(|(minute, n)| (*minute, (0, 1, *n)))
            .collect();
        let mut snapshot = snapshot_of(poll(Visibility::Public), &votes);
        snapshot.received_at = Some(at(as_of));
        let confirmed = confirmed(snapshot, at(as_of));
        let view = View::new(&confirmed, at(as_of), tests_freshness());
        let part = SeriesPart {
            zone: TimeZone::get(zone).expect("a zone"),
            zone_name: zone.to_owned(),
            bounds,
        };
        let series = Document::series(&confirmed.snapshot, &view, step, &part);
        serde_json::to_value(&series).expect("serialises")
    }

    /// How many hours the whole series has in the poll's own zone.
    fn own_hours(snapshot: &PollSnapshot, view: &View) -> usize {
        let part = SeriesPart::own(&snapshot.poll.definition);
        HourlySeries::new(snapshot, view, &part).hours.len()
    }

    fn starts(series: &Value, member: &str) -> Vec<String> {
        let rows = series[member].as_array().expect("a list");
        rows.iter()
            .map(|row| row["start"].as_str().expect("text").to_owned())
            .collect()
    }

    #[test]
    fn hours_are_dense_and_in_the_zones_time() {
        let series = series(
            &[(0, 5), (61, 7)],
            "2026-11-24T03:10:00Z",
            Step::Hour,
            "America/Sao_Paulo",
            Bounds::default(),
        );
        let row = |start: &str, votes: u64| json!({ "start": start, "total_votes": votes, "candidates": { "bia": 0, "ana": votes } });
        let expected = json!({
            "poll": "paredao-01", "kind": "live", "direction": "eliminate",
            "timezone": "America/Sao_Paulo", "status": "provisional",
            "as_of": "2026-11-24T03:10:00.000Z", "revision": 5,
            "hours": [
                row("2026-11-23T21:00:00-03:00", 5),
                row("2026-11-23T22:00:00-03:00", 7),
                row("2026-11-23T23:00:00-03:00", 0),
                row("2026-11-24T00:00:00-03:00", 0),
            ]
        });
        assert_eq!(series, expected);
    }

    #[test]
    fn a_withdrawn_candidate_keeps_its_votes_and_is_named() {
        let open = poll(Visibility::Public);
        let ana = open.definition.candidates()[1].id.clone();
        let out = open.withdraw(&ana, opens_at(), "test").expect("legal");
        let snapshot = snapshot_of(out, &[(0, (0, 1, 5))]);
        let confirmed = confirmed(snapshot, opens_at());
        let view = View::new(&confirmed, opens_at(), tests_freshness());
        let part = SeriesPart::own(&confirmed.snapshot.poll.definition);
        for (step, member) in [(Step::Hour, "hours"), (Step::Minute, "minutes")] {
            let series = Document::series(&confirmed.snapshot, &view, step, &part);
            let series = serde_json::to_value(&series).expect("serialises");
            assert_eq!(
                series["withdrawn"],
                json!({ "ana": "2026-11-24T00:00:00.000Z" })
            );
            assert_eq!(
                series[member][0]["candidates"],
                json!({ "bia": 0, "ana": 5 })
            );
        }
    }

    #[test]
    fn an_hour_of_a_zone_with_half_hours_is_its_own() {
        let series = series(
            &[(0, 5), (30, 7)],
            "2026-11-24T00:40:00Z",
            Step::Hour,
            "Asia/Kolkata",
            Bounds::default(),
        );
        assert_eq!(
            starts(&series, "hours"),
            ["2026-11-24T05:00:00+05:30", "2026-11-24T06:00:00+05:30"]
        );
        assert_eq!(series["hours"][0]["total_votes"], 5);
        assert_eq!(series["hours"][1]["total_votes"], 7);
    }

    #[test]
    fn minutes_are_dense_up_to_as_of() {
        let series = series(
            &[(1, 5)],
            "2026-11-24T00:03:59.999Z",
            Step::Minute,
            "UTC",
            Bounds::default(),
        );
        let minute = |minute: u32| format!("2026-11-24T00:{minute:02}:00+00:00");
        assert_eq!(starts(&series, "minutes"), [0, 1, 2, 3].map(minute));
        assert_eq!(
            series["minutes"][1]["candidates"],
            json!({ "bia": 0, "ana": 5 })
        );
    }

    #[test]
    fn members_and_candidates_are_in_their_order() {
        let snapshot = snapshot_of(poll(Visibility::Public), &[(0, (0, 1, 1))]);
        let confirmed = confirmed(snapshot, opens_at());
        let view = View::new(&confirmed, opens_at(), tests_freshness());
        let part = SeriesPart::own(&confirmed.snapshot.poll.definition);
        let series = Document::series(&confirmed.snapshot, &view, Step::Hour, &part);
        let text = serde_json::to_string(&series).expect("serialises");
        assert_eq!(
            text,
            r#"{"poll":"paredao-01","kind":"live","direction":"eliminate","timezone":"America/Sao_Paulo","#
                .to_owned()
                + r#""status":"provisional","as_of":"2026-11-24T00:00:00.000Z","revision":5,"#
                + r#""hours":[{"start":"2026-11-23T21:00:00-03:00","total_votes":1,"candidates":{"bia":0,"ana":1}}]}"#
        );
    }

    #[test]
    fn bounds_take_the_bucket_they_begin_in_and_none_that_begins_at_their_end() {
        let bounded = |from: &str, until: &str, step| {
            let bounds = Bounds {
                from: (!from.is_empty()).then(|| at(from)),
                until: (!until.is_empty()).then(|| at(until)),
            };
            let series = series(&[(90, 5)], "2026-11-24T05:00:00Z", step, "UTC", bounds);
            let member = match step {
                Step::Hour => "hours",
                Step::Minute => "minutes",
            };
            let starts = starts(&series, member);
            let total: u64 = series[member]
                .as_array()
                .expect("a list")
                .iter()
                .map(|row| row["total_votes"].as_u64().expect("a count"))
                .sum();
            (starts.len(), starts.first().cloned(), total)
        };
        let start = |text: &str| Some(format!("2026-11-24T{text}:00+00:00"));
        assert_eq!(bounded("", "", Step::Hour), (6, start("00:00"), 5));
        assert_eq!(
            bounded("2026-11-24T01:59:00Z", "2026-11-24T02:00:00Z", Step::Hour),
            (1, start("01:00"), 5),
            "a bucket is always whole"
        );
        assert_eq!(
            bounded("2026-11-24T01:30:30Z", "2026-11-24T01:32:00Z", Step::Minute),
            (2, start("01:30"), 5)
        );
        assert_eq!(bounded("", "2026-11-24T00:00:00Z", Step::Minute).0, 0);
        assert_eq!(bounded("2026-11-24T05:00:01Z", "", Step::Minute).0, 0);
        assert_eq!(
            bounded("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z", Step::Hour).0,
            6
        );
        assert_eq!(bounded("", "-009999-01-02T01:59:59Z", Step::Hour).0, 0);
    }

    #[test]
    fn before_it_has_begun_a_poll_has_no_series() {
        let early = series(
            &[],
            "2026-11-23T23:59:59Z",
            Step::Hour,
            "UTC",
            Bounds::default(),
        );
        assert_eq!(early["hours"], json!([]));
        // Not opened by an operator, though its time has come.
        let mut draft = poll(Visibility::Public);
        draft.state = vote_domain::PollState::Draft;
        let confirmed = confirmed(snapshot_of(draft, &[]), closes_at());
        let view = View::new(&confirmed, closes_at(), tests_freshness());
        assert!(own_hours(&confirmed.snapshot, &view) == 0);
    }

    #[test]
    fn what_is_stale_ends_where_it_was_confirmed() {
        let snapshot = snapshot_of(poll(Visibility::Public), &[(0, (0, 0, 1))]);
        let confirmed = confirmed(snapshot, opens_at());
        let much_later = opens_at() + Duration::from_secs(36_000);
        let view = View::new(&confirmed, much_later, tests_freshness());
        assert_eq!(view.status, Status::Stale);
        assert_eq!(own_hours(&confirmed.snapshot, &view), 1);
    }

    #[test]
    fn a_closed_polls_series_ends_with_it() {
        let closing = opens_at() + Duration::from_secs(7200);
        let closed = poll(Visibility::Public)
            .transition(Transition::Close, closing, "test")
            .expect("legal");
        let confirmed = confirmed(snapshot_of(closed, &[]), closes_at());
        let view = View::new(&confirmed, closes_at(), tests_freshness());
        assert_eq!(own_hours(&confirmed.snapshot, &view), 2);
    }

    #[test]
    fn a_part_of_a_poll_that_is_over_ends_with_it_however_long_ago_that_was() {
        let poll = poll(Visibility::Public);
        let much_later = closes_at() + SignedDuration::from_hours(240);
        let from = |hours: i64| Bounds {
            from: Some(closes_at() - SignedDuration::from_hours(hours)),
            until: None,
        };
        // It lasts 50 hours, and what comes before it is not told.
        for hours in [1, 50, 100] {
            assert!(!from(hours).are_too_far_apart(&poll, much_later), "{hours}");
        }
        let longer = closes_at() + SignedDuration::from_hours(100);
        let longer = poll.extend(longer, opens_at(), "test").expect("legal");
        assert!(from(0).are_too_far_apart(&longer, much_later));
        assert!(!from(-28).are_too_far_apart(&longer, much_later));
    }

    #[test]
    fn a_start_is_written_as_any_instant_also_where_clocks_are_put_back_or_forward() {
        for (zone, from) in [
            ("UTC", "2026-11-23T22:58:00Z"),
            ("America/Sao_Paulo", "2018-11-04T02:30:00Z"),
            ("America/New_York", "2026-11-01T04:30:00Z"),
            ("Asia/Kolkata", "2026-12-31T18:00:00Z"),
            // By half an hour.
            ("Australia/Lord_Howe", "2026-04-04T14:30:00Z"),
            ("Australia/Lord_Howe", "2026-10-03T15:00:00Z"),
        ] {
            let zone = TimeZone::get(zone).expect("a zone");
            let mut starts = Starts::new(&zone);
            for minute in (0..180).chain(182..300) {
                let at = at(from) + SignedDuration::from_mins(minute);
                assert_eq!(starts.write(at), wire_time::format_in(at, &zone));
            }
        }
    }
}
