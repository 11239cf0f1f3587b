//! What must hold in a backup, whoever wrote it: the poll's audit, and that Redis could have held it.

use vote_domain::{Fate, Minute, Poll, PollState, SealedPoll};

use super::totals::Totals;
use crate::audit::audit_report;
use crate::audit::compare::changes_since_sealed;
use crate::figures::{self, ShardFigures};

/// Up to here `commit.lua` counts exactly (its numbers are doubles).
const LARGEST: u64 = 1 << 53;

/// All that does not agree.
pub(super) fn mistakes(
    poll: &Poll,
    shards: &[ShardFigures],
    sealed: Option<&SealedPoll>,
    totals: &Totals,
) -> Vec<String> {
    let mut mistakes = Vec::new();
    let count = poll.definition.shards();
    if !shards.iter().map(|shard| shard.shard).eq(0..count) {
        mistakes.push(format!(
            "shards: the poll has {count}, they must be there once each, in order"
        ));
        return mistakes;
    }
    let found = Totals::of(shards);
    if *totals != found {
        mistakes.push(format!(
            "totals: they are {totals:?}, the shards make {found:?}"
        ));
    }
    if let Some(mistake) = poll.withdrawal_mistake() {
        mistakes.push(format!("poll.withdrawn: {mistake}"));
    }
    if let Some(mistake) = poll.annulment_mistake() {
        mistakes.push(format!("poll.annulments: {mistake}"));
    }
    if let Some(mistake) = poll.held_mistake() {
        mistakes.push(format!("poll.release: {mistake}"));
    }
    check_sizes(poll, shards, &mut mistakes);
    check_minutes(poll, shards, &mut mistakes);
    match (sealed, poll.state) {
        (Some(sealed), PollState::Sealed) => check_sealed(sealed, poll, &mut mistakes),
        (Some(_), state) => {
            mistakes.push(format!(
                "sealed: a poll that is {state} has no sealed result"
            ));
        }
        (None, _) => {}
    }
    // The shards' places are right, and with them those of the sealed result.
    mistakes.extend(audit_report(poll, shards, sealed).differences);
    mistakes
}

fn check_sizes(poll: &Poll, shards: &[ShardFigures], mistakes: &mut Vec<String>) {
    let mut revision = u128::from(poll.revision);
    for shard in shards {
        let number = shard.shard;
        for (name, total) in [
            ("tally", shard.tally.total()),
            ("late", shard.late.total()),
            (
                "quarantine",
                Fate::ALL
                    .iter()
                    .map(|fate| shard.quarantine.total(*fate))
                    .sum(),
            ),
            ("ledger", shard.ledger_total()),
        ] {
            if total > u128::from(LARGEST) {
                mistakes.push(format!(
                    "shard {number}: its {name} has {total} votes, more than can be counted on from"
                ));
            }
        }
        for ledger in shard.writers.values() {
            revision += u128::from(ledger.last_sequence);
        }
    }
    if poll.revision == 0 || revision > u128::from(LARGEST) {
        mistakes.push(format!(
            "the poll's revision {} and the writers' sequences make {revision}: must be from 1 to {LARGEST}",
            poll.revision
        ));
    }
}

/// Minutes elsewhere would be written and never read.
fn check_minutes(poll: &Poll, shards: &[ShardFigures], mistakes: &mut Vec<String>) {
    let range = figures::minutes::range(poll, jiff::Timestamp::MAX);
    for shard in shards {
        let minutes = shard.minutes.iter().map(|(minute, _)| minute);
        let aside = shard.quarantine_minutes.keys();
        let aside = aside.filter_map(|&minute| Minute::from_since_epoch(minute));
        let mut outside = minutes
            .chain(aside)
            .filter(|minute| !range.contains(&minute.since_epoch()));
        if let Some(minute) = outside.next() {
            mistakes.push(format!(
                "shard {}: it has votes of {}, when the poll took none",
                shard.shard,
                minute.start()
            ));
        }
    }
}

fn check_sealed(sealed: &SealedPoll, poll: &Poll, mistakes: &mut Vec<String>) {
    for difference in changes_since_sealed(sealed, poll) {
        mistakes.push(format!("sealed: it is of another poll: {difference}"));
    }
    if sealed.poll.closes_at != poll.closes_at {
        mistakes.push("sealed: it is of another poll: closes_at differs".to_owned());
    }
}
