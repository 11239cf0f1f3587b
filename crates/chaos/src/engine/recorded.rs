//! What is recorded, by candidate: what counts, and what was set aside.

use std::collections::BTreeMap;
use vote_domain::{Fate, Quarantine, QuarantineReason, Tally};

/// What all shards have recorded, over all channels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// What counts.
    pub(crate) tally: Vec<u64>,
    /// What was set aside and not released, by reason.
    pub(crate) set_aside: BTreeMap<QuarantineReason, Vec<u64>>,
}

impl Recorded {
    pub(crate) fn new(candidates: usize) -> Self {
        Self {
            tally: vec![0; candidates],
            set_aside: BTreeMap::new(),
        }
    }

    /// Adds a shard's.
    pub(crate) fn add(&mut self, tally: &Tally, quarantine: &Quarantine) {
        add(&mut self.tally, tally);
        for (fate, reason, votes) in quarantine.rows() {
            if fate == Fate::Released {
                continue;
            }
            let nothing = vec![0; self.tally.len()];
            add(self.set_aside.entry(reason).or_insert(nothing), votes);
        }
    }

    /// All of it, by candidate.
    pub(crate) fn all(&self) -> Vec<u64> {
        let mut all = self.tally.clone();
        for votes in self.set_aside.values() {
            for (sum, votes) in all.iter_mut().zip(votes) {
                *sum += votes;
            }
        }
        all
    }
}

fn add(to: &mut [u64], tally: &Tally) {
    for channel in tally.rows() {
        for (sum, votes) in to.iter_mut().zip(channel) {
            *sum += votes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Recorded;
    use vote_domain::{Fate, Quarantine, QuarantineReason, Tally};

    fn tally(rows: &[[u64; 2]]) -> Tally {
        let rows: Vec<_> = rows.iter().map(|row| row.to_vec()).collect();
        Tally::from_rows(&rows).expect("rows of one length")
    }

    #[test]
    fn what_was_set_aside_is_recorded_and_what_was_released_counts_once() {
        let quarantine = serde_json::json!([
            { "fate": Fate::Undecided, "reason": QuarantineReason::DenyList, "votes": tally(&[[0, 4], [0, 1]]) },
            { "fate": Fate::Released, "reason": QuarantineReason::DenyList, "votes": tally(&[[0, 2], [0, 0]]) },
        ]);
        let quarantine: Quarantine = serde_json::from_value(quarantine).expect("a quarantine");
        let mut recorded = Recorded::new(2);
        for _shard in 0..2 {
            recorded.add(&tally(&[[10, 2], [5, 0]]), &quarantine);
        }
        assert_eq!(recorded.tally, [30, 4]);
        assert_eq!(recorded.set_aside[&QuarantineReason::DenyList], [0, 10]);
        assert_eq!(recorded.all(), [30, 14]);
    }
}
