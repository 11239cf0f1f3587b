use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use vote_domain::{Annulled, Poll, QuarantineReason, Transition, Visibility, WriterId};
use vote_store::{Drained, EndedWriters};

use super::*;
use crate::documents::view::tests_freshness;
use crate::samples::{
    WRITER, closes_at, confirmed, opens_at, poll, sealed_snapshot, snapshot, snapshot_of,
};

fn desk(snapshot: PollSnapshot, now: Timestamp) -> Value {
    let confirmed = confirmed(snapshot, now);
    let view = View::new(&confirmed, now, tests_freshness());
    let document = DeskDocument::new(&confirmed.snapshot, &view);
    serde_json::to_value(&document).expect("serialises")
}

fn released(poll: &Poll) -> Poll {
    poll.release(opens_at(), "test").expect("legal")
}

#[test]
fn weighted_and_unweighted_shares_stand_beside_each_other() {
    // 30 % weigh the first channel's 90:10, 70 % the second's 0:10.
    let desk = desk(snapshot(&[(0, 0, 90), (0, 1, 10), (1, 1, 10)]), opens_at());
    let percents = |rows: &Value| -> Vec<String> {
        let rows = rows.as_array().expect("rows");
        rows.iter().map(|row| row["percent"].to_string()).collect()
    };
    assert_eq!(percents(&desk["standing"]["candidates"]), ["27", "73"]);
    assert_eq!(percents(&desk["unweighted"]), ["81.82", "18.18"]);
    assert_eq!(desk["unweighted"][0]["votes"], 90);
}

#[test]
fn a_withdrawn_candidates_votes_are_counted_apart_and_in_no_share() {
    let open = poll(Visibility::Public);
    let bia = open.definition.candidates()[0].id.clone();
    let out = open.withdraw(&bia, opens_at(), "test").expect("legal");
    let desk = desk(
        snapshot_of(out, &[(0, (0, 0, 7)), (0, (0, 1, 5))]),
        opens_at(),
    );
    assert_eq!(
        desk["outcomes"],
        json!({
            "recorded": 12, "annulled": 0, "withdrawn": 7, "late": 0, "lost": 0, "quarantined": 0, "quarantine_annulled": 0
        })
    );
    assert_eq!(desk["unweighted"][0].get("percent"), None);
    assert_eq!(desk["unweighted"][1]["percent"], 100);
}

#[test]
fn late_and_lost_votes_are_told() {
    let mut snapshot = snapshot(&[(0, 0, 7)]);
    snapshot.late.add(0, 1, 4).expect("fits");
    snapshot.ledger[0]
        .get_mut(&WRITER)
        .expect("the writer")
        .lost = 3;
    let definition = snapshot.poll.definition.clone();
    for (fate, votes) in [
        (Fate::Undecided, 2),
        (Fate::Annulled, 5),
        (Fate::Released, 1),
    ] {
        let of = (fate, QuarantineReason::DenyList);
        let added = snapshot.quarantine.add(&definition, of, (0, 0), votes);
        added.expect("fits");
    }
    let ledger = snapshot.ledger[0].get_mut(&WRITER).expect("the writer");
    ledger.votes += 7;
    let desk = desk(snapshot, opens_at());
    assert_eq!(desk["checks"]["agree"], true);
    assert_eq!(
        desk["outcomes"],
        json!({
            "recorded": 7, "annulled": 0, "withdrawn": 0, "late": 4, "lost": 3, "quarantined": 2, "quarantine_annulled": 5
        })
    );
}

#[test]
fn what_was_set_aside_is_told_by_reason_and_only_for_reasons_that_there_were() {
    let mut snapshot = snapshot(&[(0, 0, 7)]);
    assert_eq!(desk(snapshot.clone(), opens_at())["quarantine"], json!([]));
    let definition = snapshot.poll.definition.clone();
    for (fate, reason, votes) in [
        (Fate::Annulled, QuarantineReason::KeyPattern, 4),
        (Fate::Undecided, QuarantineReason::DenyList, 2),
        (Fate::Released, QuarantineReason::DenyList, 3),
    ] {
        let added = (snapshot.quarantine).add(&definition, (fate, reason), (0, 0), votes);
        added.expect("fits");
    }
    assert_eq!(
        desk(snapshot, opens_at())["quarantine"],
        json!([
            { "reason": "deny_list", "undecided": 2, "released": 3, "annulled": 0 },
            { "reason": "key_pattern", "undecided": 0, "released": 0, "annulled": 4 }
        ])
    );
}

#[test]
fn annulments_that_stand_are_told_with_what_was_recorded_and_those_taken_back_are_not() {
    let now = opens_at() + SignedDuration::from_mins(10);
    let votes = |minute: i64| Annulled {
        from: opens_at() + SignedDuration::from_mins(minute),
        until: opens_at() + SignedDuration::from_mins(minute + 1),
        channel: None,
        candidate: None,
    };
    let why = |text| Reason::parse(text).expect("a reason");
    let robots = poll(Visibility::Public)
        .annul(votes(0), why("robots"), now, "ines")
        .expect("legal");
    let both = robots
        .annul(votes(1), why("a mistake"), now, "rui")
        .expect("legal");
    let counted = [(0, (0, 0, 5)), (1, (0, 1, 9)), (2, (1, 0, 1))];

    let shown = desk(snapshot_of(both.clone(), &counted), now);
    let numbers = shown["annulments"].as_array().expect("a list");
    let numbers: Vec<&Value> = numbers.iter().map(|one| &one["number"]).collect();
    assert_eq!(numbers, [&json!(2), &json!(1)], "newest first");

    let back = both
        .take_back(2, why("they were people"), now, "rui")
        .expect("legal");
    let shown = desk(snapshot_of(back, &counted), now);
    assert_eq!(
        shown["annulments"],
        json!([{
            "number": 1, "reason": "robots", "by": "ines", "at": "2026-11-24T00:10:00.000Z",
            "votes": { "from": "2026-11-24T00:00:00.000Z", "until": "2026-11-24T00:01:00.000Z" }
        }])
    );
    assert_eq!(shown["outcomes"]["annulled"], 5);
    let standing = &shown["standing"];
    assert_eq!(
        (&standing["total_votes"], &standing["recorded"]["annulled"]),
        (&json!(10), &json!(5))
    );
    assert_eq!(standing["candidates"][0]["votes"], 1);
    assert_eq!(
        standing["recorded"]["channels"][0]["candidates"][0],
        json!({ "id": "bia", "votes": 5, "annulled": 5 })
    );
}

#[test]
fn the_peak_is_the_first_minute_with_the_most_votes_and_absent_before_any() {
    let votes = [(0, (0, 0, 5)), (3, (0, 1, 9)), (8, (1, 0, 9))];
    let peak = desk(snapshot_of(poll(Visibility::Public), &votes), opens_at());
    assert_eq!(
        peak["peak"],
        json!({ "start": "2026-11-24T00:03:00.000Z", "total_votes": 9 })
    );
    assert_eq!(desk(snapshot(&[]), opens_at()).get("peak"), None);
}

#[test]
fn what_is_on_air_is_what_graphics_have() {
    let none = desk(snapshot(&[(0, 0, 7)]), opens_at());
    let shown = &none["on_air"];
    assert_eq!(
        (&shown["on_air"], &shown["release"]),
        (&json!(false), &json!("unreleased"))
    );
    assert_eq!(
        (shown.get("total_votes"), &shown["candidates"]),
        (None, &json!([]))
    );

    let mut live = snapshot(&[(0, 0, 7)]);
    live.poll = released(&live.poll);
    let view = View::new(
        &confirmed(live.clone(), opens_at()),
        opens_at(),
        tests_freshness(),
    );
    let figures = vote_domain::HeldFigures::of(&standing_at(&live, &view));
    let held = live.poll.hold(figures, opens_at(), "test").expect("legal");
    let on_air = desk(live.clone(), opens_at())["on_air"].clone();
    assert_eq!(
        (&on_air["on_air"], &on_air["total_votes"]),
        (&json!(true), &json!(7))
    );

    // Held at seven votes; production sees the others all the same.
    live.poll = held;
    live.tally.add(0, 1, 5).expect("fits");
    let desk = desk(live, opens_at());
    assert_eq!(desk["standing"]["total_votes"], 12);
    let frozen = &desk["on_air"];
    assert_eq!(
        (
            &frozen["on_air"],
            &frozen["release"],
            &frozen["total_votes"]
        ),
        (&json!(false), &json!("held"), &json!(7))
    );
    assert_eq!(
        frozen["candidates"][0],
        json!({ "id": "bia", "percent": 100, "votes": 7 })
    );
}

#[test]
fn figures_that_differ_are_said_to() {
    let checks = |change: fn(&mut PollSnapshot)| {
        let mut snapshot = snapshot(&[(0, 0, 7)]);
        change(&mut snapshot);
        desk(snapshot, opens_at())["checks"].clone()
    };
    let right = checks(|_| {});
    assert_eq!(
        right,
        json!({ "agree": true, "tally": 7, "minutes": 7, "ledger": 7, "writers": 1, "waiting": [] })
    );
    let moved = checks(|snapshot| {
        // As many votes, for another candidate.
        snapshot.tally = Tally::from_rows(&[vec![6, 1], vec![0, 0]]).expect("rows");
    });
    assert_eq!(
        (&moved["agree"], &moved["tally"]),
        (&json!(false), &json!(7))
    );
    let unledgered = checks(|snapshot| snapshot.ledger = vec![BTreeMap::new()]);
    assert_eq!(
        (&unledgered["agree"], &unledgered["ledger"]),
        (&json!(false), &json!(0))
    );
}

#[test]
fn a_sealed_poll_says_by_whom_and_its_digest_and_whether_redis_still_has_its_figures() {
    let mut snapshot = sealed_snapshot(&[(0, 0, 7)]);
    let sha256 = snapshot.sealed.as_ref().expect("sealed").sha256.clone();
    let right = desk(snapshot.clone(), closes_at());
    assert_eq!(
        right["sealed"],
        json!({ "sealed_at": "2026-11-26T02:00:00.000Z", "sealed_by": "test", "sha256": sha256, "abandoned": [] })
    );
    assert_eq!(right["checks"]["agree"], true);
    snapshot.tally.add(0, 0, 1).expect("fits");
    let changed = desk(snapshot, closes_at());
    assert_eq!(changed["checks"]["agree"], false);
    assert_eq!(changed["outcomes"]["recorded"], 7, "what was sealed");
}

#[test]
fn the_writers_that_sealing_waits_for_are_named_once_the_poll_is_closed() {
    let at_end = |drained| {
        let mut snapshot = snapshot(&[(0, 0, 7)]);
        snapshot.ledger[0]
            .get_mut(&WRITER)
            .expect("the writer")
            .drained = drained;
        desk(snapshot, closes_at())["checks"].clone()
    };
    let waits = at_end(Drained::No);
    assert_eq!(
        (&waits["drained"], &waits["waiting"]),
        (&json!(0), &json!(["0707070707070707"]))
    );
    let done = at_end(Drained::At(closes_at().as_millisecond()));
    assert_eq!(
        (&done["drained"], &done["waiting"]),
        (&json!(1), &json!([]))
    );
}

#[test]
fn writers_that_have_ended_are_in_the_ledger_by_their_sums_and_are_drained() {
    let mut snapshot = snapshot(&[(0, 0, 7)]);
    let ledger = snapshot.ledger[0].get_mut(&WRITER).expect("the writer");
    (ledger.votes, ledger.drained) = (4, Drained::At(closes_at().as_millisecond()));
    let ended = [1, 2].map(|id| (WriterId::from_bytes([id; 8]), 5, u64::from(id)));
    // Its lane has lost two votes: a note, and no writer of its own.
    let note = WriterLedger {
        lost: 2,
        ..WriterLedger::default()
    };
    snapshot.ledger[0].insert(ended[0].0, note);
    snapshot.ended = vec![EndedWriters::new(&ended, false)];
    let desk = desk(snapshot, closes_at());
    assert_eq!(
        desk["checks"],
        json!({
            "agree": true, "tally": 7, "minutes": 7, "ledger": 7, "writers": 3, "drained": 3, "waiting": []
        })
    );
    assert_eq!(desk["outcomes"]["lost"], 2);
}

#[test]
fn the_journal_is_newest_first_and_bounded() {
    let mut snapshot = snapshot(&[]);
    for minute in 0..30 {
        let at = opens_at() + SignedDuration::from_mins(minute);
        let transition = match minute % 2 {
            0 => Transition::Pause,
            _ => Transition::Resume,
        };
        let next = snapshot.poll.transition(transition, at, "ines");
        snapshot.poll = next.expect("legal");
    }
    let desk = desk(snapshot, opens_at());
    let journal = desk["journal"].as_array().expect("a list");
    assert_eq!(journal.len(), 20);
    assert_eq!(
        journal[0],
        json!({ "at": "2026-11-24T00:29:00.000Z", "action": "resume", "by": "ines", "detail": "paused to open" })
    );
}

#[test]
fn before_the_opening_too_it_says_that_nobody_confirms_the_figures() {
    let early = opens_at() - SignedDuration::from_mins(20);
    let confirmed = confirmed(snapshot(&[]), early);
    let status = |seconds| {
        let now = early + SignedDuration::from_secs(seconds);
        let view = View::new(&confirmed, now, tests_freshness());
        let desk = DeskDocument::new(&confirmed.snapshot, &view);
        (desk.poll.status, desk.standing.status)
    };
    assert_eq!(status(1), (Status::NotOpen, Status::NotOpen));
    assert_eq!(status(60), (Status::NotOpen, Status::Stale));
}

#[test]
fn the_example_has_the_members_of_a_desk() {
    let desk = desk(snapshot(&[(0, 0, 7)]), opens_at());
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<String> = value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&desk), keys(&example()));
}
