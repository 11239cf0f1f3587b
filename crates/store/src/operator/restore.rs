//! Restoring a backup: shard by shard, without fences, and the poll itself last. See ARCHITECTURE.md,
//! "Backup and restore".

use std::collections::BTreeSet;

use jiff::Timestamp;
use vote_domain::{Poll, PollDefinition, PollId, PollState, SealedPoll, Tally};

use super::{PollOperator, SaveError};
use crate::{
    backup::Backup,
    error::StoreError,
    fence::{self, Fence},
    fields,
    figures::{self, Drained, ShardFigures},
    keys::{self, ShardKeys},
    script::{RESTORE_CLAIM, RESTORE_FENCE, RESTORE_FILL},
};

/// Fields that one command writes: it keeps Redis for less than a millisecond.
const CHUNK: usize = 1_000;
/// Keys that are named where a poll is there already.
const NAMED: usize = 5;

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Redis holds something of that poll. Nothing was written.
    #[error("Redis already holds something of that poll ({}); a backup neither replaces nor adds to what is there", .0.join(", "))]
    Taken(Vec<String>),
    /// Another backup of that poll is half restored. Nothing was written.
    #[error("another backup of that poll (sha256 {0}) is half restored: complete that one first")]
    Other(String),
    /// Somebody else writes to the poll at the same time.
    #[error("{0}")]
    Disturbed(String),
    /// What was written reads back differently.
    #[error("shard {shard} reads back differently: {difference}")]
    ReadBack {
        /// The shard.
        shard: u16,
        /// What differs.
        difference: String,
    },
    /// The poll itself could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of restoring.
#[derive(Debug)]
pub struct Restored {
    /// The poll as it is now.
    pub poll: Poll,
    /// Whether an earlier attempt was completed.
    pub resumed: bool,
}

/// What a shard says to being taken.
enum Claim {
    Free,
    Mine,
    Other(String),
    Taken(String),
}

impl PollOperator {
    /// The digest of the backup that is being restored as this poll, if one is, or was and has failed.
    pub(super) async fn half_restored(&self, id: &PollId) -> Result<Option<String>, StoreError> {
        let key = keys::restoring(id);
        let mut command = redis::cmd("GET");
        command.arg(&key);
        self.nodes.query(&key, &command).await
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
            None => self.look(backup).await.map(|()| false),
        }
    }

    /// Restores a backup where nothing of its poll is; `written` is told how many shards have it.
    ///
    /// The shards come first, without fences: nobody can vote there. Each is read back. Then the sealed result,
    /// the fences, and last the poll's document, so that no half of it is ever seen. If it fails half-way,
    /// repeating it with the same backup completes it.
    ///
    /// # Errors
    /// [`RestoreError::Taken`] and [`RestoreError::Other`] where something is there; nothing is written then.
    pub async fn restore(
        &self,
        backup: &Backup,
        now: Timestamp,
        by: &str,
        mut written: impl FnMut(u16),
    ) -> Result<Restored, RestoreError> {
        let definition = &backup.poll().definition;
        let id = definition.id();
        let resumed = self.restorable(backup).await?;
        if !resumed {
            self.begin(id, backup.sha256()).await?;
        }
        let poll = match self.get(id).await? {
            // An earlier attempt has come to the end, but for the confirmation by replicas.
            Some(poll) if resumed && poll.log.starts_with(&backup.poll().log) => {
                self.fence(&poll).await?;
                poll
            }
            Some(_) => {
                return Err(RestoreError::Disturbed(
                    "somebody else has made a poll of that id meanwhile".to_owned(),
                ));
            }
            None => {
                let poll = backup.restored_poll(now, by);
                let hours: BTreeSet<i64> = self.results.hours(&poll).await?.collect();
                for shard in backup.shards() {
                    self.write_shard(backup, shard, &Fence::of(&poll), &hours)
                        .await?;
                    written(shard.shard + 1);
                }
                if let Some(sealed) = backup.sealed() {
                    self.write_final(sealed).await?;
                }
                for shard in 0..definition.shards() {
                    self.free(backup, shard, &Fence::of(&poll)).await?;
                }
                self.publish(&poll, 0).await?;
                poll
            }
        };
        let key = keys::restoring(id);
        let mut command = redis::cmd("DEL");
        command.arg(&key);
        if let Err(error) = self.nodes.query::<redis::Value>(&key, &command).await {
            // The poll is there, and complete. If the mark is still there, it says no more than that.
            tracing::warn!(%error, key, "the mark of a finished import could not be removed");
        }
        Ok(Restored { poll, resumed })
    }

    /// Refuses where anything of the poll is there.
    async fn look(&self, backup: &Backup) -> Result<(), RestoreError> {
        let definition = &backup.poll().definition;
        let id = definition.id();
        let mut found = Vec::new();
        for key in [keys::poll(id), keys::sealed(id)] {
            let mut command = redis::cmd("GET");
            command.arg(&key);
            let document: Option<Vec<u8>> = self.nodes.query(&key, &command).await?;
            if document.is_some() {
                found.push(key);
            }
        }
        let mut command = redis::cmd("SMEMBERS");
        command.arg(keys::POLLS);
        let polls: Vec<Vec<u8>> = self.nodes.query(keys::POLLS, &command).await?;
        if polls.iter().any(|poll| poll == id.as_str().as_bytes()) {
            found.push(format!("{} names it", keys::POLLS));
        }
        for shard in backup.shards() {
            if found.len() >= NAMED {
                break;
            }
            match self.claim(backup, shard, "look").await? {
                Claim::Free => {}
                Claim::Mine => found.push(ShardKeys::new(id, shard.shard).restoring()),
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
        let mut command = redis::cmd("SET");
        command.arg(&key).arg(sha256).arg("NX");
        match self.nodes.query(&key, &command).await? {
            redis::Value::Nil => Err(RestoreError::Disturbed(
                "somebody else has just begun to import this poll".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    async fn claim(
        &self,
        backup: &Backup,
        shard: &ShardFigures,
        mode: &str,
    ) -> Result<Claim, StoreError> {
        let keys = ShardKeys::new(backup.poll().definition.id(), shard.shard);
        let hours: BTreeSet<i64> = hours_of(shard);
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
        command.arg(backup.sha256()).arg(mode);
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

    /// Writes one shard and reads it back; without a fence, and so without any effect.
    async fn write_shard(
        &self,
        backup: &Backup,
        shard: &ShardFigures,
        fence: &Fence,
        hours: &BTreeSet<i64>,
    ) -> Result<(), RestoreError> {
        let definition = &backup.poll().definition;
        let keys = ShardKeys::new(definition.id(), shard.shard);
        match self.claim(backup, shard, "claim").await? {
            Claim::Free | Claim::Mine => {}
            Claim::Other(sha256) => return Err(RestoreError::Other(sha256)),
            Claim::Taken(key) => {
                // An earlier attempt came as far as the fences. It had read the shard back before.
                let there = fence::read(&self.nodes, &keys).await?;
                if there.as_ref() == Some(fence) {
                    return Ok(());
                }
                return Err(RestoreError::Disturbed(format!(
                    "somebody else has written {key} meanwhile"
                )));
            }
        }
        for (hash, fields) in hashes(definition, shard, &keys) {
            for chunk in fields.chunks(CHUNK) {
                let mut command = RESTORE_FILL.command(2);
                command
                    .arg(keys.restoring())
                    .arg(&hash)
                    .arg(backup.sha256());
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
        let hours = hours.iter().copied();
        let read = figures::read_shard(&self.nodes, definition, shard.shard, hours).await?;
        match difference(backup.poll().state, shard, &read) {
            None => Ok(()),
            Some(difference) => Err(RestoreError::ReadBack {
                shard: shard.shard,
                difference,
            }),
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

    /// Gives a shard its fence: from here on it is as any other.
    async fn free(&self, backup: &Backup, shard: u16, fence: &Fence) -> Result<(), RestoreError> {
        let keys = ShardKeys::new(backup.poll().definition.id(), shard);
        let mut command = RESTORE_FENCE.command(2);
        command
            .arg(keys.restoring())
            .arg(keys.state())
            .arg(backup.sha256())
            .arg(fence.state.as_str())
            .arg(fence.opens_at_ms)
            .arg(fence.closes_at_ms)
            .arg(fence.revision);
        let answer: String = self
            .nodes
            .run(&RESTORE_FENCE, &keys.state(), &command)
            .await?;
        // Done by an earlier attempt, or by this one, whose answer was lost.
        if answer == "ok" || fence::read(&self.nodes, &keys).await?.as_ref() == Some(fence) {
            Ok(())
        } else {
            Err(overtaken())
        }
    }
}

fn overtaken() -> RestoreError {
    RestoreError::Disturbed(
        "somebody else imports this poll at the same time, or writes to it".to_owned(),
    )
}

fn hours_of(shard: &ShardFigures) -> BTreeSet<i64> {
    shard
        .minutes
        .iter()
        .map(|(minute, _)| minute.hour())
        .collect()
}

/// The hashes of a shard with their fields; those without votes are not there.
fn hashes(
    poll: &PollDefinition,
    shard: &ShardFigures,
    keys: &ShardKeys,
) -> Vec<(String, Vec<(String, String)>)> {
    let mut hashes = vec![
        (keys.tally(), pairs(poll, "", &shard.tally)),
        (keys.late(), pairs(poll, "", &shard.late)),
    ];
    let mut ledger = Vec::new();
    for (writer, entry) in &shard.writers {
        ledger.push((fields::sequence(writer), entry.last_sequence.to_string()));
        ledger.push((fields::votes(writer), entry.votes.to_string()));
        match entry.drained {
            Drained::No => {}
            Drained::At(ms) => ledger.push((fields::drained(writer), ms.to_string())),
            Drained::Ended => ledger.push((fields::drained(writer), fields::ENDED.to_owned())),
        }
    }
    hashes.push((keys.writers(), ledger));
    for hour in hours_of(shard) {
        let minutes = shard.minutes.iter();
        let of_hour = minutes.filter(|(minute, _)| minute.hour() == hour);
        let fields = of_hour
            .flat_map(|(minute, votes)| pairs(poll, &format!("{}/", minute.within_hour()), votes));
        hashes.push((keys.minutes(hour), fields.collect()));
    }
    hashes
}

fn pairs(poll: &PollDefinition, prefix: &str, votes: &Tally) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (channel, row) in poll.channels().iter().zip(votes.rows()) {
        for (candidate, &votes) in poll.candidates().iter().zip(row) {
            if votes > 0 {
                let pair = fields::pair(&channel.id, &candidate.id);
                fields.push((format!("{prefix}{pair}"), votes.to_string()));
            }
        }
    }
    fields
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
