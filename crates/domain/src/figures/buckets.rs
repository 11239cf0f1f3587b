//! A series as it is shown: by the minute, or by the hour of a time zone, with no bucket left out.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::figures::minute::Minute;
use crate::figures::series::MinuteSeries;
use crate::figures::tally::Tally;
use crate::poll::Poll;
use crate::wire_time;

/// Above so many buckets, empty ones before the first vote are left out: a poll that opened years ago
/// doesn't cost memory for each minute since.
const MAX_LEADING: i64 = 50_000;

/// The votes of a minute or an hour, over all channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its first instant.
    pub start: Timestamp,
    /// All its votes.
    pub total: u128,
    /// Its votes per candidate, in the poll's order.
    pub candidates: Vec<u128>,
}

impl Bucket {
    fn empty(start: Timestamp, candidates: usize) -> Self {
        Self {
            start,
            total: 0,
            candidates: vec![0; candidates],
        }
    }

    fn add(&mut self, tally: &Tally) {
        self.total += tally.total();
        for (candidate, votes) in self.candidates.iter_mut().enumerate() {
            *votes += tally.candidate_total(candidate);
        }
    }
}

/// The first and last instant of a poll's series at `now`: from `opens_at` to its last votable
/// millisecond or `now`, whichever comes first; wider where votes were counted outside, so that the
/// series always adds up to the tally. `None` before it opens.
#[must_use]
pub fn series_range(
    poll: &Poll,
    series: &MinuteSeries,
    now: Timestamp,
) -> Option<(Timestamp, Timestamp)> {
    let last_votable = poll.closes_at - SignedDuration::from_millis(1);
    let (mut from, mut until) = (poll.definition.opens_at(), last_votable.min(now));
    if let (Some(first), Some(last)) = (series.first(), series.last()) {
        from = from.min(first.start());
        until = until.max(last.start());
    }
    (from <= until).then_some((from, until))
}

/// The series by the minute, from the minute that `from` is in to the one that `until` is in, none left
/// out; empty where `until` is before `from`. (Beyond 50 000 minutes, those before the first vote are
/// left out.)
#[must_use]
pub fn dense_minutes(series: &MinuteSeries, from: Timestamp, until: Timestamp) -> Vec<Bucket> {
    if until < from {
        return Vec::new();
    }
    let last = Minute::from_timestamp(until);
    let first = Minute::from_timestamp(from).max(first_shown(series, last, 1));
    (first.0..=last.0)
        .map(|minute| {
            let minute = Minute(minute);
            let mut bucket = Bucket::empty(minute.start(), series.candidates);
            if let Some(tally) = series.get(minute) {
                bucket.add(tally);
            }
            bucket
        })
        .collect()
}

/// The series by the hour of a time zone, from the hour that `from` is in to the one that `until` is in,
/// none left out; empty where `until` is before `from`. (Beyond 50 000 hours, those before the first
/// vote are left out.)
///
/// Hours are those of the zone's clocks. The hour that is repeated when clocks are put back is two
/// buckets, the one that is skipped when they are put forward is none, and an hour in which the offset
/// changes is cut there: no bucket spans a change of offset.
#[must_use]
pub fn dense_hours(
    series: &MinuteSeries,
    zone: &TimeZone,
    from: Timestamp,
    until: Timestamp,
) -> Vec<Bucket> {
    if until < from {
        return Vec::new();
    }
    let earliest = first_shown(series, Minute::from_timestamp(until), 60).start();
    let mut buckets: Vec<Bucket> = Vec::new();
    let mut next = Some(hour_start(from.max(earliest), zone));
    while let Some(start) = next.filter(|start| *start <= until) {
        buckets.push(Bucket::empty(start, series.candidates));
        next = hour_end(start, zone);
    }
    for (minute, tally) in series.iter() {
        let after = buckets.partition_point(|bucket| bucket.start <= minute.start());
        let beyond = after == buckets.len() && next.is_some_and(|end| minute.start() >= end);
        if let Some(index) = after.checked_sub(1).filter(|_| !beyond) {
            buckets[index].add(tally);
        }
    }
    buckets
}

/// The minute before which empty buckets of so many minutes are left out.
fn first_shown(series: &MinuteSeries, last: Minute, bucket_minutes: i64) -> Minute {
    let bound = Minute(last.0.saturating_sub((MAX_LEADING - 1) * bucket_minutes));
    series.first().map_or(bound, |first| bound.min(first))
}

/// Where the zone's hour began that an instant is in.
pub(crate) fn hour_start(at: Timestamp, zone: &TimeZone) -> Timestamp {
    let local = zone.to_datetime(at);
    let into =
        SignedDuration::from_secs(i64::from(local.minute()) * 60 + i64::from(local.second()));
    let whole = wire_time::floor(at) - SignedDuration::from_millis(i64::from(local.millisecond()));
    let start = whole.checked_sub(into).unwrap_or(Timestamp::MIN);
    // A change of offset between then and now begins a bucket of its own.
    last_change(start, at, zone).unwrap_or(start)
}

/// Where the zone's hour ends that begins at an instant; `None` at the end of time.
fn hour_end(start: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let local = zone.to_datetime(start);
    let into = i64::from(local.minute()) * 60 + i64::from(local.second());
    let end = start
        .checked_add(SignedDuration::from_secs(3600 - into))
        .ok()?;
    let offset = zone.to_offset(start);
    let change = zone
        .following(start)
        .take_while(|change| change.timestamp() < end)
        .find(|change| change.offset() != offset);
    Some(change.map_or(end, |change| change.timestamp()))
}

/// The last change of offset after `after`, up to and including `until`.
fn last_change(after: Timestamp, until: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let offset_before = zone.to_offset(after);
    zone.following(after)
        .take_while(|change| change.timestamp() <= until)
        .scan(offset_before, |before, change| {
            let changed = std::mem::replace(before, change.offset()) != change.offset();
            Some(changed.then(|| change.timestamp()))
        })
        .flatten()
        .last()
}

#[cfg(test)]
mod tests;
