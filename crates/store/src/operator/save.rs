//! Saving a changed poll: its document first, then the fence of every shard.

use redis::{Cmd, Value};
use vote_domain::{Poll, PollId};

use super::poll_operator::PollOperator;
use crate::error::StoreError;
use crate::fence::{self, Fence, FenceAnswer, FenceWrite};
use crate::keys::{self, ShardKeys};
use crate::nodes::Unconfirmed;
use crate::script::SAVE_POLL;

/// Why a poll was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Somebody else has changed the poll since it was read.
    #[error(
        "the poll has been changed meanwhile: it is at revision {found_revision}, not {expected_revision}; look at it and try again"
    )]
    Conflict {
        /// The revision that the change was made from.
        expected_revision: u64,
        /// The revision that is there.
        found_revision: u64,
    },
    /// A backup of this poll is being restored, or its restoring has failed half-way.
    #[error(
        "a backup of this poll (sha256 {0}) is half restored: complete that first, by the same `votectl import`"
    )]
    HalfRestored(String),
    /// It is a draft whose removal has begun.
    #[error("the poll is being deleted: complete that first, by the same `votectl poll delete`")]
    BeingDeleted,
    /// A shard does not take the new state.
    #[error("shard {shard} did not take the new state: it {found}")]
    Fence {
        /// The shard.
        shard: u16,
        /// What it has instead.
        found: String,
    },
    /// Redis, after the poll's document was written.
    #[error("the poll's document has the change, and perhaps not every shard: {0}")]
    HalfWritten(StoreError),
    /// Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was written, and where no replica has confirmed that: a failover could forget it there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The servers whose replicas have not confirmed it.
    pub unconfirmed: Vec<Unconfirmed>,
}

impl Written {
    /// Whether replicas have it, as far as anybody may ask them.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        !self.unconfirmed.iter().any(|one| one.may_pass)
    }
}

impl PollOperator {
    /// Writes a poll that was changed from `previous_revision` (0: there was none), its document
    /// first, then every shard's fence. If it fails half-way, [`PollOperator::fence`] completes it.
    ///
    /// # Errors
    /// [`SaveError::Conflict`] where the poll was changed meanwhile, [`SaveError::HalfRestored`] where a backup
    /// is about to become a new one; nothing is written then.
    pub async fn save(&self, poll: &Poll, previous_revision: u64) -> Result<Written, SaveError> {
        if previous_revision == 0
            && let Some(sha256) = self.half_restored(poll.definition.id()).await?
        {
            return Err(SaveError::HalfRestored(sha256));
        }
        self.publish(poll, previous_revision).await
    }

    /// As [`PollOperator::save`], whatever is being restored.
    pub(super) async fn publish(
        &self,
        poll: &Poll,
        previous_revision: u64,
    ) -> Result<Written, SaveError> {
        if poll.is_being_deleted() {
            return Err(SaveError::BeingDeleted);
        }
        self.replace_document(poll, previous_revision).await?;
        let listed = self.list_poll(poll.definition.id()).await;
        listed.map_err(SaveError::HalfWritten)?;
        self.fence(poll).await.map_err(|error| match error {
            SaveError::Store(error) => SaveError::HalfWritten(error),
            other => other,
        })
    }

    /// Writes the poll's document, if it is still at `previous_revision`.
    pub(super) async fn replace_document(
        &self,
        poll: &Poll,
        previous_revision: u64,
    ) -> Result<(), SaveError> {
        let key = keys::poll(poll.definition.id());
        let document =
            serde_json::to_string(poll).map_err(|error| StoreError::corrupt(&key, &error))?;
        let found_revision = if previous_revision == 0 {
            self.create_document(poll, &document).await?
        } else {
            let mut command = SAVE_POLL.command(1);
            command.arg(&key).arg(previous_revision).arg(document);
            self.nodes.run(&SAVE_POLL, &key, &command).await?
        };
        if found_revision != previous_revision {
            return Err(SaveError::Conflict {
                expected_revision: previous_revision,
                found_revision,
            });
        }
        Ok(())
    }

    /// Writes the document of a new poll; gives the revision of the one that is there already, else 0. A new poll is the
    /// beginning of much: a full server refuses it.
    async fn create_document(&self, poll: &Poll, document: &str) -> Result<u64, StoreError> {
        let id = poll.definition.id();
        let key = keys::poll(id);
        if self.nodes.set_if_absent(&key, document.as_bytes()).await? {
            return Ok(0);
        }
        let there = self.get(id).await?;
        Ok(there.map_or(0, |poll| poll.revision))
    }

    /// Puts the poll on the list. It nearly always is: then nothing is written, which a full server would refuse.
    async fn list_poll(&self, id: &PollId) -> Result<(), StoreError> {
        let command = Cmd::smembers(keys::POLLS);
        let listed: Vec<Vec<u8>> = self.nodes.query(keys::POLLS, &command).await?;
        if listed.iter().any(|one| one == id.as_str().as_bytes()) {
            return Ok(());
        }
        let command = Cmd::sadd(keys::POLLS, id.as_str());
        self.nodes.query::<Value>(keys::POLLS, &command).await?;
        Ok(())
    }

    /// Writes the fence of every shard, reads it back, and waits until a replica has it wherever
    /// there are any. Safe to repeat. A shard that is over for good keeps none of the others from it.
    ///
    /// # Errors
    /// [`SaveError::Fence`] where a shard is over for good, or ahead of `poll`.
    pub async fn fence(&self, poll: &Poll) -> Result<Written, SaveError> {
        self.write_fences(poll, FenceWrite::Always).await
    }

    pub(super) async fn write_fences(
        &self,
        poll: &Poll,
        mode: FenceWrite,
    ) -> Result<Written, SaveError> {
        if poll.is_being_deleted() {
            return Err(SaveError::BeingDeleted);
        }
        let wanted = Fence::of(poll);
        let id = poll.definition.id();
        let mut ended = None;
        for shard in 0..poll.definition.shards() {
            let keys = ShardKeys::new(id, shard);
            let found = match fence::write(&self.nodes, &keys, &wanted, mode).await? {
                // A sealing that has failed half-way can be completed only if the others have what was changed since.
                FenceAnswer::Terminal(state) => {
                    let begun = if state == "void" { "void" } else { "seal" };
                    let found = format!(
                        "is {state} for good; `votectl poll {begun} {id}` completes what was begun there"
                    );
                    ended.get_or_insert(SaveError::Fence { shard, found });
                    continue;
                }
                FenceAnswer::Absent => "has just lost the one that it had".to_owned(),
                FenceAnswer::Newer(revision) => format!("is at the newer revision {revision}"),
                FenceAnswer::Done => match fence::read(&self.nodes, &keys).await? {
                    Some(read) if read == wanted => continue,
                    Some(read) => format!("reads back as {read:?}"),
                    None => "reads back as nothing".to_owned(),
                },
            };
            return Err(SaveError::Fence { shard, found });
        }
        if let Some(ended) = ended {
            return Err(ended);
        }
        let shards = (0..poll.definition.shards()).map(|shard| ShardKeys::new(id, shard).state());
        let documents = [keys::poll(id), keys::POLLS.to_owned(), keys::sealed(id)];
        Ok(self.confirm(shards.chain(documents)).await)
    }

    /// One replica of each server should have what was written.
    pub(super) async fn confirm(&self, keys: impl Iterator<Item = String>) -> Written {
        Written {
            unconfirmed: self.nodes.confirm(keys).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use vote_domain::Transition;
    use vote_testkit::RedisServer;
    use vote_testkit::fixtures::{at, demo_poll};

    use super::*;
    use crate::config::RedisConfig;
    use crate::nodes::Nodes;

    #[tokio::test]
    async fn a_shard_that_is_forgotten_while_a_poll_is_sealed_is_not_fenced() {
        let redis = RedisServer::start().await;
        let nodes = Nodes::new(&RedisConfig::new(redis.url()).expect("an address"));
        let operator = PollOperator::new(nodes.expect("a usable address"));
        let definition = demo_poll().id("p").shards(2).definition();
        let now = at("2026-11-26T03:00:00Z");
        let mut poll = Poll::draft(definition, now, "test");
        for transition in [Transition::Open, Transition::Close] {
            poll = poll.transition(transition, now, "test").expect("legal");
        }
        operator.save(&poll, 0).await.expect("saved");
        redis::cmd("DEL")
            .arg("vote:{p/1}:state")
            .exec_async(&mut redis.connection().await)
            .await
            .expect("gone");
        let sealed = poll.transition(Transition::Seal, now, "test");
        let refused = operator
            .write_fences(&sealed.expect("legal"), FenceWrite::Replace)
            .await;
        assert!(
            matches!(refused, Err(SaveError::Fence { shard: 1, .. })),
            "{refused:?}"
        );
        let figures = operator.figures(&poll).await.expect("figures");
        assert_eq!(figures[1].fence, None);
    }
}
