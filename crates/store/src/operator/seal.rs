//! Sealing: the figures become final, under one digest.

use std::collections::BTreeSet;

use jiff::Timestamp;
use vote_domain::{
    Difference, IllegalTransition, Poll, PollState, SealedPoll, SealedPollError, ShardTotals,
    Transition, WriterId, WriterTotals,
};

use super::{
    PollOperator, SaveError,
    audit::{compare_figures, fence_difference},
    drained::{Undrained, listed, undrained, wait_for_none_but},
};
use crate::{
    error::StoreError,
    fence::{Fence, Over},
    figures::{ShardFigures, WriterLedger},
    keys,
};

/// How many differences an error tells: the audit has them all.
const TOLD: usize = 4;

/// Why a poll was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It is not closed.
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
    /// Its figures do not agree.
    #[error("the figures do not agree, and are not sealed: {0}")]
    Disagree(String),
    /// Shards have another fence than the closed poll, or none. Redis has forgotten it, or has not been told; and
    /// what it may have forgotten with it could not be repaired any more once the shard is sealed.
    #[error(
        "shards have not the fence of the closed poll: {0}. Redis has forgotten it, and perhaps votes with it, which \
         can't be repaired once they are sealed: fence the closed poll again, wait until its writers have repaired what \
         is missing, and seal it then"
    )]
    Unfenced(String),
    /// Writers may still have votes to send that they have accepted.
    #[error("it waits for writers that are not drained: {}", listed(.0))]
    Waiting(Vec<Undrained>),
    /// Writers are to be abandoned that are drained, or that have written nothing.
    #[error("these writers are drained, or have written nothing to the poll, and can't be abandoned: {}", listed(.0))]
    NotWaitedFor(Vec<WriterId>),
    /// An earlier attempt has sealed other figures.
    #[error("an earlier attempt has sealed other figures (sha256 {0}): audit the poll")]
    Other(String),
    /// The result that an earlier attempt has written has been changed since.
    #[error("the result of an earlier attempt is not as it was sealed: {0}")]
    Tampered(#[from] SealedPollError),
    /// The poll was changed after an earlier attempt had written its result, in what may not change then.
    #[error(
        "an earlier attempt has sealed the poll before this was changed: {0}. Change it back, and seal the poll then"
    )]
    Changed(Difference),
    /// The figures can't be sealed.
    #[error(transparent)]
    Figures(#[from] vote_domain::FiguresError),
    /// The new state could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PollOperator {
    /// Seals a closed poll: proves that its figures agree, that Redis knows on every shard that it is closed, and
    /// that no writer has votes left to send, fences every shard for good, reads and proves the figures again,
    /// writes the final result and then the poll's new state. Safe to repeat after a failure half-way: what was
    /// sealed first stays, and so does what was changed since in the poll's document, which gets a later revision
    /// than both.
    ///
    /// `abandoned` are writers that are not waited for, because they are gone: the result names them.
    ///
    /// # Errors
    /// [`SealError::Unfenced`] where Redis has forgotten the closing on a shard, [`SealError::Disagree`] where figures
    /// do not agree, [`SealError::Waiting`] where other writers are not drained. Nothing has been changed then, but
    /// if the figures have ceased to agree since they were fenced.
    pub async fn seal(
        &self,
        poll: &Poll,
        abandoned: &BTreeSet<WriterId>,
        now: Timestamp,
        by: &str,
    ) -> Result<SealedPoll, SealError> {
        let mut next = poll.transition(Transition::Seal, now, by)?;
        let earlier = self.sealed(poll.definition.id()).await?;
        // What does not agree is found while it can still be repaired: a fence is for good.
        let figures = self.figures(&next).await?;
        fenced_as_closed(poll, &figures)?;
        agree(&next, &figures)?;
        // A fence would refuse what they still have to send.
        wait_for_none_but(abandoned, undrained(&next, &figures))?;
        if let Some(earlier) = &earlier {
            proven(earlier, &next)?;
        }
        let least = revision_after(earlier.as_ref(), &figures);
        next.revision = next.revision.max(least);
        self.fence_over(&next, Over::Fence).await?;
        let figures = self.figures(&next).await?;
        let forgotten = figures
            .iter()
            .filter_map(|shard| fence_difference(&next, shard));
        none_of(forgotten.collect()).map_err(SealError::Unfenced)?;
        agree(&next, &figures)?;
        let shards: Vec<ShardTotals> = figures.iter().map(shard_totals).collect();
        let revision = next.revision + figures.iter().map(sequences).sum::<u64>();
        let fresh = SealedPoll::new(next.clone(), shards, abandoned, revision, now, by)?;
        let sealed = self.write_sealed(fresh).await?;
        self.save(&next, poll.revision).await?;
        Ok(sealed)
    }

    /// Makes sure that Redis knows on every shard that `poll` is closed, or that an earlier attempt has sealed the
    /// shard. Where it does not, nobody can say whether votes are missing there, and waiting for writers is in vain.
    ///
    /// # Errors
    /// [`SealError::Unfenced`] where a shard has another fence, or none.
    pub async fn fenced_as_closed(&self, poll: &Poll) -> Result<(), SealError> {
        let shards = self
            .results
            .figures_of(&poll.definition, std::iter::empty())
            .await?;
        fenced_as_closed(poll, &shards)
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
        proven(&written, &fresh.poll)?;
        if written.shards == fresh.shards {
            Ok(written)
        } else {
            Err(SealError::Other(written.sha256))
        }
    }
}

fn agree(poll: &Poll, figures: &[ShardFigures]) -> Result<(), SealError> {
    let mut differences = Vec::new();
    for shard in figures {
        compare_figures(poll, shard, &mut differences);
    }
    none_of(differences).map_err(SealError::Disagree)
}

fn fenced_as_closed(poll: &Poll, figures: &[ShardFigures]) -> Result<(), SealError> {
    let differences = figures
        .iter()
        .filter(|shard| !is_sealed(poll, shard))
        .filter_map(|shard| fence_difference(poll, shard));
    none_of(differences.collect()).map_err(SealError::Unfenced)
}

/// Whether an earlier attempt has sealed the shard, at whatever revision of the poll's document.
fn is_sealed(poll: &Poll, shard: &ShardFigures) -> bool {
    shard.fence.is_some_and(|fence| {
        let sealed = Fence {
            state: PollState::Sealed,
            revision: fence.revision,
            ..Fence::of(poll)
        };
        fence == sealed
    })
}

/// An error that tells the first few differences, where there are any.
fn none_of(differences: Vec<String>) -> Result<(), String> {
    let more = differences.len().saturating_sub(TOLD);
    if differences.is_empty() {
        return Ok(());
    }
    let mut told = differences;
    told.truncate(TOLD);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    Err(told.join("; "))
}

/// The least revision at which an earlier attempt can be completed: no fence goes back, and the result's own
/// revision is that of another document.
fn revision_after(earlier: Option<&SealedPoll>, figures: &[ShardFigures]) -> u64 {
    let result = earlier.map(|earlier| earlier.poll.revision.saturating_add(1));
    let fences = figures.iter().filter_map(|shard| shard.fence);
    let revisions = fences.map(|fence| fence.revision).chain(result);
    revisions.max().unwrap_or(0)
}

/// Whether a result that is there is as it was sealed, and is that of `poll`.
fn proven(sealed: &SealedPoll, poll: &Poll) -> Result<(), SealError> {
    sealed.verify()?;
    let definition = &sealed.poll.definition;
    let mut differences = definition.differences(&poll.definition).into_iter();
    // All that may change in a sealed poll.
    match differences.find(|difference| difference.field != "visibility") {
        Some(difference) => Err(SealError::Changed(difference)),
        None => Ok(()),
    }
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
