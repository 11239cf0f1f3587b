//! What a decision changes, and what stays as it was decided.

use std::collections::BTreeMap;

use vote_domain::{QuarantineDecision, QuarantineSelection};

use super::deciding::Call;
use super::figures::{Figures, Held, Votes, fate_and_pair};
use super::harness::Harness;

/// Executes a call of an operator: what it meant and was undecided has the new fate, in each of its minutes and all together, and
/// counts there if it was released. Nothing else has changed, but what the ledger says of the decision.
pub(super) fn execute(harness: &Harness, call: &Call) {
    let (state, before) = (harness.state(), harness.figures().held);
    let others = others(harness);
    let said = harness.decide(&call.request);
    let expected = if matches!(state.as_str(), "open" | "paused" | "closed") {
        let mut after = before;
        let decided = apply(&mut after, call);
        assert_eq!(said, decided.to_string(), "votes that were decided of");
        after
    } else {
        assert_eq!(said, state, "nobody decides any more");
        before
    };
    assert_eq!(harness.figures().held, expected, "after {call:?}");
    assert_eq!(self::others(harness), others, "it has changed more");
}

/// What no decision changes.
fn others(harness: &Harness) -> BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut all = harness.dump();
    let keys = &harness.keys;
    let figures = [
        keys.tally(),
        keys.writers(),
        keys.ended(),
        keys.quarantine(),
    ];
    let of_minutes = [":minutes:", ":quarantine:"];
    all.retain(|key, _| {
        !figures.contains(key) && !of_minutes.iter().any(|part| key.contains(part))
    });
    // It is among the figures.
    if let Some(state) = all.get_mut(&keys.state()) {
        state.remove("batches".as_bytes());
    }
    all
}

/// Reason, channel and candidate of an undecided vote that is meant; `None` of all others.
pub(super) fn is_meant<'f>(field: &'f str, selection: &QuarantineSelection) -> Option<&'f str> {
    let rest = field.strip_prefix("undecided/")?;
    let (reason, _pair) = rest.split_once('/')?;
    let mut meant = selection.reasons.iter();
    meant.any(|one| one.as_str() == reason).then_some(rest)
}

fn apply(held: &mut Held, call: &Call) -> u64 {
    let fate = call.decision.fate().as_str();
    let mut decided = 0;
    for minute in &call.minutes {
        let aside = held.quarantine_minutes.entry(*minute).or_default();
        for (field, votes) in aside.clone() {
            let Some(rest) = is_meant(&field, &call.selection) else {
                continue;
            };
            decided += votes;
            let to = format!("{fate}/{rest}");
            for sums in [&mut *aside, &mut held.quarantine] {
                change(sums, &to, votes.cast_signed());
                change(sums, &field, -votes.cast_signed());
            }
            if call.decision == QuarantineDecision::Release {
                let (_, pair) = fate_and_pair(&to);
                let in_minute = held.counted_minutes.entry(*minute).or_default();
                for sums in [in_minute, &mut held.counted] {
                    change(sums, pair, votes.cast_signed());
                }
            }
        }
    }
    if decided > 0 {
        note(held, &call.writer.to_string());
    }
    decided
}

/// A batch without votes, of a writer that has ended.
fn note(held: &mut Held, writer: &str) {
    let is_new = held
        .drained
        .insert(writer.to_owned(), "ended".to_owned())
        .is_none();
    *held.ledger.entry(format!("{writer}/sequence")).or_default() += 1;
    held.ledger.entry(format!("{writer}/votes")).or_default();
    held.batches += 1;
    for sums in &mut held.ended_sums {
        for (field, more) in [("writers", u64::from(is_new)), ("batches", 1), ("votes", 0)] {
            *sums.entry(format!("ended/{field}")).or_default() += more;
        }
    }
}

fn change(sums: &mut Votes, field: &str, by: i64) {
    let sum = sums.entry(field.to_owned()).or_default();
    *sum = sum.checked_add_signed(by).expect("no fewer than none");
    if *sum == 0 {
        sums.remove(field);
    }
}

/// Compares step after step: what was decided of a vote stays decided as long as Redis forgets nothing.
#[derive(Default)]
pub(super) struct Fates {
    crashes: usize,
    /// The votes that were decided of, by field of the quarantine.
    decided: Votes,
}

impl Fates {
    pub(super) fn after_step(&mut self, figures: &Figures, crashes: usize) {
        let mut decided = figures.held.quarantine.clone();
        decided.retain(|field, _| fate_and_pair(field).0 != "undecided");
        if crashes == self.crashes {
            for (field, votes) in &self.decided {
                let now = decided.get(field).copied().unwrap_or(0);
                assert!(now >= *votes, "{votes} votes were {field}, and {now} are");
            }
        }
        (self.crashes, self.decided) = (crashes, decided);
    }
}
