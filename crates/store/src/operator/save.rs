//! Saving a changed poll: its document first, then the fence of every shard.

use redis::{Cmd, Value};
use vote_domain::Poll;

use super::poll_operator::PollOperator;
use crate::error::StoreError;
use crate::fence::{self, Fence, FenceAnswer, FenceWrite};
use crate::keys::{self, ShardKeys};
use crate::nodes::Confirmation;
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
    /// A server has replicas, and none of them has confirmed the change in time.
    #[error(
        "the change is written, but none of the {replicas} replicas of {server} has confirmed it: a failover now would forget it; repeat the command when they have caught up"
    )]
    Unconfirmed {
        /// The server.
        server: String,
        /// Its replicas.
        replicas: usize,
    },
    /// Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PollOperator {
    /// Writes a poll that was changed from `previous_revision` (0: there was none), its document
    /// first, then every shard's fence. If it fails half-way, [`PollOperator::fence`] completes it.
    ///
    /// # Errors
    /// [`SaveError::Conflict`] where the poll was changed meanwhile, [`SaveError::HalfRestored`] where a backup
    /// is about to become a new one; nothing is written then.
    pub async fn save(&self, poll: &Poll, previous_revision: u64) -> Result<(), SaveError> {
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
    ) -> Result<(), SaveError> {
        if poll.is_being_deleted() {
            return Err(SaveError::BeingDeleted);
        }
        self.replace_document(poll, previous_revision).await?;
        let id = poll.definition.id();
        let command = Cmd::sadd(keys::POLLS, id.as_str());
        self.nodes.query::<Value>(keys::POLLS, &command).await?;
        self.fence(poll).await
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
        let mut command = SAVE_POLL.command(1);
        command.arg(&key).arg(previous_revision).arg(document);
        let found_revision: u64 = self.nodes.run(&SAVE_POLL, &key, &command).await?;
        if found_revision != previous_revision {
            return Err(SaveError::Conflict {
                expected_revision: previous_revision,
                found_revision,
            });
        }
        Ok(())
    }

    /// Writes the fence of every shard, reads it back, and waits until a replica has it wherever
    /// there are any. Safe to repeat. A shard that is over for good keeps none of the others from it.
    ///
    /// # Errors
    /// [`SaveError::Fence`] where a shard is over for good, or ahead of `poll`;
    /// [`SaveError::Unconfirmed`] where replicas are connected and none has confirmed the change.
    pub async fn fence(&self, poll: &Poll) -> Result<(), SaveError> {
        self.write_fences(poll, FenceWrite::Always).await
    }

    pub(super) async fn write_fences(
        &self,
        poll: &Poll,
        mode: FenceWrite,
    ) -> Result<(), SaveError> {
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
                    let found = format!("is {state} for good");
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
        self.confirm(shards.chain(documents)).await
    }

    /// One replica of each server must have what was written: sentinels and clusters promote the one
    /// that has most.
    pub(super) async fn confirm(
        &self,
        keys: impl Iterator<Item = String>,
    ) -> Result<(), SaveError> {
        for confirmation in self.nodes.confirm(keys).await? {
            let Confirmation {
                node,
                replicas,
                confirmed,
            } = confirmation;
            if replicas > 0 && confirmed == 0 {
                return Err(SaveError::Unconfirmed {
                    server: node.to_string(),
                    replicas,
                });
            }
            if confirmed < replicas {
                tracing::warn!(%node, replicas, confirmed, "a change is not on all replicas yet");
            }
        }
        Ok(())
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
