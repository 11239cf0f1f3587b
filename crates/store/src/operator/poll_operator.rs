//! What the operator can see of polls.

use std::sync::Arc;

use jiff::Timestamp;
use redis::Cmd;
use vote_domain::{
    HeldFigures, Poll, PollId, PollState, ReceiptKey, SealedPoll, WriterId, standing,
};

use super::counted::Counted;
use crate::audit::{AuditReport, Undrained, audit_report, undrained};
use crate::error::StoreError;
use crate::fields;
use crate::figures::whole::WholeShards;
use crate::figures::{self, Progress, ShardFigures};
use crate::keys::{self, ShardKeys};
use crate::nodes::Nodes;
use crate::polls::{documents, receipt_key};

/// Changes polls, seals and audits them. The services have no such thing.
#[derive(Clone, derive_more::Debug)]
pub struct PollOperator {
    pub(super) nodes: Nodes,
    #[debug(skip)]
    progress: Arc<Progress>,
}

/// An entry of the list of polls.
#[derive(Debug)]
pub struct ListedPoll {
    /// The entry as it stands there; what is not text in it is escaped.
    pub id: String,
    /// The poll, or why it can't be read: it is gone, or damaged, or of a later version, or the entry is no id.
    pub poll: Result<Poll, StoreError>,
}

impl PollOperator {
    pub(crate) fn new(nodes: Nodes) -> Self {
        let progress = Arc::new(|_, _| {});
        Self { nodes, progress }
    }

    /// The same, which tells of each reading of figures how many of how many minutes (of all shards) are read: a poll of a
    /// year takes a while, for Redis has votes to record meanwhile.
    #[must_use]
    pub fn telling(self, progress: Arc<Progress>) -> Self {
        Self { progress, ..self }
    }

    /// All polls, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`] where Redis, or a poll's document, can't be read.
    pub async fn list(&self) -> Result<Vec<Poll>, StoreError> {
        let polls = documents::list(&self.nodes).await?.into_iter();
        polls
            .map(|(id, document)| document?.ok_or_else(|| documents::no_document(&id)))
            .collect()
    }

    /// All entries of the list of polls, those that lead to no poll among them, which keep it from none of the others.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read.
    pub async fn listed(&self) -> Result<Vec<ListedPoll>, StoreError> {
        let (polls, strangers) = documents::list_all(&self.nodes).await?;
        let strangers = strangers.into_iter().map(|entry| ListedPoll {
            poll: Err(StoreError::corrupt(
                keys::POLLS,
                &format!("{entry} is no id of a poll"),
            )),
            id: entry,
        });
        let polls = polls.into_iter().map(|(id, document)| ListedPoll {
            id: id.to_string(),
            poll: document.and_then(|document| document.ok_or_else(|| documents::no_document(&id))),
        });
        let mut listed: Vec<ListedPoll> = polls.chain(strangers).collect();
        listed.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(listed)
    }

    /// One poll.
    ///
    /// # Errors
    /// As [`PollOperator::list`].
    pub async fn get(&self, id: &PollId) -> Result<Option<Poll>, StoreError> {
        documents::get(&self.nodes, id).await
    }

    /// The sealed result of a poll.
    ///
    /// # Errors
    /// As [`PollOperator::list`].
    pub async fn sealed(&self, id: &PollId) -> Result<Option<SealedPoll>, StoreError> {
        documents::sealed(&self.nodes, id).await
    }

    /// The sealed result of this poll. One that is void has none: a sealing that was not finished may have left one there, which
    /// counts for nothing.
    ///
    /// # Errors
    /// As [`PollOperator::list`].
    pub async fn sealed_of(&self, poll: &Poll) -> Result<Option<SealedPoll>, StoreError> {
        match poll.state {
            PollState::Void => Ok(None),
            _ => self.sealed(poll.definition.id()).await,
        }
    }

    /// All figures of all shards. Of a poll that has been open for long they take as long to be read as Redis must not be
    /// kept from recording votes.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read, or holds fields that are not the poll's.
    pub async fn figures(&self, poll: &Poll) -> Result<Vec<ShardFigures>, StoreError> {
        let shards = WholeShards::until_now(&self.nodes, poll).await?;
        shards.all(&*self.progress).await
    }

    /// The figures of all shards without their minutes.
    ///
    /// # Errors
    /// As [`PollOperator::figures`].
    pub async fn figures_without_minutes(
        &self,
        poll: &Poll,
    ) -> Result<Vec<ShardFigures>, StoreError> {
        figures::whole::without_minutes(&self.nodes, poll).await
    }

    /// The sequence of the last batch that a shard has of a writer; `None` where it has none.
    ///
    /// # Errors
    /// As [`PollOperator::figures`].
    pub async fn last_sequence(
        &self,
        poll: &Poll,
        shard: u16,
        writer: WriterId,
    ) -> Result<Option<u64>, StoreError> {
        let keys = ShardKeys::new(poll.definition.id(), shard);
        let key = keys.writers();
        let command = Cmd::hget(&key, fields::sequence(&writer));
        // A writer leaves the ledger for the ended ones, never the other way.
        let last: Option<u64> = self.nodes.query(&key, &command).await?;
        if last.is_some() {
            return Ok(last);
        }
        let ended = figures::ended::among(&self.nodes, &keys, &[writer]).await?;
        Ok(ended.get(&writer).map(|ended| ended.last_sequence))
    }

    /// All votes of the tallies of all shards.
    ///
    /// # Errors
    /// As [`PollOperator::figures`].
    pub async fn poll_tally_total(&self, poll: &Poll) -> Result<u128, StoreError> {
        let shards = figures::read::without_minutes(&self.nodes, poll).await?;
        Ok(shards.iter().map(|shard| shard.tally.total()).sum())
    }

    /// The figures that a poll is to be held at, as of now: the sealed ones where it is sealed. `next` is the poll once it is
    /// held.
    ///
    /// # Errors
    /// As [`PollOperator::figures`]; [`StoreError::Corrupt`] too where a shard has lost its fence, or the sealed result is
    /// missing or not as it was sealed: what is not known is not shown.
    pub async fn held_figures(
        &self,
        poll: &Poll,
        next: &Poll,
        now: Timestamp,
    ) -> Result<HeldFigures, StoreError> {
        let id = poll.definition.id();
        let shards = self.figures_that_count(poll).await?;
        let forgotten =
            |shard: &&ShardFigures| shard.fence.is_none() && poll.state != PollState::Draft;
        if let Some(shard) = shards.iter().find(forgotten) {
            let key = ShardKeys::new(id, shard.shard).state();
            return Err(StoreError::corrupt(
                &key,
                "no fence: Redis has forgotten the shard",
            ));
        }
        let sequences: u64 = shards.iter().map(ShardFigures::sequences).sum();
        let revision = next.revision.saturating_add(sequences);
        let whole = if poll.state == PollState::Sealed {
            let key = keys::sealed(id);
            let sealed = self.sealed(id).await?;
            let sealed = sealed.ok_or_else(|| StoreError::corrupt(&key, "it is missing"))?;
            sealed
                .verify()
                .map_err(|error| StoreError::corrupt(&key, &error))?;
            sealed.standing
        } else {
            let tally = Counted::of(poll, &shards)?.net;
            standing(poll, &tally, now, revision, poll.phase(now).status())
        };
        let key = keys::poll(id);
        HeldFigures::of(&whole).ok_or_else(|| StoreError::corrupt(&key, "it hides its counts"))
    }

    /// All figures that it takes to say what counts: with the minutes, where votes are annulled.
    ///
    /// # Errors
    /// As [`PollOperator::figures`].
    pub async fn figures_that_count(&self, poll: &Poll) -> Result<Vec<ShardFigures>, StoreError> {
        if poll.has_annulments() {
            self.figures(poll).await
        } else {
            figures::read::without_minutes(&self.nodes, poll).await
        }
    }

    /// The writers of a closed poll that are not drained, by shard.
    ///
    /// # Errors
    /// As [`PollOperator::figures`].
    pub async fn undrained(&self, poll: &Poll) -> Result<Vec<Undrained>, StoreError> {
        let shards = figures::read::without_minutes(&self.nodes, poll).await?;
        Ok(undrained(poll, &shards))
    }

    /// Audits a poll; `None` where there is no such poll.
    ///
    /// # Errors
    /// As [`PollOperator::figures`]. A difference is not an error: it is in the report.
    pub async fn audit(&self, id: &PollId) -> Result<Option<AuditReport>, StoreError> {
        let Some(poll) = self.get(id).await? else {
            return Ok(None);
        };
        let sealed = self.sealed_of(&poll).await?;
        let shards = self.figures(&poll).await?;
        Ok(Some(audit_report(&poll, &shards, sealed.as_ref())))
    }

    /// The key that receipts are signed with, where the services share it through Redis.
    ///
    /// # Errors
    /// As [`PollOperator::list`].
    pub async fn receipt_key(&self) -> Result<Option<ReceiptKey>, StoreError> {
        receipt_key::read(&self.nodes).await
    }
}
