//! Restoring a poll: what may be there already, the order of its parts, and its completion.

use jiff::Timestamp;
use redis::{Cmd, Value};
use vote_domain::{Poll, PollId, SealedPoll};

use super::error::RestoreError;
use super::shard::{Claim, RestoredShard};
use crate::backup::Backup;
use crate::error::StoreError;
use crate::fence::Fence;
use crate::figures::whole::WholeShards;
use crate::keys;
use crate::operator::poll_operator::PollOperator;
use crate::operator::save::Written;

/// Keys that are named where a poll is there already.
const NAMED: usize = 5;

/// What came of restoring.
#[derive(Debug)]
pub struct Restored {
    /// The poll as it is now.
    pub poll: Poll,
    /// Whether an earlier attempt was completed.
    pub resumed: bool,
    /// Where no replica has confirmed it.
    pub written: Written,
}

impl PollOperator {
    /// The digest of the backup that is being restored as this poll, if one is, or was and has failed.
    pub(in crate::operator) async fn half_restored(
        &self,
        id: &PollId,
    ) -> Result<Option<String>, StoreError> {
        let key = keys::restoring(id);
        self.nodes.query(&key, &Cmd::get(&key)).await
    }

    /// Whether the backup could be restored here; writes nothing. Gives whether that would complete an earlier
    /// attempt.
    ///
    /// # Errors
    /// [`RestoreError::Taken`] and [`RestoreError::Other`] where it could not.
    pub async fn restorable(&self, backup: &Backup) -> Result<bool, RestoreError> {
        let id = backup.poll().definition.id();
        match self.half_restored(id).await? {
            Some(sha256) if sha256 == backup.sha256() => Ok(true),
            Some(other) => Err(RestoreError::Other(other)),
            None => self.refuse_what_is_there(backup).await.map(|()| false),
        }
    }

    /// Restores a backup where nothing of its poll is; `written` is told how many shards have it.
    ///
    /// The shards come first, without fences: nobody can vote there. Each is read back. Then the sealed result,
    /// the fences, and last the poll's document, so that no half of it is ever seen. If it fails half-way,
    /// repeating it with the same backup completes it; so it does where no replica has confirmed it.
    ///
    /// # Errors
    /// [`RestoreError::Taken`] and [`RestoreError::Other`] where something is there; nothing is written then.
    pub async fn restore(
        &self,
        backup: &Backup,
        now: Timestamp,
        by: &str,
        written: impl FnMut(u16),
    ) -> Result<Restored, RestoreError> {
        let id = backup.poll().definition.id();
        let resumed = self.restorable(backup).await?;
        if !resumed {
            self.begin(id, backup.sha256()).await?;
        }
        let (poll, written) = match self.get(id).await? {
            // An earlier attempt has come to the end, but for the confirmation by replicas.
            Some(poll) if resumed && poll.log.starts_with(&backup.poll().log) => {
                let written = self.fence(&poll).await?;
                (poll, written)
            }
            Some(_) => {
                return Err(RestoreError::Disturbed(
                    "somebody else has made a poll of that id meanwhile".to_owned(),
                ));
            }
            None => {
                let poll = backup.restored_poll(now, by);
                let written = self.write(backup, &poll, written).await?;
                (poll, written)
            }
        };
        // Until then the same import can be repeated: it is how one finds out whether replicas have it.
        if written.is_confirmed() {
            self.end(id).await;
        }
        Ok(Restored {
            poll,
            resumed,
            written,
        })
    }

    /// Writes all of a backup, as `poll`.
    async fn write(
        &self,
        backup: &Backup,
        poll: &Poll,
        mut written: impl FnMut(u16),
    ) -> Result<Written, RestoreError> {
        let fence = Fence::of(poll);
        let whole = WholeShards::until_now(&self.nodes, poll).await?;
        for shard in backup.shards() {
            let restored = RestoredShard::new(&self.nodes, backup, shard);
            restored.write(&fence, &whole).await?;
            written(shard.shard + 1);
        }
        if let Some(sealed) = backup.sealed() {
            self.write_final(sealed).await?;
        }
        for shard in backup.shards() {
            let restored = RestoredShard::new(&self.nodes, backup, shard);
            restored.fence(&fence).await?;
        }
        Ok(self.publish(poll, 0).await?)
    }

    /// Refuses where anything of the poll is there.
    async fn refuse_what_is_there(&self, backup: &Backup) -> Result<(), RestoreError> {
        let id = backup.poll().definition.id();
        let mut found = Vec::new();
        for key in [keys::poll(id), keys::sealed(id)] {
            let document: Option<Vec<u8>> = self.nodes.query(&key, &Cmd::get(&key)).await?;
            if document.is_some() {
                found.push(key);
            }
        }
        let command = Cmd::smembers(keys::POLLS);
        let polls: Vec<Vec<u8>> = self.nodes.query(keys::POLLS, &command).await?;
        if polls.iter().any(|poll| poll == id.as_str().as_bytes()) {
            found.push(format!("{} names it", keys::POLLS));
        }
        for shard in backup.shards() {
            if found.len() >= NAMED {
                break;
            }
            let restored = RestoredShard::new(&self.nodes, backup, shard);
            match restored.look().await? {
                Claim::Free => {}
                Claim::Mine => found.push(restored.keys.restoring()),
                Claim::Other(sha256) => return Err(RestoreError::Other(sha256)),
                Claim::Taken(key) => found.push(key),
            }
        }
        if found.is_empty() {
            Ok(())
        } else {
            Err(RestoreError::Taken(found))
        }
    }

    /// Says that the poll is being restored; only one backup at a time can be.
    async fn begin(&self, id: &PollId, sha256: &str) -> Result<(), RestoreError> {
        let key = keys::restoring(id);
        let begun = self.nodes.set_if_absent(&key, sha256.as_bytes()).await;
        let begun = begun.map_err(|error| match error {
            full @ StoreError::Full { .. } => RestoreError::NotBegun(full),
            other => other.into(),
        })?;
        if begun {
            Ok(())
        } else {
            Err(RestoreError::Disturbed(
                "somebody else has just begun to import this poll".to_owned(),
            ))
        }
    }

    /// Removes the mark of an import that is complete. If it stays there, it says no more than that.
    async fn end(&self, id: &PollId) {
        let key = keys::restoring(id);
        if let Err(error) = self.nodes.query::<Value>(&key, &Cmd::del(&key)).await {
            tracing::warn!(%error, key, "the mark of a finished import could not be removed");
        }
    }

    async fn write_final(&self, sealed: &SealedPoll) -> Result<(), RestoreError> {
        if self.put_sealed(sealed).await? == *sealed {
            Ok(())
        } else {
            Err(RestoreError::Disturbed(format!(
                "somebody else has written another {} meanwhile",
                keys::sealed(sealed.poll.definition.id())
            )))
        }
    }
}
