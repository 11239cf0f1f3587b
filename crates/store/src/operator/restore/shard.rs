//! One shard of a backup on its way to Redis: claimed, filled, read back, and fenced last.

use std::collections::BTreeSet;

use vote_domain::PollState;

use super::error::RestoreError;
use super::hashes::{hashes, hours};
use crate::backup::Backup;
use crate::error::StoreError;
use crate::fence::{self, Fence};
use crate::figures::{self, ShardFigures};
use crate::keys::ShardKeys;
use crate::nodes::Nodes;
use crate::script::{RESTORE_CLAIM, RESTORE_FENCE, RESTORE_FILL};

/// Fields that one command writes: it keeps Redis for less than a millisecond.
const CHUNK: usize = 1_000;

/// What a shard says to being claimed for a backup.
pub(super) enum Claim {
    /// Nothing was there.
    Free,
    /// An earlier attempt with the same backup has claimed it.
    Mine,
    /// It is claimed for the backup with this digest.
    Other(String),
    /// This key is there.
    Taken(String),
}

/// One shard that a backup is written to.
pub(super) struct RestoredShard<'a> {
    nodes: &'a Nodes,
    backup: &'a Backup,
    shard: &'a ShardFigures,
    pub(super) keys: ShardKeys,
}

impl<'a> RestoredShard<'a> {
    pub(super) fn new(nodes: &'a Nodes, backup: &'a Backup, shard: &'a ShardFigures) -> Self {
        Self {
            nodes,
            backup,
            shard,
            keys: ShardKeys::new(backup.poll().definition.id(), shard.shard),
        }
    }

    /// What it would say to being claimed; writes nothing.
    pub(super) async fn look(&self) -> Result<Claim, StoreError> {
        self.claim("look").await
    }

    async fn claim(&self, mode: &str) -> Result<Claim, StoreError> {
        let keys = &self.keys;
        let hours = hours(self.shard);
        let mut command = RESTORE_CLAIM.command(6 + hours.len());
        command
            .arg(keys.restoring())
            .arg(keys.state())
            .arg(keys.tally())
            .arg(keys.late())
            .arg(keys.writers())
            .arg(keys.replies());
        for hour in hours {
            command.arg(keys.minutes(hour));
        }
        command.arg(self.backup.sha256()).arg(mode);
        let answer: String = self
            .nodes
            .run(&RESTORE_CLAIM, &keys.state(), &command)
            .await?;
        Ok(match answer.split_once(' ') {
            Some(("other", sha256)) => Claim::Other(sha256.to_owned()),
            Some((_, key)) => Claim::Taken(key.to_owned()),
            None if answer == "mine" => Claim::Mine,
            None => Claim::Free,
        })
    }

    /// Writes the shard and reads it back; without a fence, and so without any effect.
    pub(super) async fn write(
        &self,
        fence: &Fence,
        hours: &BTreeSet<i64>,
    ) -> Result<(), RestoreError> {
        match self.claim("claim").await? {
            Claim::Free | Claim::Mine => {}
            Claim::Other(sha256) => return Err(RestoreError::Other(sha256)),
            // An earlier attempt came as far as the fences. It had read the shard back before.
            Claim::Taken(_) if self.has(fence).await? => return Ok(()),
            Claim::Taken(key) => {
                return Err(RestoreError::Disturbed(format!(
                    "somebody else has written {key} meanwhile"
                )));
            }
        }
        self.fill().await?;
        let poll = self.backup.poll();
        let hours = hours.iter().copied();
        let number = self.shard.shard;
        let read = figures::read::shard(self.nodes, &poll.definition, number, hours).await?;
        match difference(poll.state, self.shard, &read) {
            None => Ok(()),
            Some(difference) => Err(RestoreError::ReadBack {
                shard: number,
                difference,
            }),
        }
    }

    async fn fill(&self) -> Result<(), RestoreError> {
        let keys = &self.keys;
        for (hash, fields) in hashes(&self.backup.poll().definition, self.shard, keys) {
            for chunk in fields.chunks(CHUNK) {
                let mut command = RESTORE_FILL.command(2);
                command
                    .arg(keys.restoring())
                    .arg(&hash)
                    .arg(self.backup.sha256());
                for (field, value) in chunk {
                    command.arg(field).arg(value);
                }
                let answer: String = self
                    .nodes
                    .run(&RESTORE_FILL, &keys.state(), &command)
                    .await?;
                if answer != "ok" {
                    return Err(overtaken());
                }
            }
        }
        Ok(())
    }

    /// Gives the shard its fence: from here on it is as any other.
    pub(super) async fn fence(&self, fence: &Fence) -> Result<(), RestoreError> {
        let keys = &self.keys;
        let mut command = RESTORE_FENCE.command(2);
        command
            .arg(keys.restoring())
            .arg(keys.state())
            .arg(self.backup.sha256())
            .arg(&fence.values());
        let answer: String = self
            .nodes
            .run(&RESTORE_FENCE, &keys.state(), &command)
            .await?;
        // Done by an earlier attempt, or by this one, whose answer was lost.
        if answer == "ok" || self.has(fence).await? {
            Ok(())
        } else {
            Err(overtaken())
        }
    }

    async fn has(&self, fence: &Fence) -> Result<bool, StoreError> {
        let there = fence::read(self.nodes, &self.keys).await?;
        Ok(there.as_ref() == Some(fence))
    }
}

fn overtaken() -> RestoreError {
    RestoreError::Disturbed(
        "somebody else imports this poll at the same time, or writes to it".to_owned(),
    )
}

/// What differs between a shard as it was to be written and as it is, without its fence.
///
/// A process that still knows the poll may have been refused a batch meanwhile, which leaves an entry without
/// votes in the ledger. A sealed result would have no place for it.
fn difference(state: PollState, wanted: &ShardFigures, read: &ShardFigures) -> Option<String> {
    let mut writers = read.writers.clone();
    if state != PollState::Sealed {
        writers.retain(|writer, entry| entry.votes > 0 || wanted.writers.contains_key(writer));
    }
    if let Some(fence) = read.fence {
        return Some(format!("it has a fence ({}) that is not ours", fence.state));
    }
    [
        ("the tally", read.tally == wanted.tally),
        ("the late votes", read.late == wanted.late),
        ("the ledger", writers == wanted.writers),
        ("the minutes", read.minutes == wanted.minutes),
    ]
    .into_iter()
    .find_map(|(name, same)| (!same).then(|| format!("{name} is not that of the backup")))
}
