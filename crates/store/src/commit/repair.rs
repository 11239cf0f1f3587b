//! What a lane does when Redis has forgotten what it had acknowledged.

use super::{
    attempt::{Aborted, Attempt, Backoff},
    batch::{Batch, Mode},
    lane::Lane,
    reply::Reply,
};

impl Lane {
    /// Asks whether Redis still has the last batch, and repairs what it has forgotten.
    pub(super) async fn heartbeat(&mut self) -> Result<(), Aborted> {
        let command =
            Batch::empty().command(&self.target, &self.writer, self.state.last, Mode::Check);
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
        let missing: Vec<(u64, Batch)> = self
            .state
            .window
            .after(last)
            .map(|(sequence, batch)| (sequence, batch.clone()))
            .collect();
        let mut votes = 0;
        let count = missing.len();
        for (sequence, batch) in missing {
            match self.replay(&batch, sequence).await? {
                Reply::Applied(_) => votes += batch.votes(),
                // Forgotten once more while we repaired: the next attempt finds the new gap.
                Reply::Gap { .. } => return Ok(()),
                reply => {
                    self.lost(batch.votes(), &format!("its replay was answered {reply:?}"));
                }
            }
        }
        self.metrics.repaired_votes.inc_by(votes);
        tracing::warn!(writer = %self.writer, shard = self.shard, batches = count, votes, "gap repaired");
        Ok(())
    }

    /// Sends an acknowledged batch again until its reply is known.
    pub(super) async fn replay(&mut self, batch: &Batch, sequence: u64) -> Result<Reply, Aborted> {
        let command = batch.command(&self.target, &self.writer, sequence, Mode::Replay);
        let mut backoff = Backoff::default();
        loop {
            let error = match self.attempt(&command).await? {
                Attempt::Replied(bytes) => match Reply::parse(&bytes, batch.checked.len()) {
                    Some(reply) => return Ok(reply),
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
    /// is not is lost, and said with its exact number.
    pub(super) async fn start_over(&mut self, why: &str, redis_last: u64) -> Result<(), Aborted> {
        let recorded = self.votes_on_record().await?;
        let kept = if redis_last < self.state.last {
            self.state.window.drain()
        } else {
            Vec::new()
        };
        let old = self.writer;
        self.writer = (self.new_writer)();
        let lane_last = std::mem::take(&mut self.state.last);
        let acknowledged = std::mem::take(&mut self.state.acknowledged_votes);
        // Batches of the window that Redis still has must not be sent a second time.
        let first_kept = lane_last + 1 - kept.len() as u64;
        let mut resent = 0;
        for (index, batch) in kept.into_iter().enumerate() {
            if first_kept + (index as u64) <= redis_last || batch.votes() == 0 {
                continue;
            }
            let sequence = self.state.last + 1;
            match self.replay(&batch, sequence).await? {
                Reply::Applied(_) => {
                    self.state.last = sequence;
                    resent += batch.votes();
                    self.state.acknowledged_votes += batch.votes();
                    self.state.window.keep(sequence, batch);
                }
                reply => self.lost(batch.votes(), &format!("its replay was answered {reply:?}")),
            }
        }
        let lost = acknowledged.saturating_sub(recorded).saturating_sub(resent);
        tracing::error!(
            writer = %old, new_writer = %self.writer, shard = self.shard, why,
            redis.last = redis_last, lane.last = lane_last,
            votes.acknowledged = acknowledged, votes.recorded = recorded, votes.resent = resent,
            "the lane starts over as a new writer"
        );
        self.metrics.repaired_votes.inc_by(resent);
        if lost > 0 {
            self.lost(lost, why);
        }
        Ok(())
    }

    /// What the ledger has of this writer.
    pub(super) async fn votes_on_record(&mut self) -> Result<u64, Aborted> {
        let mut command = redis::cmd("HGET");
        command
            .arg(self.target.keys.writers())
            .arg(format!("{}/votes", self.writer));
        let mut backoff = Backoff::default();
        loop {
            let error = match self.pool.get().await {
                Ok(mut connection) => {
                    match command.query_async::<Option<u64>>(&mut connection).await {
                        Ok(votes) => return Ok(votes.unwrap_or(0)),
                        Err(error) => error.to_string(),
                    }
                }
                Err(error) => error.to_string(),
            };
            self.block(&error);
            self.pause(&mut backoff).await?;
        }
    }

    pub(super) fn lost(&self, votes: u64, why: &str) {
        self.metrics.unrecoverable_votes.inc_by(votes);
        tracing::error!(writer = %self.writer, shard = self.shard, votes, why, "acknowledged votes can't be recovered");
    }
}
