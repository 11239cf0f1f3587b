//! The results service's capability: reads tallies, series and ledgers, and writes nothing.

use deadpool_redis::Pool;
use jiff::Timestamp;
use vote_domain::{Poll, PollDefinition, PollId, SealedPoll};

use crate::{
    error::StoreError,
    figures::{self, ShardFigures},
    keys,
};

/// Reads what has been counted.
#[derive(Clone)]
pub struct ResultsReader {
    pool: Pool,
}

impl std::fmt::Debug for ResultsReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResultsReader").finish_non_exhaustive()
    }
}

impl ResultsReader {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// All figures of all shards of `poll`.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read, or holds fields that are not the poll's.
    pub async fn figures(&self, poll: &Poll) -> Result<Vec<ShardFigures>, StoreError> {
        let mut connection = self.pool.get().await?;
        let (seconds, _microseconds): (i64, i64) =
            redis::cmd("TIME").query_async(&mut connection).await?;
        drop(connection);
        let now = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        self.figures_of(&poll.definition, figures::hours(poll, now))
            .await
    }

    /// As [`ResultsReader::figures`], with the minutes of `hours` alone.
    pub(crate) async fn figures_of(
        &self,
        poll: &PollDefinition,
        hours: impl Iterator<Item = i64> + Clone,
    ) -> Result<Vec<ShardFigures>, StoreError> {
        let mut connection = self.pool.get().await?;
        let mut shards = Vec::with_capacity(usize::from(poll.shards()));
        for shard in 0..poll.shards() {
            shards.push(figures::read_shard(&mut connection, poll, shard, hours.clone()).await?);
        }
        Ok(shards)
    }

    /// The sealed result of a poll.
    ///
    /// # Errors
    /// As [`ResultsReader::figures`].
    pub async fn sealed(&self, poll: &PollId) -> Result<Option<SealedPoll>, StoreError> {
        let mut connection = self.pool.get().await?;
        let key = keys::sealed(poll);
        let document: Option<Vec<u8>> = redis::cmd("GET")
            .arg(&key)
            .query_async(&mut connection)
            .await?;
        document
            .map(|json| {
                serde_json::from_slice(&json).map_err(|error| StoreError::Corrupt {
                    key,
                    reason: error.to_string(),
                })
            })
            .transpose()
    }
}
