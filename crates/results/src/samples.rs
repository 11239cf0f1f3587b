//! Polls and snapshots for unit tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use vote_domain::{
    Minute, MinuteSeries, Poll, PollDefinition, Quarantine, SealedPoll, ShardTotals, Tally,
    Transition, Visibility, WriterId, WriterTotals,
};
use vote_store::{Confirmed, Drained, PollSnapshot, WriterLedger};
use vote_testkit::fixtures::demo_poll;

pub(crate) use vote_testkit::fixtures::at;

pub(crate) const WRITER: WriterId = WriterId::from_bytes([7; 8]);

pub(crate) fn opens_at() -> Timestamp {
    at("2026-11-24T00:00:00Z")
}

pub(crate) fn closes_at() -> Timestamp {
    at("2026-11-26T02:00:00Z")
}

pub(crate) fn definition(visibility: Visibility) -> PollDefinition {
    demo_poll()
        .visibility(visibility)
        .with(
            "candidates",
            serde_json::json!([
                { "id": "bia", "name": "Bia", "color": "#e4572e" },
                { "id": "ana", "name": "Ana", "image_url": "https://example.com/ana.png" },
            ]),
        )
        .definition()
}

pub(crate) fn poll(visibility: Visibility) -> Poll {
    Poll::draft(definition(visibility), opens_at(), "test")
        .transition(Transition::Open, opens_at(), "test")
        .expect("legal")
}

/// An open poll with votes as `(channel, candidate, votes)`, all in its first minute.
pub(crate) fn snapshot(votes: &[(usize, usize, u64)]) -> PollSnapshot {
    let timed: Vec<_> = votes.iter().map(|vote| (0, *vote)).collect();
    snapshot_of(poll(Visibility::Public), &timed)
}

/// A poll with votes as `(minutes after it opened, (channel, candidate, votes))`.
pub(crate) fn snapshot_of(poll: Poll, votes: &[(i64, (usize, usize, u64))]) -> PollSnapshot {
    let (mut tally, mut minutes) = (Tally::new(2, 2), MinuteSeries::new(2, 2));
    for (minute, (channel, candidate, count)) in votes {
        let at = opens_at() + jiff::SignedDuration::from_mins(*minute);
        tally.add(*channel, *candidate, *count).expect("fits");
        minutes
            .add(Minute::from_timestamp(at), *channel, *candidate, *count)
            .expect("fits");
    }
    let total = u64::try_from(tally.total()).expect("small");
    let ledger = WriterLedger {
        last_sequence: 3,
        votes: total,
        drained: Drained::No,
        lost: 0,
    };
    let received_at = minutes.last().map(Minute::start);
    PollSnapshot {
        revision: poll.revision + 3,
        annulled: poll.annulled(&minutes).expect("fits"),
        poll,
        tally,
        minutes,
        late: Tally::new(2, 2),
        quarantine: Quarantine::default(),
        ledger: vec![BTreeMap::from([(WRITER, ledger)])],
        ended: Vec::new(),
        received_at,
        sealed: None,
    }
}

/// The same, closed and sealed.
pub(crate) fn sealed_snapshot(votes: &[(usize, usize, u64)]) -> PollSnapshot {
    let mut snapshot = snapshot(votes);
    let poll = snapshot
        .poll
        .transition(Transition::Close, closes_at(), "test")
        .and_then(|poll| poll.transition(Transition::Seal, closes_at(), "test"))
        .expect("legal");
    let totals = ShardTotals {
        shard: 0,
        tally: snapshot.tally.clone(),
        late: snapshot.late.clone(),
        annulled: (!snapshot.annulled.is_zero()).then(|| snapshot.annulled.clone()),
        writers: vec![WriterTotals {
            writer: WRITER,
            last_sequence: 3,
            votes: u64::try_from(snapshot.tally.total()).expect("small"),
            lost: 0,
        }],
        quarantine: snapshot.quarantine.clone(),
    };
    snapshot.revision = poll.revision + 3;
    let sealed = SealedPoll::new(
        poll.clone(),
        vec![totals],
        &BTreeSet::new(),
        snapshot.revision,
        closes_at(),
        "test",
    );
    snapshot.sealed = Some(Arc::new(sealed.expect("seals")));
    snapshot.poll = poll;
    snapshot
}

pub(crate) fn confirmed(snapshot: PollSnapshot, confirmed_at: Timestamp) -> Confirmed {
    Confirmed {
        snapshot: Arc::new(snapshot),
        confirmed_at,
    }
}
