//! Sealing: the figures become final, under one digest.

use std::collections::BTreeSet;

use jiff::Timestamp;
use vote_domain::{
    IllegalTransition, Poll, SealedPoll, ShardTotals, Transition, WriterId, WriterTotals,
};

use super::{
    PollOperator, SaveError,
    drained::{Undrained, listed, undrained, wait_for_none_but},
};
use crate::{
    error::StoreError,
    figures::{ShardFigures, WriterLedger},
    keys,
};

/// Why a poll was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It is not closed.
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
    /// Its figures do not agree.
    #[error("the figures do not agree, and are not sealed: {0}")]
    Disagree(String),
    /// Writers may still have votes to send that they have accepted.
    #[error("it waits for writers that are not drained: {}", listed(.0))]
    Waiting(Vec<Undrained>),
    /// Writers are to be abandoned that are drained, or that have written nothing.
    #[error("these writers are drained, or have written nothing to the poll, and can't be abandoned: {}", listed(.0))]
    NotWaitedFor(Vec<WriterId>),
    /// An earlier attempt has sealed other figures.
    #[error("an earlier attempt has sealed other figures (sha256 {0}): audit the poll")]
    Other(String),
    /// The figures can't be sealed.
    #[error(transparent)]
    Figures(#[from] vote_domain::SealError),
    /// The new state could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PollOperator {
    /// Seals a closed poll: proves that its figures agree and that no writer has votes left to send, fences
    /// every shard for good, reads and proves the figures again, writes the final result and then the poll's
    /// new state. Safe to repeat after a failure half-way: what was sealed first stays.
    ///
    /// `abandoned` are writers that are not waited for, because they are gone: the result names them.
    ///
    /// # Errors
    /// [`SealError::Waiting`] where other writers are not drained; nothing has been changed then.
    pub async fn seal(
        &self,
        poll: &Poll,
        abandoned: &BTreeSet<WriterId>,
        now: Timestamp,
        by: &str,
    ) -> Result<SealedPoll, SealError> {
        let next = poll.transition(Transition::Seal, now, by)?;
        // What does not agree is found while it can still be repaired: a fence is for good.
        let figures = self.figures(&next).await?;
        agree(&figures)?;
        // A fence would refuse what they still have to send.
        wait_for_none_but(abandoned, undrained(&next, &figures))?;
        self.fence(&next).await?;
        let figures = self.figures(&next).await?;
        agree(&figures)?;
        let shards: Vec<ShardTotals> = figures.iter().map(shard_totals).collect();
        let revision = next.revision + figures.iter().map(sequences).sum::<u64>();
        let fresh = SealedPoll::new(next, shards, abandoned, revision, now, by)?;
        let sealed = self.write_sealed(fresh).await?;
        self.save(&sealed.poll, poll.revision).await?;
        Ok(sealed)
    }

    /// Writes the final result if there is none; gives back the one that is there.
    pub(super) async fn put_sealed(&self, sealed: &SealedPoll) -> Result<SealedPoll, StoreError> {
        let id = sealed.poll.definition.id();
        let key = keys::sealed(id);
        let document = serde_json::to_string(sealed).map_err(|error| StoreError::Corrupt {
            key: key.clone(),
            reason: error.to_string(),
        })?;
        let mut command = redis::cmd("SET");
        command.arg(&key).arg(document).arg("NX");
        self.nodes.query::<redis::Value>(&key, &command).await?;
        self.sealed(id).await?.ok_or_else(|| StoreError::Corrupt {
            key,
            reason: "it was written and is not there".to_owned(),
        })
    }

    /// Writes the final result if there is none, or none with other figures.
    async fn write_sealed(&self, fresh: SealedPoll) -> Result<SealedPoll, SealError> {
        let written = self.put_sealed(&fresh).await?;
        if written.shards == fresh.shards {
            Ok(written)
        } else {
            Err(SealError::Other(written.sha256))
        }
    }
}

fn agree(figures: &[ShardFigures]) -> Result<(), SealError> {
    for shard in figures {
        let (tally, minutes, ledger) = (
            shard.tally.total(),
            shard.minutes.total(),
            shard.ledger_total(),
        );
        if tally != minutes || tally != ledger {
            return Err(SealError::Disagree(format!(
                "shard {}: tally {tally}, minutes {minutes}, ledger {ledger}",
                shard.shard
            )));
        }
    }
    Ok(())
}

fn sequences(shard: &ShardFigures) -> u64 {
    shard
        .writers
        .values()
        .map(|writer| writer.last_sequence)
        .sum()
}

/// A shard's figures in the form in which they are sealed.
pub(super) fn shard_totals(shard: &ShardFigures) -> ShardTotals {
    ShardTotals {
        shard: shard.shard,
        tally: shard.tally.clone(),
        late: shard.late.clone(),
        writers: shard
            .writers
            .iter()
            .map(
                |(
                    writer,
                    WriterLedger {
                        last_sequence,
                        votes,
                        drained: _,
                    },
                )| WriterTotals {
                    writer: *writer,
                    last_sequence: *last_sequence,
                    votes: *votes,
                },
            )
            .collect(),
    }
}
