//! What is left of a batch that was sent again.

use super::replay_log::Acknowledged;
use crate::commit::batch::Batch;
use crate::commit::outcome::Verdict;

/// What is left of a batch that was sent again.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::commit) struct Remains {
    /// Without the votes that can't be recorded any more.
    pub(in crate::commit) batch: Batch,
    /// The votes that the ledger has of it: without those that another batch had recorded before.
    pub(in crate::commit) counted: u64,
    /// The votes that can't be recorded any more.
    pub(in crate::commit) refused: u64,
}

impl Remains {
    /// Of a batch that was applied, by the verdicts of its checked votes.
    pub(in crate::commit) fn after(mut batch: Batch, verdicts: &[Verdict]) -> Self {
        let votes = batch.votes();
        let elsewhere = verdicts.iter().filter(|v| **v == Verdict::Duplicate(()));
        let elsewhere = elsewhere.count() as u64;
        let mut verdicts = verdicts.iter();
        batch.checked.retain(|_| {
            matches!(
                verdicts.next(),
                Some(Verdict::Accepted(()) | Verdict::Duplicate(())) | None
            )
        });
        let left = batch.votes();
        Self {
            batch,
            counted: left - elsewhere,
            refused: votes - left,
        }
    }

    /// Of a batch whose sequence is taken, with nothing recorded.
    pub(in crate::commit) fn nothing(batch: &Batch) -> Self {
        Self {
            refused: batch.votes(),
            counted: 0,
            batch: Batch::starting(batch.earliest_ms),
        }
    }

    /// Of a batch that is on record as an earlier writer's: nothing is to be sent again.
    pub(in crate::commit) fn elsewhere(batch: &Batch) -> Self {
        Self {
            refused: 0,
            ..Self::nothing(batch)
        }
    }

    /// Of a batch that is there as it was.
    pub(in crate::commit) fn all(acknowledged: &Acknowledged) -> Self {
        Self {
            batch: acknowledged.batch.clone(),
            counted: acknowledged.counted,
            refused: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::batch::CheckedVote;

    fn batch() -> Batch {
        let mut batch = Batch::starting(60_000);
        batch.add_plain(0, 0, 10);
        batch.checked = (0..4)
            .map(|candidate| CheckedVote {
                channel: 0,
                candidate,
                key: None,
                voter: None,
                is_withdrawn: false,
                quarantine: None,
            })
            .collect();
        batch
    }

    #[test]
    fn votes_that_another_batch_has_recorded_stay_and_are_not_counted_here() {
        let verdicts = [
            Verdict::Accepted(()),
            Verdict::Duplicate(()),
            Verdict::Mismatch,
            Verdict::LimitReached,
        ];
        let remains = Remains::after(batch(), &verdicts);
        assert_eq!(remains.batch.votes(), 12);
        assert_eq!((remains.counted, remains.refused), (11, 2));
    }

    #[test]
    fn a_taken_sequence_leaves_nothing_and_an_earlier_writers_batch_loses_nothing() {
        let (nothing, elsewhere) = (Remains::nothing(&batch()), Remains::elsewhere(&batch()));
        assert_eq!((nothing.counted, nothing.refused), (0, 14));
        assert_eq!((elsewhere.counted, elsewhere.refused), (0, 0));
        assert_eq!((nothing.batch.votes(), nothing.batch.minute), (0, 1));
    }
}
