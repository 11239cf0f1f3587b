//! What must hold in a backup, whoever wrote it: the poll's audit, and that Redis could have held it.

use vote_domain::{PollState, SealedPoll};

use super::{Backup, totals};
use crate::{figures, operator::audit_report};

/// Up to here `commit.lua` counts exactly (its numbers are doubles).
const LARGEST: u64 = 1 << 53;

impl Backup {
    /// All that does not agree.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let shards = self.poll.definition.shards();
        if !self.shards.iter().map(|shard| shard.shard).eq(0..shards) {
            mistakes.push(format!(
                "shards: the poll has {shards}, they must be there once each, in order"
            ));
            return mistakes;
        }
        let found = totals(&self.shards);
        if self.totals != found {
            mistakes.push(format!(
                "totals: they are {:?}, the shards make {found:?}",
                self.totals
            ));
        }
        self.check_sizes(&mut mistakes);
        self.check_hours(&mut mistakes);
        match (&self.sealed, self.poll.state) {
            (Some(sealed), PollState::Sealed) => self.check_sealed(sealed, &mut mistakes),
            (Some(_), state) => {
                mistakes.push(format!(
                    "sealed: a poll that is {state} has no sealed result"
                ));
            }
            (None, _) => {}
        }
        // The shards' places are right, and with them those of the sealed result.
        mistakes.extend(audit_report(&self.poll, &self.shards, self.sealed.as_ref()).differences);
        mistakes
    }

    fn check_sizes(&self, mistakes: &mut Vec<String>) {
        let mut revision = u128::from(self.poll.revision);
        for shard in &self.shards {
            let number = shard.shard;
            for (name, total) in [
                ("tally", shard.tally.total()),
                ("late", shard.late.total()),
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
        if self.poll.revision == 0 || revision > u128::from(LARGEST) {
            mistakes.push(format!(
                "the poll's revision {} and the writers' sequences make {revision}: must be from 1 to {LARGEST}",
                self.poll.revision
            ));
        }
    }

    /// Minutes elsewhere would be written and never read.
    fn check_hours(&self, mistakes: &mut Vec<String>) {
        let hours = figures::hours(&self.poll, jiff::Timestamp::MAX);
        for shard in &self.shards {
            let minutes = shard.minutes.iter().map(|(minute, _)| minute);
            let mut outside = minutes.filter(|minute| !hours.contains(&minute.hour()));
            if let Some(minute) = outside.next() {
                mistakes.push(format!(
                    "shard {}: it has votes of {}, when the poll took none",
                    shard.shard,
                    minute.start()
                ));
            }
        }
    }

    fn check_sealed(&self, sealed: &SealedPoll, mistakes: &mut Vec<String>) {
        let differences = sealed.poll.definition.differences(&self.poll.definition);
        // All that may change in a sealed poll.
        for difference in differences
            .iter()
            .filter(|difference| difference.field != "visibility")
        {
            mistakes.push(format!("sealed: it is of another poll: {difference}"));
        }
        if sealed.poll.closes_at != self.poll.closes_at {
            mistakes.push("sealed: it is of another poll: closes_at differs".to_owned());
        }
    }
}
