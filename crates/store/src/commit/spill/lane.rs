//! What lanes leave behind.

use std::time::Duration;

use vote_domain::{PollId, WriterId};

use crate::commit::batch::{Batch, Origin};
use crate::commit::books::Acknowledged;
use crate::commit::remembered::window_ms;

/// All that the lanes of a process have left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spill {
    pub(super) lanes: Vec<SpilledLane>,
    /// For how long keys were remembered.
    pub(super) key_window_ms: i64,
}

/// The accepted votes of one writer on one shard, as far as its process had retained them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpilledLane {
    /// The poll.
    pub poll: PollId,
    /// Its shard.
    pub shard: u16,
    /// Who had sent them.
    pub writer: WriterId,
    /// The sequence of the last batch that was accepted of it.
    pub last_sequence: u64,
    /// Redis had said at last that it has the writer only up to here; `None`: it had said nothing.
    pub redis_last: Option<u64>,
    /// The writers that the lane had started over from, and whose end Redis may not know.
    pub predecessors: Vec<WriterId>,
    /// The fields of the poll's tally, `<channel>/<candidate>`, as its batches count them: channel by channel.
    pub(in crate::commit) fields: Vec<String>,
    /// How many of them a channel has.
    pub(in crate::commit) candidates: usize,
    /// In order, without a sequence left out.
    pub(in crate::commit) batches: Vec<SpilledBatch>,
}

/// An accepted batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commit) struct SpilledBatch {
    pub(in crate::commit) sequence: u64,
    /// Without the votes that were refused.
    pub(in crate::commit) batch: Batch,
    /// The votes that the ledger should have of it.
    pub(in crate::commit) counted: u64,
    /// As what else it may be on record.
    pub(in crate::commit) origins: Vec<Origin>,
}

impl From<Acknowledged> for SpilledBatch {
    fn from(acknowledged: Acknowledged) -> Self {
        Self {
            sequence: acknowledged.sequence,
            batch: acknowledged.batch,
            counted: acknowledged.counted,
            origins: acknowledged.origins,
        }
    }
}

impl SpilledLane {
    /// The accepted votes that Redis may not have.
    #[must_use]
    pub fn votes(&self) -> u64 {
        let after = self.redis_last.unwrap_or(0);
        let batches = self.batches.iter();
        let missing = batches.filter(|batch| batch.sequence > after);
        missing.fold(0, |sum, batch| sum.saturating_add(batch.counted))
    }

    /// All retained batches: those that Redis may have as well.
    #[must_use]
    pub const fn batches(&self) -> usize {
        self.batches.len()
    }

    /// Whether Redis had said that it does not have them.
    #[must_use]
    pub const fn is_certain(&self) -> bool {
        self.redis_last.is_some()
    }
}

impl Spill {
    /// Of these lanes, whose keys are remembered for `key_window`.
    pub(crate) fn new(lanes: Vec<SpilledLane>, key_window: Duration) -> Self {
        Self {
            lanes,
            key_window_ms: window_ms(key_window),
        }
    }

    /// Whether there is nothing in it: Redis has all that was accepted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// The accepted votes that Redis may not have.
    #[must_use]
    pub fn votes(&self) -> u64 {
        let lanes = self.lanes.iter();
        lanes.fold(0, |sum, lane| sum.saturating_add(lane.votes()))
    }

    pub(crate) const fn key_window_ms(&self) -> i64 {
        self.key_window_ms
    }

    /// What each writer has left, shard by shard.
    #[must_use]
    pub fn lanes(&self) -> &[SpilledLane] {
        &self.lanes
    }
}
