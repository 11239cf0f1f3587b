//! The sums that a backup names.

use serde::{Deserialize, Serialize};

use crate::figures::ShardFigures;

/// The sums of all shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Votes in the tallies.
    pub votes: u128,
    /// Votes that came too late.
    pub late: u128,
    /// Entries of writers in the ledgers: a process has one in each shard that it wrote to.
    pub writers: u64,
}

impl Totals {
    pub(super) fn of(shards: &[ShardFigures]) -> Self {
        Self {
            votes: shards.iter().map(|shard| shard.tally.total()).sum(),
            late: shards.iter().map(|shard| shard.late.total()).sum(),
            writers: shards.iter().map(|shard| shard.writers.len() as u64).sum(),
        }
    }
}
