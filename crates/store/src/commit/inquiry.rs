//! What an idle lane asks: whether Redis still has what it had acknowledged. And what it says where the
//! answer is not what it should be.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use vote_domain::WriterId;

use super::{
    attempt::{Aborted, Attempt},
    batch::{Batch, Mode},
    lane::{Lane, NOT_CLOSED},
    reply::Reply,
};

/// The most gaps that a lane repairs before it ends.
const LAST_REPAIRS: usize = 3;

/// A writer that the lane has started over from. It sends nothing any more, but what Redis has of it can
/// still be forgotten.
#[derive(Debug, Clone)]
pub(super) struct Predecessor {
    writer: WriterId,
    /// As the ledger had it last.
    sequence: u64,
    votes: u64,
    /// Asked for until then at least.
    until: Instant,
    /// The ledger says that it has ended.
    ended: bool,
}

impl Predecessor {
    pub(super) const fn new(writer: WriterId, sequence: u64, votes: u64, until: Instant) -> Self {
        Self {
            writer,
            sequence,
            votes,
            until,
            ended: false,
        }
    }

    pub(super) fn is(&self, writer: &WriterId) -> bool {
        self.writer == *writer
    }

    /// The ledger should have more of it again.
    pub(super) const fn expect_more(&mut self, votes: u64) {
        self.votes = self.votes.wrapping_add(votes);
    }
}

/// What came of asking.
enum Answer {
    /// Redis has the last batch.
    Stands,
    /// It had not, which was dealt with.
    Repaired,
    /// None.
    None,
}

impl Lane {
    /// Asks whether Redis still has what it had acknowledged, and repairs what it has forgotten. Once the
    /// poll is closed this marks the writer as drained: all that it has accepted is there.
    pub(super) async fn heartbeat(&mut self) -> Result<(), Aborted> {
        let closed_at_ms = self.shared.closed_at_ms.load(Ordering::Relaxed);
        let (mode, closes_at_ms) = match closed_at_ms {
            NOT_CLOSED => (Mode::Check, 0),
            closes_at_ms => (Mode::Drain, closes_at_ms),
        };
        self.state.asked_at = tokio::time::Instant::now();
        // Whatever comes of it, the mark may be there from now on.
        self.state.drained_for_ms = closed_at_ms;
        let answered = !matches!(self.ask_redis(mode, closes_at_ms).await?, Answer::None)
            && self.ask_for_predecessors().await?;
        if answered {
            self.unblock();
        }
        Ok(())
    }

    /// Before the lane ends: what it has had acknowledged should be there, and its writer is marked as
    /// ended. Said if that can't be made sure of any more.
    pub(super) async fn last_check(&mut self) {
        if self.state.last == 0 && self.state.predecessors.is_empty() {
            return;
        }
        let mut answer = self.ask_redis(Mode::End, 0).await;
        for _ in 0..LAST_REPAIRS {
            if !matches!(answer, Ok(Answer::Repaired)) {
                break;
            }
            answer = self.ask_redis(Mode::End, 0).await;
        }
        let stands = matches!(answer, Ok(Answer::Stands))
            && self.ask_for_predecessors().await.is_ok_and(|asked| asked);
        if !stands {
            let votes: u64 = self.state.window.after(0).map(|kept| kept.counted).sum();
            tracing::warn!(
                writer = %self.writer, shard = self.shard, votes,
                "the lane ends without knowing whether Redis still has its last acknowledged votes: \
                 its writer is not marked as ended"
            );
        }
    }

    async fn ask_redis(&mut self, mode: Mode<'_>, closes_at_ms: i64) -> Result<Answer, Aborted> {
        let last = self.state.last;
        let command = Batch::starting(closes_at_ms).command(
            &self.target,
            &self.writer,
            last,
            mode,
            Duration::ZERO,
        );
        let bytes = match self.attempt(&command).await? {
            Attempt::Replied(bytes) => bytes,
            Attempt::NotApplied(reason) | Attempt::Unknown(reason) => {
                self.block(&reason);
                return Ok(Answer::None);
            }
        };
        match Reply::parse(&bytes, 0) {
            Some(Reply::Stands { votes }) => {
                let expected = std::mem::replace(&mut self.state.acknowledged_votes, votes);
                self.differs(
                    self.writer,
                    expected,
                    votes,
                    "its last batch is there, not all of its votes",
                );
                Ok(Answer::Stands)
            }
            Some(Reply::Gap { last }) => {
                self.repair(last).await?;
                Ok(Answer::Repaired)
            }
            Some(Reply::Behind { last }) => {
                self.start_over("Redis knows this writer beyond its last batch", last)
                    .await?;
                Ok(Answer::Repaired)
            }
            _ => {
                self.block(&format!(
                    "no answer of commit.lua: {:?}",
                    String::from_utf8_lossy(&bytes)
                ));
                Ok(Answer::None)
            }
        }
    }

    /// Asks for the writers that the lane has started over from, and marks them as ended: all that was
    /// left of them has been sent again. Whether all was answered.
    async fn ask_for_predecessors(&mut self) -> Result<bool, Aborted> {
        let now = Instant::now();
        self.state
            .predecessors
            .retain(|old| !old.ended || old.until > now);
        for index in 0..self.state.predecessors.len() {
            let old = self.state.predecessors[index].clone();
            let Some(found) = self.ask_for(&old).await? else {
                return Ok(false);
            };
            self.differs(
                old.writer,
                old.votes,
                found.votes,
                "forgotten after the lane had started over",
            );
            self.state.predecessors[index] = found;
        }
        Ok(true)
    }

    async fn ask_for(&mut self, old: &Predecessor) -> Result<Option<Predecessor>, Aborted> {
        let command = Batch::empty().command(
            &self.target,
            &old.writer,
            old.sequence,
            Mode::End,
            Duration::ZERO,
        );
        let error = match self.attempt(&command).await? {
            Attempt::Replied(bytes) => match Reply::parse(&bytes, 0) {
                Some(Reply::Stands { votes }) => {
                    return Ok(Some(Predecessor {
                        votes,
                        ended: true,
                        ..old.clone()
                    }));
                }
                Some(Reply::Gap { .. } | Reply::Behind { .. }) => {
                    match self.read_ledger(old.writer).await? {
                        Ok((sequence, votes)) => {
                            return Ok(Some(Predecessor {
                                sequence,
                                votes,
                                ended: false,
                                ..old.clone()
                            }));
                        }
                        Err(error) => error,
                    }
                }
                _ => format!(
                    "no answer of commit.lua: {:?}",
                    String::from_utf8_lossy(&bytes)
                ),
            },
            Attempt::NotApplied(reason) | Attempt::Unknown(reason) => reason,
        };
        self.block(&error);
        Ok(None)
    }

    /// The last sequence and all votes of a writer in the ledger.
    pub(super) async fn read_ledger(
        &mut self,
        writer: WriterId,
    ) -> Result<Result<(u64, u64), String>, Aborted> {
        let mut command = redis::cmd("HMGET");
        command
            .arg(self.target.keys.writers())
            .arg(crate::fields::sequence(&writer))
            .arg(crate::fields::votes(&writer));
        let found = self.ask::<(Option<u64>, Option<u64>)>(&command).await?;
        Ok(found.map(|(sequence, votes)| (sequence.unwrap_or(0), votes.unwrap_or(0))))
    }

    /// Compares the votes that Redis should have of a writer with those that it has, and says so where
    /// they differ. (Figures wrap: a difference is what they are for.)
    pub(super) fn differs(&self, writer: WriterId, expected: u64, found: u64, why: &str) {
        let missing = expected.wrapping_sub(found).cast_signed();
        if missing >= 0 {
            self.lost(writer, missing.unsigned_abs(), why);
            return;
        }
        let votes = missing.unsigned_abs();
        self.metrics.unexpected_votes.inc_by(votes);
        tracing::error!(
            %writer, shard = self.shard, votes, votes.acknowledged = expected, votes.recorded = found, why,
            "Redis has votes that it had not acknowledged"
        );
    }

    /// Says that acknowledged votes are not in the tally, and won't be.
    pub(super) fn lost(&self, writer: WriterId, votes: u64, why: &str) {
        if votes == 0 {
            return;
        }
        self.metrics.unrecoverable_votes.inc_by(votes);
        tracing::error!(
            %writer, shard = self.shard, votes, why,
            "acknowledged votes can't be recovered"
        );
    }
}
