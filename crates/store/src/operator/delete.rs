//! Deleting a draft: the one way in which a poll leaves Redis.

use redis::{Cmd, Value};
use vote_domain::{Poll, PollDefinition, PollId, wire_time};

use super::poll_operator::PollOperator;
use super::save::{SaveError, Written};
use crate::error::StoreError;
use crate::keys::{self, ShardKeys};
use crate::script::{DELETE_FENCE, DELETE_POLL, SAY_DELETED};

/// How long it is said that a draft was deleted, in seconds. Every service reads the list of polls each second.
const SAID_FOR_S: u32 = 24 * 60 * 60;

impl PollOperator {
    /// Removes a draft that [`Poll::deleted`] has marked, changed from `previous_revision`. Safe to repeat, with the
    /// marked draft that is there, after a failure half-way.
    ///
    /// The mark comes first: from then on no other change of the draft is saved. Then its fences go, and the mark that an
    /// import may have left; then its entry in the list, for a poll on the list without a document is one that Redis has
    /// forgotten; and last its document. As long as that is there, no import of this id begins, and whoever repeats the
    /// deletion completes all of it.
    ///
    /// # Errors
    /// [`SaveError::Conflict`] where the poll was changed meanwhile, [`SaveError::Fence`] where a shard takes votes.
    pub async fn delete(
        &self,
        marked: &Poll,
        previous_revision: u64,
    ) -> Result<Written, SaveError> {
        let id = marked.definition.id();
        if marked.revision != previous_revision {
            self.replace_document(marked, previous_revision).await?;
        }
        // It may have had more shards before it was changed.
        for shard in 0..PollDefinition::MOST_SHARDS {
            let state = ShardKeys::new(id, shard).state();
            let mut command = DELETE_FENCE.command(1);
            command.arg(&state).arg(marked.revision);
            let stays: String = self.nodes.run(&DELETE_FENCE, &state, &command).await?;
            if !stays.is_empty() {
                let found = format!("is {stays}");
                return Err(SaveError::Fence { shard, found });
            }
        }
        // Of an import that no replica had confirmed: it would keep the id from being used again.
        let key = keys::restoring(id);
        self.nodes.query::<Value>(&key, &Cmd::del(&key)).await?;
        self.say_deleted(marked).await?;
        let command = Cmd::srem(keys::POLLS, id.as_str());
        self.nodes.query::<Value>(keys::POLLS, &command).await?;
        let key = keys::poll(id);
        let mut command = DELETE_POLL.command(1);
        command.arg(&key).arg(marked.revision);
        let found_revision: u64 = self.nodes.run(&DELETE_POLL, &key, &command).await?;
        if found_revision != 0 && found_revision != marked.revision {
            return Err(SaveError::Conflict {
                expected_revision: marked.revision,
                found_revision,
            });
        }
        Ok(self.confirm_deleted(id).await)
    }

    /// Where no replica has confirmed that a draft is deleted: for whoever repeats the deletion. `None` where no deletion of
    /// this id is known, which is said for a day.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read.
    pub async fn deleted(&self, id: &PollId) -> Result<Option<Written>, StoreError> {
        let key = keys::deleted(id);
        let said: Option<Vec<u8>> = self.nodes.query(&key, &Cmd::get(&key)).await?;
        match said {
            Some(_) => Ok(Some(self.confirm_deleted(id).await)),
            None => Ok(None),
        }
    }

    async fn confirm_deleted(&self, id: &PollId) -> Written {
        let keys = [
            keys::poll(id),
            keys::restoring(id),
            keys::POLLS.to_owned(),
            keys::deleted(id),
        ];
        self.confirm(keys.into_iter()).await
    }

    async fn say_deleted(&self, marked: &Poll) -> Result<(), StoreError> {
        let key = keys::deleted(marked.definition.id());
        let created_at = marked.created_at().map(wire_time::format);
        let mut command = SAY_DELETED.command(1);
        command.arg(&key).arg(created_at.unwrap_or_default());
        command.arg(SAID_FOR_S);
        self.nodes
            .run::<Value>(&SAY_DELETED, &key, &command)
            .await?;
        Ok(())
    }
}
