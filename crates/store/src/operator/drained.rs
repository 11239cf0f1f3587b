//! The writers that sealing waits for: those that have not said yet that all they had accepted is recorded.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;
use vote_domain::{Poll, WriterId};

use super::{PollOperator, SealError};
use crate::{error::StoreError, figures::ShardFigures};

/// A writer of one shard that is not drained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

impl fmt::Display for Undrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            shard,
            writer,
            last_sequence,
            votes,
        } = self;
        write!(
            f,
            "shard {shard}: writer {writer} (last batch {last_sequence}, {votes} votes)"
        )
    }
}

impl PollOperator {
    /// The writers of a closed poll that are not drained, by shard.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read.
    pub async fn undrained(&self, poll: &Poll) -> Result<Vec<Undrained>, StoreError> {
        let shards = self
            .results
            .figures_of(&poll.definition, std::iter::empty())
            .await?;
        Ok(undrained(poll, &shards))
    }
}

pub(super) fn undrained(poll: &Poll, shards: &[ShardFigures]) -> Vec<Undrained> {
    let closes_at_ms = poll.closes_at.as_millisecond();
    let of_shard = |shard: &ShardFigures| {
        let number = shard.shard;
        let writers = shard.writers.clone().into_iter();
        writers
            .filter(|(_, ledger)| !ledger.is_drained(closes_at_ms))
            .map(move |(writer, ledger)| Undrained {
                shard: number,
                writer,
                last_sequence: ledger.last_sequence,
                votes: ledger.votes,
            })
    };
    shards.iter().flat_map(of_shard).collect()
}

/// Whether nobody is waited for but those that are abandoned, and those are waited for indeed.
pub(super) fn wait_for_none_but(
    abandoned: &BTreeSet<WriterId>,
    undrained: Vec<Undrained>,
) -> Result<(), SealError> {
    let strangers: Vec<WriterId> = abandoned
        .iter()
        .filter(|writer| !undrained.iter().any(|one| one.writer == **writer))
        .copied()
        .collect();
    if !strangers.is_empty() {
        return Err(SealError::NotWaitedFor(strangers));
    }
    let waiting: Vec<Undrained> = undrained
        .into_iter()
        .filter(|one| !abandoned.contains(&one.writer))
        .collect();
    if waiting.is_empty() {
        Ok(())
    } else {
        Err(SealError::Waiting(waiting))
    }
}

/// Several things in one line.
pub(super) fn listed<T: ToString>(things: &[T]) -> String {
    let texts: Vec<String> = things.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
