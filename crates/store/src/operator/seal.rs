//! Sealing: the figures become final, under one digest.

use std::collections::BTreeSet;

use jiff::Timestamp;
use redis::Value;
use vote_domain::{
    Difference, Fate, IllegalTransition, Poll, PollState, Reason, SealedPoll, SealedPollError,
    ShardTotals, Transition, WriterId,
};

use super::other_annulments::OtherAnnulments;
use super::poll_operator::PollOperator;
use super::save::{SaveError, Written};
use crate::audit::compare::{changes_since_sealed, fence_difference, figure_differences};
use crate::audit::{Undrained, undrained};
use crate::error::StoreError;
use crate::fence::{Fence, FenceWrite};
use crate::figures::{self, ShardFigures};
use crate::keys;
use crate::nodes::Unconfirmed;
use crate::script::PUT_SEALED;

/// How many differences an error tells: the audit has them all.
const TOLD: usize = 4;

/// Why a poll was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
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
    /// Votes were set aside as suspect, and nobody has decided whether they count.
    #[error("{0} votes are in quarantine, and nobody has decided of them")]
    Undecided(u128),
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
    /// Votes were annulled, or annulments taken back, after an earlier attempt had written its result.
    #[error("an earlier attempt has sealed the poll with other annulments: {0}")]
    OtherAnnulments(OtherAnnulments),
    /// The figures can't be sealed.
    #[error(transparent)]
    Figures(#[from] vote_domain::FiguresError),
    /// No replica has the fences yet: a failover now would take votes again that the result would lack. It is not written.
    #[error(
        "the shards are sealed, and no replica has that yet, so the result is not written: {}. Repeat the command when the \
         replicas have caught up",
        listed(.0)
    )]
    Unconfirmed(Vec<Unconfirmed>),
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
    /// writes the sealed result and then the poll's new state. Safe to repeat after a failure half-way: what was
    /// sealed first stays, and so does what was changed since in the poll's document, which gets a later revision
    /// than both.
    ///
    /// `abandoned` are writers that are not waited for, because they are gone: the result names them.
    ///
    /// # Errors
    /// [`SealingError::Unfenced`] where Redis has forgotten the closing on a shard, [`SealingError::Disagree`] where figures
    /// do not agree, [`SealingError::Waiting`] where other writers are not drained, [`SealingError::Undecided`] where votes are in quarantine. Nothing has been changed then, but
    /// if the figures have ceased to agree since they were fenced.
    pub async fn seal(
        &self,
        poll: &Poll,
        abandoned: &BTreeSet<WriterId>,
        now: Timestamp,
        by: &str,
    ) -> Result<SealedPoll, SealingError> {
        let sealed = self.seal_because(poll, abandoned, None, now, by).await;
        sealed.map(|(sealed, _)| sealed)
    }

    /// As [`PollOperator::seal`]; the poll's log, and with it the sealed result, says why.
    ///
    /// # Errors
    /// As [`PollOperator::seal`].
    pub async fn seal_because(
        &self,
        poll: &Poll,
        abandoned: &BTreeSet<WriterId>,
        reason: Option<Reason>,
        now: Timestamp,
        by: &str,
    ) -> Result<(SealedPoll, Written), SealingError> {
        let next = poll.transition(Transition::Seal, now, by)?;
        let mut next = next.because(reason);
        let earlier = self.sealed(poll.definition.id()).await?;
        // What does not agree is found while it can still be repaired: a fence is for good.
        let figures = self.figures(&next).await?;
        fenced_as_closed(poll, &figures)?;
        agree(&next, &figures)?;
        // A fence would refuse what they still have to send.
        wait_for_none_but(abandoned, undrained(&next, &figures))?;
        // As long as it can be done: one that comes in spite of that is in the result as it is, outside of all figures.
        if !figures.iter().any(|shard| is_sealed(poll, shard)) {
            all_decided(&figures)?;
        }
        if let Some(earlier) = &earlier {
            proven(earlier, &next)?;
        }
        let least = revision_after(earlier.as_ref(), &figures);
        next.revision = next.revision.max(least);
        let fenced = self.write_fences(&next, FenceWrite::Replace).await?;
        confirmed(fenced)?;
        let figures = self.figures(&next).await?;
        let forgotten = figures
            .iter()
            .filter_map(|shard| fence_difference(&next, shard));
        let forgotten: Vec<String> = forgotten.collect();
        if !forgotten.is_empty() {
            // Not forgotten, where the poll was declared void meanwhile.
            self.not_changed(poll).await?;
        }
        none_of(forgotten).map_err(SealingError::Unfenced)?;
        agree(&next, &figures)?;
        let totals = figures.iter().map(|shard| shard.totals(&next));
        let shards = totals.collect::<Result<Vec<ShardTotals>, _>>();
        let shards = shards.map_err(vote_domain::FiguresError::from)?;
        let revision = next.revision + figures.iter().map(ShardFigures::sequences).sum::<u64>();
        let fresh = SealedPoll::new(next.clone(), shards, abandoned, revision, now, by)?;
        self.not_changed(poll).await?;
        let sealed = self.write_sealed(fresh).await?;
        let written = self.save(&next, poll.revision).await?;
        Ok((sealed, written))
    }

    /// Makes sure that Redis knows on every shard that `poll` is closed, or that an earlier attempt has sealed the
    /// shard. Where it does not, nobody can say whether votes are missing there, and waiting for writers is in vain.
    ///
    /// # Errors
    /// [`SealingError::Unfenced`] where a shard has another fence, or none.
    pub async fn fenced_as_closed(&self, poll: &Poll) -> Result<(), SealingError> {
        let shards = figures::read::without_minutes(&self.nodes, poll).await?;
        fenced_as_closed(poll, &shards)
    }

    /// Writes the sealed result if there is none; gives back the one that is there.
    pub(super) async fn put_sealed(&self, sealed: &SealedPoll) -> Result<SealedPoll, StoreError> {
        let id = sealed.poll.definition.id();
        let key = keys::sealed(id);
        let document =
            serde_json::to_string(sealed).map_err(|error| StoreError::corrupt(&key, &error))?;
        let mut command = PUT_SEALED.command(1);
        command.arg(&key).arg(document);
        self.nodes.run::<Value>(&PUT_SEALED, &key, &command).await?;
        let written = self.sealed(id).await?;
        written.ok_or_else(|| StoreError::corrupt(&key, "it was written and is not there"))
    }

    /// Makes sure that the poll's document is the one that is sealed. Who has changed it before its fences were sealed was told
    /// that it is done, so the result has to have it: it is not written, and the next attempt is of the poll as it is then. Who
    /// changes it later is told of the fences.
    async fn not_changed(&self, poll: &Poll) -> Result<(), SaveError> {
        let there = self.get(poll.definition.id()).await?;
        let found_revision = there.map_or(0, |there| there.revision);
        if found_revision == poll.revision {
            return Ok(());
        }
        Err(SaveError::Conflict {
            expected_revision: poll.revision,
            found_revision,
        })
    }

    /// Writes the sealed result if there is none; one with other figures is an error.
    async fn write_sealed(&self, fresh: SealedPoll) -> Result<SealedPoll, SealingError> {
        let written = self.put_sealed(&fresh).await?;
        proven(&written, &fresh.poll)?;
        if written.shards == fresh.shards {
            return Ok(written);
        }
        Err(SealingError::Other(written.sha256))
    }
}

/// Whether the fences are on replicas, as far as anybody may ask.
fn confirmed(fenced: Written) -> Result<(), SealingError> {
    let mut missing = fenced.unconfirmed;
    missing.retain(|one| one.may_pass);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(SealingError::Unconfirmed(missing))
    }
}

fn agree(poll: &Poll, figures: &[ShardFigures]) -> Result<(), SealingError> {
    let differences = figures
        .iter()
        .flat_map(|shard| figure_differences(poll, shard));
    none_of(differences.collect()).map_err(SealingError::Disagree)
}

fn fenced_as_closed(poll: &Poll, figures: &[ShardFigures]) -> Result<(), SealingError> {
    let differences = figures
        .iter()
        .filter(|shard| !is_sealed(poll, shard))
        .filter_map(|shard| fence_difference(poll, shard));
    none_of(differences.collect()).map_err(SealingError::Unfenced)
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
fn none_of(mut differences: Vec<String>) -> Result<(), String> {
    let more = differences.len().saturating_sub(TOLD);
    differences.truncate(TOLD);
    if more > 0 {
        differences.push(format!("and {more} more"));
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences.join("; "))
    }
}

/// The least revision at which an earlier attempt can be completed: no fence goes back, and the result's own
/// revision is that of another document.
fn revision_after(earlier: Option<&SealedPoll>, figures: &[ShardFigures]) -> u64 {
    let result = earlier.map(|earlier| earlier.poll.revision.saturating_add(1));
    let fences = figures.iter().filter_map(|shard| shard.fence);
    let revisions = fences.map(|fence| fence.revision).chain(result);
    revisions.max().unwrap_or(0)
}

/// Whether a result that is there is as it was sealed, and is that of `poll`, with the same votes annulled.
fn proven(sealed: &SealedPoll, poll: &Poll) -> Result<(), SealingError> {
    sealed.verify()?;
    if let Some(other) = OtherAnnulments::between(&sealed.poll, poll) {
        return Err(SealingError::OtherAnnulments(other));
    }
    match changes_since_sealed(sealed, poll).next() {
        Some(difference) => Err(SealingError::Changed(difference)),
        None => Ok(()),
    }
}

/// Whether it is decided of all votes that were set aside.
fn all_decided(figures: &[ShardFigures]) -> Result<(), SealingError> {
    let undecided = figures
        .iter()
        .map(|shard| shard.quarantine.total(Fate::Undecided));
    match undecided.sum() {
        0 => Ok(()),
        votes => Err(SealingError::Undecided(votes)),
    }
}

/// Whether nobody is waited for but those that are abandoned, and those are waited for indeed.
fn wait_for_none_but(
    abandoned: &BTreeSet<WriterId>,
    mut undrained: Vec<Undrained>,
) -> Result<(), SealingError> {
    let is_waited_for = |writer: WriterId| undrained.iter().any(|one| one.writer == writer);
    let mut strangers: Vec<WriterId> = abandoned.iter().copied().collect();
    strangers.retain(|writer| !is_waited_for(*writer));
    if !strangers.is_empty() {
        return Err(SealingError::NotWaitedFor(strangers));
    }
    undrained.retain(|one| !abandoned.contains(&one.writer));
    if undrained.is_empty() {
        Ok(())
    } else {
        Err(SealingError::Waiting(undrained))
    }
}

/// Several things in one line.
fn listed<T: ToString>(things: &[T]) -> String {
    let texts: Vec<String> = things.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
