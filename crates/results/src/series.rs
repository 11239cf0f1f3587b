//! Votes over time as they are published, by the hour or by the minute.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::ser::{SerializeMap as _, SerializeStruct as _};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use vote_domain::{
    Bucket, Candidate, Direction, Kind, PollId, Status, dense_hours, dense_minutes, series_range,
    wire_time,
};
use vote_store::PollSnapshot;

use crate::metrics::Representation;
use crate::view::View;

/// What a bucket of a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Hour,
    Minute,
}

impl Step {
    /// The member that holds the buckets.
    const fn member(self) -> &'static str {
        match self {
            Self::Hour => "hours",
            Self::Minute => "minutes",
        }
    }

    pub(crate) const fn representation(self) -> Representation {
        match self {
            Self::Hour => Representation::Hourly,
            Self::Minute => Representation::Minutely,
        }
    }
}

/// The part of a series that is asked for; all of it where a bound is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Bounds {
    /// The first bucket is the one that this is in.
    pub(crate) from: Option<Timestamp>,
    /// The last bucket begins before this.
    pub(crate) until: Option<Timestamp>,
}

/// A series, ready to be serialised.
#[derive(Debug)]
pub(crate) struct Series<'s> {
    snapshot: &'s PollSnapshot,
    view: &'s View,
    zone: &'s TimeZone,
    zone_name: &'s str,
    step: Step,
    buckets: Vec<Bucket>,
}

impl<'s> Series<'s> {
    /// The series of a poll up to its view's `as_of`: what is later isn't known, and so isn't there.
    pub(crate) fn new(
        snapshot: &'s PollSnapshot,
        view: &'s View,
        step: Step,
        zone: &'s TimeZone,
        zone_name: &'s str,
        bounds: Bounds,
    ) -> Self {
        let buckets = range(snapshot, view, bounds).map_or_else(Vec::new, |(from, until)| {
            let minutes = &snapshot.minutes;
            match step {
                Step::Hour => dense_hours(minutes, zone, from, until),
                Step::Minute => dense_minutes(minutes, from, until),
            }
        });
        Self {
            snapshot,
            view,
            zone,
            zone_name,
            step,
            buckets,
        }
    }

    /// The whole series in the poll's own time zone.
    pub(crate) fn own(snapshot: &'s PollSnapshot, view: &'s View, step: Step) -> Self {
        let definition = &snapshot.poll.definition;
        Self::new(
            snapshot,
            view,
            step,
            definition.zone(),
            definition.timezone(),
            Bounds::default(),
        )
    }
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

impl Serialize for Series<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let definition = &self.snapshot.poll.definition;
        let mut series = serializer.serialize_struct("Series", 8)?;
        series.serialize_field("poll", definition.id())?;
        series.serialize_field("kind", &definition.kind())?;
        series.serialize_field("direction", &definition.direction())?;
        series.serialize_field("timezone", self.zone_name)?;
        series.serialize_field("status", &self.view.status)?;
        series.serialize_field("as_of", &wire_time::format(self.view.as_of))?;
        series.serialize_field("revision", &self.snapshot.revision)?;
        series.serialize_field(self.step.member(), &Buckets(self))?;
        series.end()
    }
}

/// The list of buckets.
struct Buckets<'s>(&'s Series<'s>);

impl Serialize for Buckets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let candidates = self.0.snapshot.poll.definition.candidates();
        serializer.collect_seq(self.0.buckets.iter().map(|bucket| Row {
            zone: self.0.zone,
            candidates,
            bucket,
        }))
    }
}

/// One bucket.
struct Row<'s> {
    zone: &'s TimeZone,
    candidates: &'s [Candidate],
    bucket: &'s Bucket,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("Row", 3)?;
        row.serialize_field("start", &wire_time::format_in(self.bucket.start, self.zone))?;
        row.serialize_field("total_votes", &self.bucket.total)?;
        row.serialize_field("candidates", &Votes(self))?;
        row.end()
    }
}

/// Votes by candidate, in the poll's order.
struct Votes<'s>(&'s Row<'s>);

impl Serialize for Votes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let candidates = self.0.candidates;
        let mut votes = serializer.serialize_map(Some(candidates.len()))?;
        for (candidate, count) in candidates.iter().zip(&self.0.bucket.candidates) {
            votes.serialize_entry(candidate.id.as_str(), count)?;
        }
        votes.end()
    }
}

/// Votes by the hour.
///
/// Every hour from the opening to `as_of` (or to the closing) is there; one without votes is zero, one
/// that has not come yet is absent.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "describes what Series writes, for the OpenAPI document"
)]
#[schema(as = HourlySeries)]
pub(crate) struct HourlySeriesDocument {
    /// Which poll.
    poll: PollId,
    /// Whether it counts.
    kind: Kind,
    /// What a vote means.
    direction: Direction,
    /// The time zone of the hours, by its IANA name.
    #[schema(example = "America/Sao_Paulo")]
    timezone: String,
    /// How far the figures can be relied on.
    status: Status,
    /// When the figures were read.
    #[schema(format = DateTime, example = "2026-11-24T01:02:03.250Z")]
    as_of: String,
    /// The revision of the figures.
    revision: u64,
    /// The hours, in order.
    hours: Vec<SeriesBucket>,
}

/// Votes by the minute.
///
/// Every minute from the opening to `as_of` (or to the closing) is there; one without votes is zero,
/// one that has not come yet is absent.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "describes what Series writes, for the OpenAPI document"
)]
#[schema(as = MinutelySeries)]
pub(crate) struct MinutelySeriesDocument {
    /// Which poll.
    poll: PollId,
    /// Whether it counts.
    kind: Kind,
    /// What a vote means.
    direction: Direction,
    /// The time zone that `start` is written in, by its IANA name.
    #[schema(example = "America/Sao_Paulo")]
    timezone: String,
    /// How far the figures can be relied on.
    status: Status,
    /// When the figures were read.
    #[schema(format = DateTime, example = "2026-11-24T01:02:03.250Z")]
    as_of: String,
    /// The revision of the figures.
    revision: u64,
    /// The minutes, in order.
    minutes: Vec<SeriesBucket>,
}

/// The votes of an hour or a minute, through all channels.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "describes what Series writes, for the OpenAPI document"
)]
pub(crate) struct SeriesBucket {
    /// Its first instant, in the zone's local time with its offset.
    #[schema(format = DateTime, example = "2026-11-23T22:00:00-03:00")]
    start: String,
    /// All its votes.
    #[schema(example = 12)]
    total_votes: u64,
    /// Its votes by candidate, in the poll's order.
    #[schema(example = json!({ "ana": 7, "bia": 5 }))]
    candidates: std::collections::BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use vote_domain::{Transition, Visibility};

    use super::*;
    use crate::samples::{at, closes_at, confirmed, opens_at, poll, snapshot_of};
    use crate::view::tests_freshness;

    /// The series of votes `(minute, votes)` as of an instant.
    fn series(votes: &[(i64, u64)], as_of: &str, step: Step, zone: &str, bounds: Bounds) -> Value {
        let votes: Vec<_> = votes
            .iter()
            .map(|(minute, n)| (*minute, (0, 1, *n)))
            .collect();
        let snapshot = snapshot_of(poll(Visibility::Public), &votes);
        let confirmed = confirmed(snapshot, at(as_of));
        let view = View::new(&confirmed, None, at(as_of), tests_freshness());
        let tz = TimeZone::get(zone).expect("a zone");
        let series = Series::new(&confirmed.snapshot, &view, step, &tz, zone, bounds);
        serde_json::to_value(&series).expect("serialises")
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
    fn candidates_are_in_the_polls_order() {
        let snapshot = snapshot_of(poll(Visibility::Public), &[(0, (0, 1, 1))]);
        let confirmed = confirmed(snapshot, opens_at());
        let view = View::new(&confirmed, None, opens_at(), tests_freshness());
        let text = serde_json::to_string(&Series::own(&confirmed.snapshot, &view, Step::Hour))
            .expect("serialises");
        assert!(text.contains(r#""candidates":{"bia":0,"ana":1}"#), "{text}");
    }

    #[test]
    fn bounds_take_the_bucket_they_begin_in_and_none_that_begins_at_their_end() {
        let bounded = |from: &str, until: &str, step| {
            let bounds = Bounds {
                from: (!from.is_empty()).then(|| at(from)),
                until: (!until.is_empty()).then(|| at(until)),
            };
            let series = series(&[(90, 5)], "2026-11-24T05:00:00Z", step, "UTC", bounds);
            let member = step.member();
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
        let view = View::new(&confirmed, None, closes_at(), tests_freshness());
        assert!(
            Series::own(&confirmed.snapshot, &view, Step::Hour)
                .buckets
                .is_empty()
        );
    }

    #[test]
    fn what_is_stale_ends_where_it_was_confirmed() {
        let snapshot = snapshot_of(poll(Visibility::Public), &[(0, (0, 0, 1))]);
        let confirmed = confirmed(snapshot, opens_at());
        let much_later = opens_at() + Duration::from_secs(36_000);
        let view = View::new(&confirmed, None, much_later, tests_freshness());
        assert_eq!(view.status, Status::Stale);
        assert_eq!(
            Series::own(&confirmed.snapshot, &view, Step::Hour)
                .buckets
                .len(),
            1
        );
    }

    #[test]
    fn a_closed_polls_series_ends_with_it() {
        let closing = opens_at() + Duration::from_secs(7200);
        let closed = poll(Visibility::Public)
            .transition(Transition::Close, closing, "test")
            .expect("legal");
        let confirmed = confirmed(snapshot_of(closed, &[]), closes_at());
        let view = View::new(&confirmed, None, closes_at(), tests_freshness());
        assert_eq!(
            Series::own(&confirmed.snapshot, &view, Step::Hour)
                .buckets
                .len(),
            2
        );
    }
}
