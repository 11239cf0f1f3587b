//! One shard of a backup on its way to Redis: claimed, filled, read back, and fenced last.

use vote_domain::PollState;

use super::error::RestoreError;
use super::hashes::{Field, hashes};
use crate::backup::Backup;
use crate::error::StoreError;
use crate::fence::{self, Fence};
use crate::figures::ShardFigures;
use crate::figures::whole::WholeShards;
use crate::keys::ShardKeys;
use crate::nodes::Nodes;
use crate::script::{RESTORE_CLAIM, RESTORE_FENCE, RESTORE_FILL};

/// Fields that one command writes, or keys that it looks for: it keeps Redis for about a millisecond.
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
        let minutes = self.minutes();
        for part in minutes.chunks(CHUNK).skip(1) {
            let said = self.ask("look", part).await?;
            if !matches!(said, Claim::Free) {
                return Ok(said);
            }
        }
        self.ask("look", first(&minutes)).await
    }

    async fn claim(&self) -> Result<Claim, StoreError> {
        // Nobody writes a minute without the tally or the quarantine, which are looked for in the same step.
        match self.look().await? {
            Claim::Free => self.ask("claim", first(&self.minutes())).await,
            said => Ok(said),
        }
    }

    /// The minutes in which the shard has votes.
    fn minutes(&self) -> Vec<i64> {
        let minutes = self.shard.minutes.iter();
        minutes.map(|(minute, _)| minute.since_epoch()).collect()
    }

    async fn ask(&self, mode: &str, minutes: &[i64]) -> Result<Claim, StoreError> {
        let keys = &self.keys;
        let mut command = RESTORE_CLAIM.command(8 + minutes.len());
        command
            .arg(keys.restoring())
            .arg(keys.state())
            .arg(keys.tally())
            .arg(keys.late())
            .arg(keys.writers())
            .arg(keys.ended())
            .arg(keys.replies())
            .arg(keys.quarantine());
        for &minute in minutes {
            command.arg(keys.minutes(minute));
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
        whole: &WholeShards<'_>,
    ) -> Result<(), RestoreError> {
        match self.claim().await? {
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
        let number = self.shard.shard;
        let read = whole.shard(number, &|_| {}).await?;
        match difference(poll.state, self.shard, &read) {
            None => Ok(()),
            Some(difference) => Err(RestoreError::ReadBack {
                shard: number,
                difference,
            }),
        }
    }

    async fn fill(&self) -> Result<(), RestoreError> {
        let mut part: Vec<(String, Vec<Field>)> = Vec::new();
        let mut fields_of_part = 0;
        for (hash, fields) in hashes(&self.backup.poll().definition, self.shard, &self.keys) {
            for chunk in fields.chunks(CHUNK) {
                if fields_of_part + chunk.len() > CHUNK {
                    self.fill_part(&std::mem::take(&mut part)).await?;
                    fields_of_part = 0;
                }
                fields_of_part += chunk.len();
                part.push((hash.clone(), chunk.to_vec()));
            }
        }
        self.fill_part(&part).await
    }

    async fn fill_part(&self, part: &[(String, Vec<Field>)]) -> Result<(), RestoreError> {
        if part.is_empty() {
            return Ok(());
        }
        let keys = &self.keys;
        let mut command = RESTORE_FILL.command(1 + part.len());
        command.arg(keys.restoring());
        for (hash, _) in part {
            command.arg(hash);
        }
        command.arg(self.backup.sha256());
        for (_, fields) in part {
            command.arg(fields.len() * 2);
            for (field, value) in fields {
                command.arg(field).arg(value);
            }
        }
        let state = keys.state();
        let answer: String = self.nodes.run(&RESTORE_FILL, &state, &command).await?;
        if answer == "ok" {
            Ok(())
        } else {
            Err(overtaken())
        }
    }

    /// Gives the shard its fence: from here on it is as any other.
    pub(super) async fn fence(&self, fence: &Fence) -> Result<(), RestoreError> {
        let keys = &self.keys;
        let mut command = RESTORE_FENCE.command(2);
        command
            .arg(keys.restoring())
            .arg(keys.state())
            .arg(self.backup.sha256())
            .arg(&fence.values())
            .arg(self.shard.sequences());
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

fn first(minutes: &[i64]) -> &[i64] {
    minutes.chunks(CHUNK).next().unwrap_or_default()
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
        (
            "the ledger",
            writers == wanted.writers && read.unlisted == wanted.unlisted,
        ),
        ("the minutes", read.minutes == wanted.minutes),
        (
            "the quarantine",
            read.quarantine == wanted.quarantine
                && read.quarantine_minutes == wanted.quarantine_minutes,
        ),
    ]
    .into_iter()
    .find_map(|(name, same)| (!same).then(|| format!("{name} is not that of the backup")))
}
