//! The final result: its digest, and what changes it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;
use sha2::Digest;

use crate::fixtures::{PAREDAO, at, poll_after, tally};
use crate::{
    FiguresError, Poll, PollDefinition, PollState, Quarantine, SealedPoll, SealedPollError,
    ShardTotals, Tally, TallyOverflow, Transition, WriterId, WriterTotals, canonical_json,
};

const SEALED_AT: &str = "2026-11-26T02:05:00.5Z";

fn shard(shard: u16, rows: &[&[u64]], writers: &[(u8, u64)]) -> ShardTotals {
    ShardTotals {
        annulled: None,
        shard,
        tally: tally(rows),
        late: tally(&[&[1, 0], &[0, 2]]),
        writers: writers
            .iter()
            .map(|&(id, votes)| WriterTotals {
                writer: WriterId::from_bytes([id; 8]),
                last_sequence: u64::from(id) * 10,
                votes,
                lost: 0,
            })
            .collect(),
        quarantine: Quarantine::default(),
    }
}

fn sealed_poll(shards: u16) -> Poll {
    let file = PAREDAO.replace("shards: 1", &format!("shards: {shards}"));
    let mut poll = poll_after(&[Transition::Open, Transition::Close, Transition::Seal]);
    poll.definition = PollDefinition::parse_yaml(&file).expect("legal");
    poll
}

fn sample() -> SealedPoll {
    let shards = vec![
        shard(0, &[&[900, 200], &[150, 400]], &[(2, 650), (1, 1000)]),
        shard(1, &[&[35, 65], &[50, 200]], &[(1, 350)]),
    ];
    SealedPoll::new(
        sealed_poll(2),
        shards,
        &BTreeSet::new(),
        4711,
        at(SEALED_AT),
        "ines",
    )
    .expect("consistent")
}

#[test]
fn figures_are_added_up_over_the_shards() {
    let sealed = sample();
    assert_eq!(sealed.tally, tally(&[&[935, 265], &[200, 600]]));
    assert_eq!(sealed.standing.total_votes, Some(2000));
    assert_eq!(sealed.standing.revision, Some(4711));
    assert_eq!(sealed.standing.status.as_str(), "final");
    assert_eq!(sealed.standing.state, PollState::Sealed);
    assert_eq!(
        sealed.standing.candidates[0]
            .percent
            .map(|percent| percent.to_string())
            .as_deref(),
        Some("40.88")
    );
    let writers: Vec<_> = sealed.shards[0]
        .writers
        .iter()
        .map(|w| w.writer.to_string())
        .collect();
    assert_eq!(
        writers,
        ["0101010101010101", "0202020202020202"],
        "in order"
    );
    assert_eq!(sealed.shards[0].ledger_total(), 1650);
    assert_eq!(sealed.verify(), Ok(()));
}

#[test]
fn has_a_digest_that_never_changes() {
    assert_eq!(
        sample().sha256,
        "6139c2527dc49748eeb79e68b687171f9dd6d8fda7e34aa3e705c49c6f8f45bc"
    );
}

#[test]
fn abandoned_writers_are_named_and_part_of_the_digest() {
    let plain = sample();
    assert!(
        !serde_json::to_string(&plain)
            .expect("serialises")
            .contains("abandoned")
    );
    let seal = |abandoned: &[u8]| {
        let abandoned = abandoned.iter().map(|id| WriterId::from_bytes([*id; 8]));
        SealedPoll::new(
            sealed_poll(2),
            plain.shards.clone(),
            &abandoned.collect(),
            4711,
            at(SEALED_AT),
            "ines",
        )
    };
    let mut sealed = seal(&[2, 1]).expect("consistent");
    let names: Vec<_> = sealed.abandoned.iter().map(WriterId::to_string).collect();
    assert_eq!(names, ["0101010101010101", "0202020202020202"]);
    assert_ne!(sealed.sha256, plain.sha256);
    let json = serde_json::to_string(&sealed).expect("serialises");
    let read: SealedPoll = serde_json::from_str(&json).expect("reads");
    assert_eq!((read.verify(), &read), (Ok(()), &sealed));
    sealed.abandoned.pop();
    assert!(matches!(
        sealed.verify(),
        Err(SealedPollError::Digest { .. })
    ));
    sealed.abandoned = vec![WriterId::from_bytes([2; 8]), WriterId::from_bytes([1; 8])];
    sealed.sha256 = sealed.digest();
    assert!(matches!(
        sealed.verify(),
        Err(SealedPollError::Content(FiguresError::Abandoned { .. }))
    ));
    let stranger = WriterId::from_bytes([3; 8]);
    assert_eq!(
        seal(&[3]),
        Err(FiguresError::Abandoned { writer: stranger })
    );
}

#[test]
fn lost_votes_are_added_up_and_part_of_the_digest() {
    let plain = sample();
    let json = serde_json::to_string(&plain).expect("serialises");
    assert!(!json.contains("lost"), "{json}");
    let mut shards = plain.shards.clone();
    shards[0].writers[1].lost = 3;
    shards[1].writers[0].lost = 4;
    let nobody = BTreeSet::new();
    let sealed = SealedPoll::new(sealed_poll(2), shards, &nobody, 4711, at(SEALED_AT), "ines");
    let mut sealed = sealed.expect("consistent");
    assert_eq!(sealed.lost, 7);
    assert_ne!(sealed.sha256, plain.sha256);
    assert_eq!(sealed.standing, plain.standing, "they are in no figure");
    let json = serde_json::to_string(&sealed).expect("serialises");
    let read: SealedPoll = serde_json::from_str(&json).expect("reads");
    assert_eq!((read.verify(), &read), (Ok(()), &sealed));
    sealed.lost = 6;
    sealed.sha256 = sealed.digest();
    let field = "lost";
    assert_eq!(sealed.verify(), Err(SealedPollError::Figures { field }));
}

#[test]
fn the_digest_is_that_of_the_canonical_json_without_it() {
    let sealed = sample();
    let mut json = serde_json::to_value(&sealed).expect("serialises");
    json.as_object_mut().expect("an object").remove("sha256");
    let canonical = canonical_json(&json).expect("serialises");
    assert!(canonical.starts_with(r#"{"poll":{"closes_at":"2026-11-24T00:30:00.000Z","definition":{"candidates":[{"id":"ana","#));
    let digest = sha2::Sha256::digest(canonical);
    assert_eq!(data_encoding::HEXLOWER.encode(&digest), sealed.sha256);
}

#[test]
fn survives_the_wire_and_still_verifies() {
    let json = serde_json::to_string(&sample()).expect("serialises");
    let read: SealedPoll = serde_json::from_str(&json).expect("reads");
    assert_eq!(read, sample());
    assert_eq!(read.verify(), Ok(()));

    // Also with totals that need more than 64 bits.
    let max = [u64::MAX, u64::MAX];
    let shards = vec![shard(0, &[&max, &max], &[])];
    let sealed = SealedPoll::new(
        sealed_poll(1),
        shards,
        &BTreeSet::new(),
        1,
        at(SEALED_AT),
        "ines",
    )
    .expect("fits");
    let json = serde_json::to_string(&sealed).expect("serialises");
    let read: SealedPoll = serde_json::from_str(&json).expect("reads");
    assert_eq!((read.verify(), read), (Ok(()), sealed));
}

#[test]
fn a_field_that_was_slipped_in_is_refused() {
    let json = serde_json::to_string(&sample()).expect("serialises");
    for (from, to) in [
        (r#"{"version":"#, r#"{"annulled":1,"version":"#),
        (r#""last_sequence":"#, r#""annulled":1,"last_sequence":"#),
        (r#""percent":"#, r#""annulled":1,"percent":"#),
        (r#""revision":"#, r#""annulled":1,"revision":"#),
    ] {
        let json = json.replacen(from, to, 1);
        assert!(serde_json::from_str::<SealedPoll>(&json).is_err(), "{from}");
    }
}

#[test]
fn figures_that_do_not_follow_are_found_even_under_a_right_digest() {
    let mut sealed = sample();
    sealed.standing.candidates.swap(0, 1);
    sealed.sha256 = sealed.digest();
    assert_eq!(
        sealed.verify(),
        Err(SealedPollError::Figures { field: "standing" })
    );

    let mut sealed = sample();
    sealed.tally.add(0, 0, 1).expect("fits");
    sealed.sha256 = sealed.digest();
    assert_eq!(
        sealed.verify(),
        Err(SealedPollError::Figures { field: "tally" })
    );

    let mut sealed = sample();
    sealed.version = 2;
    assert_eq!(sealed.verify(), Err(SealedPollError::Version(2)));

    let mut sealed = sample();
    sealed.shards.pop();
    sealed.sha256 = sealed.digest();
    assert_eq!(
        sealed.verify(),
        Err(SealedPollError::Content(FiguresError::Shards {
            expected: 2,
            given: 1
        }))
    );
}

#[test]
fn what_is_incomplete_is_not_sealed() {
    let seal = |poll, shards| {
        SealedPoll::new(poll, shards, &BTreeSet::new(), 1, at(SEALED_AT), "ines")
            .expect_err("refused")
    };
    let rows: &[&[u64]] = &[&[1, 2], &[3, 4]];
    let closed = poll_after(&[Transition::Open, Transition::Close]);
    assert_eq!(
        seal(closed, vec![shard(0, rows, &[])]),
        FiguresError::State {
            state: PollState::Closed
        }
    );
    for (shards, given) in [
        (vec![], 0),
        (vec![shard(0, rows, &[])], 1),
        (vec![shard(1, rows, &[]), shard(0, rows, &[])], 2),
        (vec![shard(0, rows, &[]), shard(0, rows, &[])], 2),
        (
            vec![
                shard(0, rows, &[]),
                shard(1, rows, &[]),
                shard(2, rows, &[]),
            ],
            3,
        ),
    ] {
        assert_eq!(
            seal(sealed_poll(2), shards),
            FiguresError::Shards { expected: 2, given }
        );
    }
    assert_eq!(
        seal(
            sealed_poll(1),
            vec![shard(0, &[&[1, 2, 3], &[4, 5, 6]], &[])]
        ),
        FiguresError::Shape { shard: 0 }
    );
    let mut late = shard(0, rows, &[]);
    late.late = Tally::new(1, 2);
    assert_eq!(
        seal(sealed_poll(1), vec![late]),
        FiguresError::Shape { shard: 0 }
    );
    let full: &[&[u64]] = &[&[u64::MAX, 0], &[0, 0]];
    assert_eq!(
        seal(
            sealed_poll(2),
            vec![shard(0, full, &[]), shard(1, rows, &[])]
        ),
        FiguresError::Overflow(TallyOverflow::Votes {
            channel: 0,
            candidate: 0
        })
    );
}

/// Every leaf of a JSON tree, by its path.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| leaves(value, &format!("{path}/{name}"), found)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, value)| leaves(value, &format!("{path}/{i}"), found)),
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn changing_any_number_changes_the_digest() {
    let json = serde_json::to_value(sample()).expect("serialises");
    let mut paths = Vec::new();
    leaves(&json, "", &mut paths);
    let mut changed_figures = 0;
    for path in paths.iter().filter(|path| !path.ends_with("/sha256")) {
        let mut changed = json.clone();
        let leaf = changed.pointer_mut(path).expect("there");
        match leaf.as_u64() {
            Some(number) => *leaf = Value::from(if number > 0 { number - 1 } else { 1 }),
            None => continue,
        }
        // What a rule refuses outright (a weight of 0, …) can't be read, so it can't be believed either.
        if let Ok(changed) = serde_json::from_value::<SealedPoll>(changed) {
            assert_ne!(changed.digest(), sample().sha256, "{path}");
            assert!(changed.verify().is_err(), "{path}");
            changed_figures += 1;
        }
    }
    assert!(changed_figures > 40, "{changed_figures}");
}

proptest! {
    #[test]
    fn changing_any_figure_by_anything_changes_the_digest(
        which in 0_usize..7, index in any::<prop::sample::Index>(), by in 1_u64..u64::MAX
    ) {
        let mut sealed = sample();
        let totals = index.index(2);
        let (channel, candidate) = (index.index(2), index.index(4) / 2);
        let change = |tally: &mut Tally| {
            let mut rows: Vec<Vec<u64>> = tally.rows().map(<[u64]>::to_vec).collect();
            rows[channel][candidate] = rows[channel][candidate].wrapping_add(by);
            *tally = Tally::from_rows(&rows).expect("even");
        };
        match which {
            0 => change(&mut sealed.tally),
            1 => change(&mut sealed.shards[totals].tally),
            2 => change(&mut sealed.shards[totals].late),
            3 => {
                let votes = &mut sealed.shards[totals].writers[0].votes;
                *votes = votes.wrapping_add(by);
            }
            4 => {
                let last = &mut sealed.shards[totals].writers[0].last_sequence;
                *last = last.wrapping_add(by);
            }
            5 => sealed.standing.total_votes = sealed.standing.total_votes.map(|votes| votes + u128::from(by)),
            _ => {
                let votes = &mut sealed.standing.candidates[candidate].votes;
                *votes = votes.map(|votes| votes + u128::from(by));
            }
        }
        prop_assert_ne!(sealed.digest(), sample().sha256);
        prop_assert!(sealed.verify().is_err());
    }

    #[test]
    fn shards_add_up_whatever_they_hold(
        rows in prop::collection::vec([0_u64..1 << 50, 0..1 << 50, 0..1 << 50, 0..1 << 50], 1..10)
    ) {
        let shards: Vec<_> = rows
            .iter()
            .enumerate()
            .map(|(i, [a, b, c, d])| {
                shard(u16::try_from(i).expect("small"), &[&[*a, *b], &[*c, *d]], &[(1, a + b + c + d)])
            })
            .collect();
        let total: u128 = shards.iter().map(ShardTotals::ledger_total).sum();
        let poll = sealed_poll(u16::try_from(shards.len()).expect("small"));
        let sealed = SealedPoll::new(poll, shards, &BTreeSet::new(), 1, at(SEALED_AT), "ines").expect("consistent");
        prop_assert_eq!(sealed.tally.total(), total);
        prop_assert_eq!(sealed.verify(), Ok(()));
    }
}

#[test]
fn what_is_annulled_is_in_the_tally_and_in_no_standing() {
    let mut shards = sample().shards;
    shards[1].annulled = Some(tally(&[&[35, 0], &[0, 100]]));
    let seal = |shards| {
        let nobody = BTreeSet::new();
        SealedPoll::new(sealed_poll(2), shards, &nobody, 4711, at(SEALED_AT), "ines")
    };
    let sealed = seal(shards.clone()).expect("consistent");
    assert_eq!(sealed.verify(), Ok(()));
    assert_eq!(sealed.tally, sample().tally);
    assert_eq!(sealed.net_tally(), tally(&[&[900, 265], &[200, 500]]));
    assert_eq!(sealed.standing.total_votes, Some(1865));
    let recorded = sealed.standing.recorded.as_ref().expect("some");
    assert_eq!((recorded.total_votes, recorded.annulled), (2000, 135));
    assert_eq!(sealed.standing.without_counts().recorded, None);

    let mut forged = sealed;
    forged.shards[1].annulled = None;
    forged.sha256 = forged.digest();
    let standing = SealedPollError::Figures { field: "standing" };
    assert_eq!(forged.verify(), Err(standing));
    shards[1].annulled = Some(tally(&[&[36, 0], &[0, 0]]));
    assert_eq!(seal(shards), Err(FiguresError::Annulled { shard: 1 }));
}
