//! What a lane does when Redis has forgotten what it had acknowledged.

use std::time::Instant;

use super::{
    attempt::{Aborted, Attempt, Backoff},
    batch::{Batch, Mode},
    lane::Lane,
    reply::{Letter, Reply},
};

/// What came of sending a batch again.
enum Replayed {
    /// So many of its votes are in the tally.
    Recorded(u64),
    /// Redis has forgotten more meanwhile: it has the writer only up to this sequence.
    Gap(u64),
    /// The poll is over for good, or something that should not be.
    Refused(String),
}

impl Lane {
    /// Asks whether Redis still has the last batch, and repairs what it has forgotten.
    pub(super) async fn heartbeat(&mut self) -> Result<(), Aborted> {
        let (last, age) = (self.state.last, std::time::Duration::ZERO);
        let command = Batch::empty().command(&self.target, &self.writer, last, Mode::Check, age);
        match self.attempt(&command).await? {
            Attempt::Replied(bytes) if bytes.first() == Some(&b'G') => {
                if let Some(Reply::Gap { last }) = Reply::parse(&bytes, 0) {
                    self.repair(last).await?;
                }
                self.unblock();
            }
            Attempt::Replied(_) => self.unblock(),
            Attempt::NotApplied(reason) | Attempt::Unknown(reason) => self.block(&reason),
        }
        Ok(())
    }

    /// Before the lane ends: what it has had acknowledged should be there. Said if that can't be
    /// made sure of any more.
    pub(super) async fn last_check(&mut self) {
        self.state.window.expire();
        let votes: u64 = self
            .state
            .window
            .after(0)
            .map(|kept| kept.batch.votes())
            .sum();
        if votes == 0 {
            return;
        }
        let checked = self.heartbeat().await;
        if checked.is_err()
            || self
                .shared
                .blocked
                .load(std::sync::atomic::Ordering::Relaxed)
        {
            tracing::warn!(
                writer = %self.writer, shard = self.shard, votes,
                "the lane ends without knowing whether Redis still has its last acknowledged votes"
            );
        }
    }

    /// Redis has forgotten batches that it had acknowledged: sends them again, in order.
    pub(super) async fn repair(&mut self, last: u64) -> Result<(), Aborted> {
        self.metrics.gaps.inc();
        tracing::warn!(
            writer = %self.writer, shard = self.shard, redis.last = last, lane.last = self.state.last,
            "Redis has forgotten acknowledged batches"
        );
        if last >= self.state.last || !self.state.window.reaches(last) {
            return self
                .start_over("the gap is beyond the replay window", last)
                .await;
        }
        let mut repaired = 0;
        let mut reached = last;
        for (sequence, batch, at) in self.missing_after(last) {
            match self.replay(&batch, sequence, at).await? {
                Replayed::Recorded(votes) => {
                    repaired += votes;
                    self.lost(
                        batch.votes() - votes,
                        "keys or limits were used up meanwhile",
                    );
                }
                // The next attempt finds the new gap.
                Replayed::Gap(_) => return Ok(()),
                Replayed::Refused(reply) => {
                    self.give_up_after(reached, &reply);
                    break;
                }
            }
            reached = sequence;
        }
        self.metrics.repaired_votes.inc_by(repaired);
        tracing::warn!(writer = %self.writer, shard = self.shard, votes = repaired, "gap repaired");
        Ok(())
    }

    /// The poll is over for good, and takes nothing of what is missing any more.
    fn give_up_after(&mut self, reached: u64, why: &str) {
        let missing: u64 = self
            .state
            .window
            .after(reached)
            .map(|kept| kept.batch.votes())
            .sum();
        self.lost(missing, why);
        self.state.window.clear();
        self.state.last = reached;
    }

    fn missing_after(&self, last: u64) -> Vec<(u64, Batch, Instant)> {
        self.state
            .window
            .after(last)
            .map(|kept| (kept.sequence, kept.batch.clone(), kept.at))
            .collect()
    }

    /// Sends an acknowledged batch again until its reply is known.
    async fn replay(
        &mut self,
        batch: &Batch,
        sequence: u64,
        at: Instant,
    ) -> Result<Replayed, Aborted> {
        let mut backoff = Backoff::default();
        loop {
            let command = batch.command(
                &self.target,
                &self.writer,
                sequence,
                Mode::Replay,
                at.elapsed(),
            );
            let error = match self.attempt(&command).await? {
                Attempt::Replied(bytes) => match Reply::parse(&bytes, batch.checked.len()) {
                    Some(Reply::Applied(letters)) => {
                        let refused = letters
                            .iter()
                            .filter(|letter| {
                                !matches!(letter, Letter::Accepted | Letter::Duplicate)
                            })
                            .count();
                        return Ok(Replayed::Recorded(batch.votes() - refused as u64));
                    }
                    Some(Reply::Gap { last }) => return Ok(Replayed::Gap(last)),
                    // It is there after all: another server had said that it was not.
                    Some(Reply::Behind { .. }) => return Ok(Replayed::Recorded(batch.votes())),
                    Some(Reply::Waits(state)) => format!("the fence is {state}"),
                    Some(reply) => {
                        return Ok(Replayed::Refused(format!(
                            "its replay was answered {reply:?}"
                        )));
                    }
                    None => format!(
                        "not a reply of commit.lua: {:?}",
                        String::from_utf8_lossy(&bytes)
                    ),
                },
                Attempt::NotApplied(reason) | Attempt::Unknown(reason) => reason,
            };
            self.block(&error);
            self.pause(&mut backoff).await?;
        }
    }

    /// Goes on as a new writer, from sequence 1: what is still in the window is sent again, what
    /// is not is lost, and said with its exact number. Receipts of what was sent again name the old
    /// writer, and can't be proved by the ledger any more.
    pub(super) async fn start_over(&mut self, why: &str, redis_last: u64) -> Result<(), Aborted> {
        let (recorded_last, recorded) = self.on_record().await?;
        let mut kept = self.missing_after(recorded_last);
        kept.retain(|(_, batch, _)| batch.votes() > 0);
        let old = self.writer;
        self.writer = (self.new_writer)();
        self.state.window.clear();
        let lane_last = std::mem::take(&mut self.state.last);
        let acknowledged = std::mem::take(&mut self.state.acknowledged_votes);
        let mut resent = 0;
        for (_, batch, at) in kept {
            resent += self.send_as_new_writer(batch, at).await?;
        }
        let lost = acknowledged.saturating_sub(recorded).saturating_sub(resent);
        tracing::error!(
            writer = %old, new_writer = %self.writer, shard = self.shard, why,
            redis.last = redis_last, lane.last = lane_last,
            votes.acknowledged = acknowledged, votes.recorded = recorded, votes.resent = resent,
            "the lane starts over as a new writer"
        );
        self.metrics.repaired_votes.inc_by(resent);
        self.metrics.unrecoverable_votes.inc_by(lost);
        if lost > 0 {
            tracing::error!(
                writer = %old, shard = self.shard, votes = lost, why,
                "acknowledged votes can't be recovered"
            );
        }
        Ok(())
    }

    /// Sends a batch of the old writer as the next one of the new writer; how many of its votes are
    /// in the tally then.
    async fn send_as_new_writer(&mut self, batch: Batch, at: Instant) -> Result<u64, Aborted> {
        loop {
            let sequence = self.state.last + 1;
            match self.replay(&batch, sequence, at).await? {
                Replayed::Recorded(votes) => {
                    self.state.last = sequence;
                    self.state.acknowledged_votes += votes;
                    self.state.window.keep(sequence, batch);
                    return Ok(votes);
                }
                // Forgotten once more: what the new writer has sent so far is in its window.
                Replayed::Gap(last) => Box::pin(self.repair(last)).await?,
                Replayed::Refused(_) => return Ok(0),
            }
        }
    }

    /// What the ledger has of this writer: the last sequence and all votes, read in one step.
    async fn on_record(&mut self) -> Result<(u64, u64), Aborted> {
        let mut command = redis::cmd("HMGET");
        command
            .arg(self.target.keys.writers())
            .arg(format!("{}/sequence", self.writer))
            .arg(format!("{}/votes", self.writer));
        let mut backoff = Backoff::default();
        loop {
            match self.ask::<(Option<u64>, Option<u64>)>(&command).await? {
                Ok((sequence, votes)) => return Ok((sequence.unwrap_or(0), votes.unwrap_or(0))),
                Err(error) => self.block(&error),
            }
            self.pause(&mut backoff).await?;
        }
    }

    /// Says that acknowledged votes are not in the tally, and won't be.
    fn lost(&mut self, votes: u64, why: &str) {
        if votes == 0 {
            return;
        }
        self.state.acknowledged_votes = self.state.acknowledged_votes.saturating_sub(votes);
        self.metrics.unrecoverable_votes.inc_by(votes);
        tracing::error!(
            writer = %self.writer, shard = self.shard, votes, why,
            "acknowledged votes can't be recovered"
        );
    }
}
