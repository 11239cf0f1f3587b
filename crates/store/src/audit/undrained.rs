//! The writers that sealing waits for: those that have not said yet that all they had accepted is recorded.

use serde::Serialize;
use vote_domain::{Poll, WriterId};

use crate::figures::ShardFigures;

/// A writer of one shard that is not drained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, derive_more::Display)]
#[display("shard {shard}: writer {writer} (last batch {last_sequence}, {votes} votes)")]
pub struct Undrained {
    /// The shard.
    pub shard: u16,
    /// The writer.
    pub writer: WriterId,
    /// The sequence of its last batch on record.
    pub last_sequence: u64,
    /// Its votes on record.
    pub votes: u64,
}

/// The writers of a closed poll that are not drained, by shard.
pub(crate) fn undrained(poll: &Poll, shards: &[ShardFigures]) -> Vec<Undrained> {
    let closes_at_ms = poll.closes_at.as_millisecond();
    let mut undrained = Vec::new();
    for shard in shards {
        for (writer, ledger) in &shard.writers {
            if !ledger.is_drained(closes_at_ms) {
                undrained.push(Undrained {
                    shard: shard.shard,
                    writer: *writer,
                    last_sequence: ledger.last_sequence,
                    votes: ledger.votes,
                });
            }
        }
    }
    undrained
}
