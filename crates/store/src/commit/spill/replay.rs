//! Sending again what a spill holds, exactly once: under the writers and sequences that it had.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use vote_domain::{Poll, Refusal, WriterId};

use super::lane::{SpilledBatch, SpilledLane};
use crate::commit::backoff::Backoff;
use crate::commit::batch::{Batch, Origin};
use crate::commit::call::{Call, Mode};
use crate::commit::config::LaneConfig;
use crate::commit::copies::CopiesWait;
use crate::commit::outcome::Verdict;
use crate::commit::reply::{Reply, not_a_reply};
use crate::commit::sender::{Attempt, Sender, UnreadLedger};
use crate::commit::target::Target;
use crate::fields;
use crate::nodes::Nodes;

/// How often a batch is sent before that is given up: for some seconds.
const ATTEMPTS: u32 = 12;

/// What has come of the votes of a spill, or would come of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Redis had them after all.
    pub present: u64,
    /// Recorded now. Of a plan: those that Redis lacks.
    pub recorded: u64,
    /// Recorded meanwhile by a repeat with the same key, in another batch.
    pub repeated: u64,
    /// Can't be recorded any more: their key was used for another candidate meanwhile, or their voter's limit is
    /// used up.
    pub refused: u64,
    /// Can't be recorded: the poll has no such channel or candidate any more.
    pub unknown: u64,
}

/// Why a lane's votes are not, or not all, recorded again. What was recorded stays so, and the same command goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// There is no such poll.
    #[error("Redis has no such poll")]
    NoPoll,
    /// The poll has other shards.
    #[error("the poll has {shards} shards, there is no shard {shard}")]
    NoShard {
        /// The shard that is named.
        shard: u16,
        /// The poll's shards.
        shards: u16,
    },
    /// The shard has no fence.
    #[error("shard {0} has no fence: Redis has forgotten it")]
    NoFence(u16),
    /// The shard takes no votes yet.
    #[error("shard {shard} takes no votes yet: its fence says {state}")]
    NotOpen {
        /// The shard.
        shard: u16,
        /// The fence's state.
        state: String,
    },
    /// The poll is over for good.
    #[error("the poll is {0}: nothing can be recorded any more")]
    Over(&'static str),
    /// Redis has forgotten something, or somebody else sends the same.
    #[error("the ledger has changed meanwhile")]
    Changed,
    /// Redis can't be reached, or does not answer as it should.
    #[error("{0}")]
    Redis(String),
}

/// How the batches of a lane are named when they are sent again.
#[derive(Debug, Clone, Copy)]
enum Names {
    /// As they were.
    Own,
    /// As another writer's, from 1 on, always the same: Redis has forgotten what came before the first of them, and
    /// a sequence can't be left out.
    Derived,
}

/// One lane of a spill on its way.
pub(crate) struct LaneReplay<'a> {
    lane: &'a SpilledLane,
    poll: &'a Poll,
    sender: Sender,
    now: Timestamp,
    /// What the ledger has of each writer that a batch may be recorded as: the last sequence.
    ledger: BTreeMap<WriterId, u64>,
}

impl<'a> LaneReplay<'a> {
    /// Reads what Redis has of the lane.
    pub(crate) async fn begin(
        lane: &'a SpilledLane,
        poll: &'a Poll,
        key_window_ms: i64,
        nodes: Nodes,
        now: Timestamp,
    ) -> Result<Self, ReplayError> {
        let shards = poll.definition.shards();
        if lane.shard >= shards {
            let shard = lane.shard;
            return Err(ReplayError::NoShard { shard, shards });
        }
        let target = Target::new(poll, lane.shard, key_window_ms);
        // What was accepted is not sent by halves: whoever replays has the replicas confirm all of it in the end.
        let copies = CopiesWait::new(&LaneConfig::default());
        let mut replay = Self {
            sender: Sender::new(target, nodes, copies, CancellationToken::new()),
            lane,
            poll,
            now,
            ledger: BTreeMap::new(),
        };
        for writer in lane.writers() {
            let last = replay.last_of(writer).await?;
            replay.ledger.insert(writer, last);
        }
        Ok(replay)
    }

    /// What sending it would do: what Redis lacks counts as recorded.
    pub(crate) fn plan(&self) -> ReplayReport {
        let mut plan = ReplayReport::default();
        for (place, batch) in (1..).zip(&self.lane.batches) {
            if self.is_there(place, batch) {
                plan.present += batch.counted;
                continue;
            }
            let (_, unknown) = self.translated(batch);
            plan.unknown += unknown;
            plan.recorded += batch.batch.votes() - unknown;
        }
        plan
    }

    /// Sends what Redis lacks, and marks the writers as ended, so that sealing waits for none of them. `sent` is told
    /// after each batch.
    pub(crate) async fn send(
        &mut self,
        mut sent: impl FnMut(),
    ) -> Result<ReplayReport, ReplayError> {
        let mut report = ReplayReport::default();
        let names = self.names();
        for (place, batch) in (1..).zip(&self.lane.batches) {
            self.send_batch(names, place, batch, &mut report).await?;
            sent();
        }
        for writer in self.lane.writers() {
            self.end(writer).await?;
        }
        Ok(report)
    }

    fn last(&self, writer: WriterId) -> u64 {
        self.ledger.get(&writer).copied().unwrap_or(0)
    }

    /// Whether Redis had the batch at the beginning, whatever it was sent as.
    fn is_there(&self, place: u64, batch: &SpilledBatch) -> bool {
        let own = [
            (self.lane.writer, batch.sequence),
            (self.lane.derived(), place),
        ];
        let mut names = own.iter().chain(&batch.origins);
        names.any(|(writer, sequence)| self.last(*writer) >= *sequence)
    }

    fn names(&self) -> Names {
        let first = self.lane.batches.first().map_or(1, |first| first.sequence);
        if self.last(self.lane.writer) + 1 >= first {
            Names::Own
        } else {
            Names::Derived
        }
    }

    /// The batch as the poll counts it today, and how many of its votes the poll has no field for any more.
    fn translated(&self, spilled: &SpilledBatch) -> (Batch, u64) {
        let pair = |channel: u8, candidate: u8| {
            let place = usize::from(channel) * self.lane.candidates + usize::from(candidate);
            let field = self.lane.fields.get(place)?;
            let (channel, candidate) = fields::parse_pair(&self.poll.definition, field)?;
            Some((u8::try_from(channel).ok()?, u8::try_from(candidate).ok()?))
        };
        let mut batch = spilled.batch.clone();
        batch.plain.retain_mut(|(channel, candidate, _)| {
            let known = pair(*channel, *candidate);
            known.is_some_and(|known| {
                (*channel, *candidate) = known;
                true
            })
        });
        batch.checked.retain_mut(|vote| {
            let known = pair(vote.channel, vote.candidate);
            known.is_some_and(|known| {
                (vote.channel, vote.candidate) = known;
                true
            })
        });
        let unknown = spilled.batch.votes() - batch.votes();
        (batch, unknown)
    }

    async fn send_batch(
        &mut self,
        names: Names,
        place: u64,
        spilled: &SpilledBatch,
        report: &mut ReplayReport,
    ) -> Result<(), ReplayError> {
        let own = (self.lane.writer, spilled.sequence);
        let derived = (self.lane.derived(), place);
        let ((writer, sequence), other) = match names {
            Names::Own => (own, derived),
            Names::Derived => (derived, own),
        };
        if self.last(writer) >= sequence {
            report.present += spilled.counted;
            return Ok(());
        }
        let mut origins = spilled.origins.clone();
        origins.push(other);
        let (batch, unknown) = self.translated(spilled);
        match self.reply(writer, sequence, &origins, &batch).await? {
            Reply::Judged {
                plain: Verdict::Accepted(()),
                checked,
            } => {
                report.unknown += unknown;
                report.recorded += batch.votes() - batch.checked.len() as u64;
                for verdict in checked {
                    match verdict {
                        Verdict::Accepted(()) => report.recorded += 1,
                        Verdict::Duplicate(()) => report.repeated += 1,
                        _ => report.refused += 1,
                    }
                }
            }
            Reply::Original | Reply::Behind { .. } => report.present += spilled.counted,
            reply => return Err(self.obstacle(reply)),
        }
        Ok(())
    }

    /// Why a batch was not recorded.
    fn obstacle(&self, reply: Reply) -> ReplayError {
        let shard = self.lane.shard;
        match reply {
            Reply::Waits(state) if state == "absent" => ReplayError::NoFence(shard),
            Reply::Waits(state) => ReplayError::NotOpen { shard, state },
            Reply::Judged {
                plain: Verdict::Refused(Refusal::Sealed),
                ..
            } => ReplayError::Over("sealed"),
            Reply::Judged {
                plain: Verdict::Refused(Refusal::Void),
                ..
            } => ReplayError::Over("void"),
            _ => ReplayError::Changed,
        }
    }

    /// Sends a batch until its reply is known.
    async fn reply(
        &mut self,
        writer: WriterId,
        sequence: u64,
        origins: &[Origin],
        batch: &Batch,
    ) -> Result<Reply, ReplayError> {
        let age_ms = self.now.as_millisecond().saturating_sub(batch.latest_ms);
        let call = Call {
            age: Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)),
            ..Call::new(writer, sequence, Mode::Replay(origins), batch)
        };
        let bytes = self.attempts(&call).await?;
        Reply::parse(&bytes, batch.checked.len())
            .ok_or_else(|| ReplayError::Redis(not_a_reply(&bytes)))
    }

    async fn attempts(&mut self, call: &Call<'_>) -> Result<Vec<u8>, ReplayError> {
        let mut backoff = Backoff::default();
        let mut failed = String::new();
        for _ in 0..ATTEMPTS {
            failed = match self.sender.attempt(call).await {
                Ok(Attempt::Replied(bytes)) => return Ok(bytes),
                Ok(Attempt::NotApplied(reason) | Attempt::Unknown(reason)) => reason,
                Err(aborted) => format!("{aborted:?}"),
            };
            tokio::time::sleep(backoff.next()).await;
        }
        Err(ReplayError::Redis(failed))
    }

    async fn last_of(&mut self, writer: WriterId) -> Result<u64, ReplayError> {
        let read = self.sender.read_ledger(writer).await;
        let entry = read.map_err(|aborted| ReplayError::Redis(format!("{aborted:?}")))?;
        let (last, _) = entry.map_err(|unread| match unread {
            UnreadLedger::NoFence => ReplayError::NoFence(self.sender.shard()),
            UnreadLedger::Failed(reason) => ReplayError::Redis(reason),
        })?;
        Ok(last)
    }

    /// Marks a writer of the process that has left the spill: it never sends again. One that has nothing on record
    /// needs no mark.
    async fn end(&mut self, writer: WriterId) -> Result<(), ReplayError> {
        let last = self.last_of(writer).await?;
        if last == 0 {
            return Ok(());
        }
        let nothing = Batch::starting(0);
        let call = Call::new(writer, last, Mode::End, &nothing);
        match Reply::parse(&self.attempts(&call).await?, 0) {
            Some(Reply::Stands { .. }) => Ok(()),
            _ => Err(ReplayError::Changed),
        }
    }
}

impl SpilledLane {
    /// Whom its batches are recorded as where they can't be recorded as what they were.
    fn derived(&self) -> WriterId {
        let mut hash = Sha256::new();
        hash.update(b"spill\0");
        hash.update(self.writer.as_bytes());
        let mut id = [0; 8];
        id.copy_from_slice(&hash.finalize()[..8]);
        WriterId::from_bytes(id)
    }

    /// All writers that have to do with it: each was of the process that has ended.
    fn writers(&self) -> Vec<WriterId> {
        let origins = self.batches.iter().flat_map(|batch| &batch.origins);
        let mut writers: Vec<_> = origins.map(|(writer, _)| *writer).collect();
        writers.extend(&self.predecessors);
        writers.extend([self.writer, self.derived()]);
        writers.sort_unstable();
        writers.dedup();
        writers
    }
}
