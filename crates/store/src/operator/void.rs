//! Declaring a poll void, also one whose sealing was begun and has ended half-way.

use vote_domain::{Poll, PollState};

use super::poll_operator::PollOperator;
use super::save::{SaveError, Written};
use crate::error::StoreError;
use crate::fence::{self, Fence};
use crate::keys::ShardKeys;

impl PollOperator {
    /// Saves a poll that was declared void, changed from `previous_revision`; or completes that, where `next` is at that
    /// revision. Gives the poll as it is then.
    ///
    /// The document decides between this and a sealing: each of the two replaces it, and only one can. So all shards follow
    /// the document, those too that a sealing has sealed before it lost or ended; and a result that it has written counts for
    /// nothing ([`PollOperator::sealed_of`]). No shard follows an older revision: the poll gets one above all of theirs, for
    /// a shard may know of a change that its document has lost.
    ///
    /// # Errors
    /// As [`PollOperator::save`]. [`SaveError::Fence`] where a sealing that had begun earlier has raised a shard's revision
    /// meanwhile; repeated, this is completed.
    pub async fn void(
        &self,
        next: &Poll,
        previous_revision: u64,
    ) -> Result<(Poll, Written), SaveError> {
        let mut next = next.clone();
        next.revision = next.revision.max(self.revision_above_shards(&next).await?);
        let written = if next.revision == previous_revision {
            self.fence(&next).await?
        } else {
            self.save(&next, previous_revision).await?
        };
        Ok((next, written))
    }

    /// Whether a sealing has sealed shards of a poll that is not sealed: it runs, or has ended half-way.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read.
    pub async fn is_half_sealed(&self, poll: &Poll) -> Result<bool, StoreError> {
        let fences = self.fences(poll).await?;
        let is_any_sealed = fences.iter().any(|fence| fence.state == PollState::Sealed);
        Ok(is_any_sealed && poll.state != PollState::Sealed)
    }

    /// The least revision at which every shard takes a void poll. It is above those of other states: one of these may be that
    /// of another document, which somebody has seen.
    async fn revision_above_shards(&self, poll: &Poll) -> Result<u64, StoreError> {
        let fences = self.fences(poll).await?;
        let least = fences.iter().map(|fence| match fence.state {
            PollState::Void => fence.revision,
            _ => fence.revision.saturating_add(1),
        });
        Ok(least.max().unwrap_or(0))
    }

    /// The fences of those shards that have one.
    async fn fences(&self, poll: &Poll) -> Result<Vec<Fence>, StoreError> {
        let id = poll.definition.id();
        let mut fences = Vec::new();
        for shard in 0..poll.definition.shards() {
            fences.extend(fence::read(&self.nodes, &ShardKeys::new(id, shard)).await?);
        }
        Ok(fences)
    }
}
