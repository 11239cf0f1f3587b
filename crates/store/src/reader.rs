//! The results service's capability: reads tallies, series and ledgers, and writes nothing.

use std::ops::RangeInclusive;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use vote_domain::{Poll, PollDefinition, PollId, SealedPoll};

use crate::{
    error::StoreError,
    figures::{self, ShardFigures},
    keys,
    nodes::Nodes,
};

/// Shards that are read at the same time: they may be on servers of their own, and one that answers
/// late need not keep the others.
const SHARDS_AT_ONCE: usize = 8;

/// Reads what has been counted.
#[derive(Clone)]
pub struct ResultsReader {
    nodes: Nodes,
}

impl std::fmt::Debug for ResultsReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResultsReader").finish_non_exhaustive()
    }
}

impl ResultsReader {
    pub(crate) fn new(nodes: Nodes) -> Self {
        Self { nodes }
    }

    /// All figures of all shards of `poll`.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read, or holds fields that are not the poll's.
    pub async fn figures(&self, poll: &Poll) -> Result<Vec<ShardFigures>, StoreError> {
        let hours = self.hours(poll).await?;
        self.figures_of(&poll.definition, hours).await
    }

    /// The hours that can have votes by the clock of Redis.
    pub(crate) async fn hours(&self, poll: &Poll) -> Result<RangeInclusive<i64>, StoreError> {
        let key = keys::poll(poll.definition.id());
        let (seconds, _microseconds): (i64, i64) =
            self.nodes.query(&key, &redis::cmd("TIME")).await?;
        let now = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        Ok(figures::hours(poll, now))
    }

    /// As [`ResultsReader::figures`], with the minutes of `hours` alone.
    pub(crate) async fn figures_of(
        &self,
        poll: &PollDefinition,
        hours: impl Iterator<Item = i64> + Clone,
    ) -> Result<Vec<ShardFigures>, StoreError> {
        let mut shards: Vec<ShardFigures> = stream::iter(0..poll.shards())
            .map(|shard| figures::read_shard(&self.nodes, poll, shard, hours.clone()))
            .buffer_unordered(SHARDS_AT_ONCE)
            .try_collect()
            .await?;
        shards.sort_unstable_by_key(|shard| shard.shard);
        Ok(shards)
    }

    /// The sealed result of a poll.
    ///
    /// # Errors
    /// As [`ResultsReader::figures`].
    pub async fn sealed(&self, poll: &PollId) -> Result<Option<SealedPoll>, StoreError> {
        self.nodes.document(&keys::sealed(poll)).await
    }
}
