//! What a lane does when Redis has forgotten what it had acknowledged.

use std::time::Instant;

use vote_domain::{Refusal, WriterId};

use super::{
    attempt::{Aborted, Attempt, Backoff},
    batch::{Batch, Mode},
    inquiry::Predecessor,
    lane::Lane,
    reply::{Letter, Reply},
    window::Acknowledged,
};

/// What came of sending a batch again.
enum Replayed {
    /// It is on record.
    Recorded(Remains),
    /// It is on record as an earlier writer's: Redis has what it had forgotten. Its sequence is taken.
    Original,
    /// Redis has forgotten more meanwhile: it has the writer only up to this sequence.
    Gap(u64),
    /// The poll is over for good, or something that should not be.
    Refused(String),
}

/// What is left of a batch that was sent again.
struct Remains {
    /// Without the votes that can't be recorded any more.
    batch: Batch,
    /// The votes that the ledger has of it: without those that another batch had recorded before.
    counted: u64,
    /// The votes that can't be recorded any more.
    refused: u64,
}

impl Remains {
    /// Of a batch that was applied, by the outcomes of its checked votes.
    fn after(mut batch: Batch, letters: &[Letter]) -> Self {
        let votes = batch.votes();
        let elsewhere = letters.iter().filter(|l| **l == Letter::Duplicate).count() as u64;
        let mut letters = letters.iter();
        batch.checked.retain(|_| {
            matches!(
                letters.next(),
                Some(Letter::Accepted | Letter::Duplicate) | None
            )
        });
        let left = batch.votes();
        Self {
            batch,
            counted: left - elsewhere,
            refused: votes - left,
        }
    }

    /// Of a batch whose sequence is taken, with nothing recorded.
    fn nothing(batch: &Batch) -> Self {
        Self {
            refused: batch.votes(),
            counted: 0,
            batch: Batch::starting(batch.earliest_ms),
        }
    }

    /// Of a batch that is on record as an earlier writer's: nothing is to be sent again.
    fn elsewhere(batch: &Batch) -> Self {
        Self {
            refused: 0,
            ..Self::nothing(batch)
        }
    }

    /// Of a batch that is there as it was.
    fn all(kept: &Acknowledged) -> Self {
        Self {
            batch: kept.batch.clone(),
            counted: kept.counted,
            refused: 0,
        }
    }
}

impl Lane {
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
        while let Some(kept) = self.state.window.first_after(reached) {
            let remains = match self.replay(&kept, kept.sequence).await? {
                Replayed::Recorded(remains) => remains,
                Replayed::Original => {
                    self.expect_again(&kept);
                    Remains::elsewhere(&kept.batch)
                }
                // The next attempt finds the new gap.
                Replayed::Gap(_) => return Ok(()),
                Replayed::Refused(reply) => {
                    self.give_up_after(reached, &reply);
                    break;
                }
            };
            repaired += remains.counted;
            self.state.expect_less(kept.counted);
            self.state.expect_more(remains.counted);
            self.lost(
                self.writer,
                remains.refused,
                "keys or limits were used up meanwhile",
            );
            // What was said to be lost is not sent a second time.
            self.state
                .window
                .amend(kept.sequence, remains.batch, remains.counted);
            reached = kept.sequence;
        }
        self.metrics.repaired_votes.inc_by(repaired);
        tracing::warn!(writer = %self.writer, shard = self.shard, votes = repaired, "gap repaired");
        Ok(())
    }

    /// What had been sent again is on record as an earlier writer's after all: that is to be expected there.
    fn expect_again(&mut self, kept: &Acknowledged) {
        let is_origin =
            |old: &&mut Predecessor| kept.origins.iter().any(|(writer, _)| old.is(writer));
        if let Some(old) = self.state.predecessors.iter_mut().find(is_origin) {
            old.expect_more(kept.counted);
        }
    }

    /// The poll is over for good, and takes nothing of what is missing any more.
    fn give_up_after(&mut self, reached: u64, why: &str) {
        let missing = self
            .state
            .window
            .after(reached)
            .map(|kept| kept.counted)
            .sum();
        self.state.expect_less(missing);
        self.lost(self.writer, missing, why);
        self.state.window.clear();
        self.state.last = reached;
    }

    /// Sends an acknowledged batch again until its reply is known.
    async fn replay(&mut self, kept: &Acknowledged, sequence: u64) -> Result<Replayed, Aborted> {
        let mut backoff = Backoff::default();
        let batch = &kept.batch;
        loop {
            let command = batch.command(
                &self.target,
                &self.writer,
                sequence,
                Mode::Replay(&kept.origins),
                kept.at.elapsed(),
            );
            let error = match self.attempt(&command).await? {
                Attempt::Replied(bytes) => match Reply::parse(&bytes, batch.checked.len()) {
                    Some(Reply::Applied(letters)) => {
                        let remains = Remains::after(batch.clone(), &letters);
                        return Ok(Replayed::Recorded(remains));
                    }
                    Some(Reply::Gap { last }) => return Ok(Replayed::Gap(last)),
                    // It is there after all: another server had said that it was not.
                    Some(Reply::Behind { .. }) => {
                        return Ok(Replayed::Recorded(Remains::all(kept)));
                    }
                    Some(Reply::Original) => return Ok(Replayed::Original),
                    Some(Reply::Waits(state)) => format!("the fence is {state}"),
                    Some(reply @ Reply::Refused(Refusal::Sealed | Refusal::Void, _)) => {
                        return Ok(Replayed::Refused(format!(
                            "its replay was answered {reply:?}"
                        )));
                    }
                    // Stored replies to the batch as it was sent first: on a server that has it after
                    // all, or by an attempt that came late and has taken its sequence.
                    None if bytes.first() == Some(&b'A') => {
                        return Ok(Replayed::Recorded(Remains::all(kept)));
                    }
                    Some(_) => return Ok(Replayed::Recorded(Remains::nothing(batch))),
                    None if matches!(bytes.first(), Some(b'L' | b'R')) => {
                        return Ok(Replayed::Recorded(Remains::nothing(batch)));
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
        let old = self.writer;
        let (mut recorded_last, mut recorded) = self.on_record(old).await?;
        let kept = self.state.window.take_after(recorded_last);
        self.writer = (self.new_writer)();
        let lane_last = std::mem::take(&mut self.state.last);
        let acknowledged = std::mem::take(&mut self.state.acknowledged_votes);
        let mut in_window: u64 = kept.iter().map(|kept| kept.counted).sum();
        let mut resent = 0;
        let mut may_be_back = false;
        for kept in kept {
            if kept.batch.votes() > 0 {
                may_be_back = true;
                let counted = kept.counted;
                match self.send_as_new_writer(old, kept).await? {
                    Some(recorded) => resent += recorded,
                    None => in_window -= counted,
                }
            }
        }
        if may_be_back {
            // It may have waited long, and a backup may have been restored meanwhile.
            (recorded_last, recorded) = self.on_record(old).await?;
        }
        tracing::error!(
            writer = %old, new_writer = %self.writer, shard = self.shard, why,
            redis.last = redis_last, lane.last = lane_last,
            votes.acknowledged = acknowledged, votes.recorded = recorded, votes.resent = resent,
            "the lane starts over as a new writer"
        );
        self.metrics.repaired_votes.inc_by(resent);
        self.differs(old, acknowledged, recorded.wrapping_add(in_window), why);
        self.state.predecessors.push(Predecessor::new(
            old,
            recorded_last,
            recorded,
            Instant::now() + self.config.replay_window,
        ));
        Ok(())
    }

    /// Sends a batch of the old writer as the next one of the new writer; how many of its votes are
    /// recorded as the new writer's then. `None`: it is on record as an earlier writer's.
    async fn send_as_new_writer(
        &mut self,
        old: WriterId,
        mut kept: Acknowledged,
    ) -> Result<Option<u64>, Aborted> {
        kept.origins.push((old, kept.sequence));
        loop {
            let sequence = self.state.last + 1;
            match self.replay(&kept, sequence).await? {
                Replayed::Recorded(remains) => {
                    let counted = remains.counted;
                    self.state.last = sequence;
                    self.state.expect_more(counted);
                    self.state
                        .window
                        .keep_resent(sequence, remains.batch, counted, kept.origins);
                    self.lost(
                        old,
                        remains.refused,
                        "keys or limits were used up meanwhile",
                    );
                    return Ok(Some(counted));
                }
                Replayed::Original => {
                    let nothing = Remains::elsewhere(&kept.batch).batch;
                    self.state.last = sequence;
                    self.state
                        .window
                        .keep_resent(sequence, nothing, 0, kept.origins);
                    return Ok(None);
                }
                // Forgotten once more: what the new writer has sent so far is in its window.
                Replayed::Gap(last) => Box::pin(self.repair(last)).await?,
                Replayed::Refused(reply) => {
                    self.lost(old, kept.counted, &reply);
                    return Ok(Some(0));
                }
            }
        }
    }

    /// What the ledger has of a writer: the last sequence and all votes, read in one step.
    async fn on_record(&mut self, writer: WriterId) -> Result<(u64, u64), Aborted> {
        let mut backoff = Backoff::default();
        loop {
            match self.read_ledger(writer).await? {
                Ok(found) => return Ok(found),
                Err(error) => self.block(&error),
            }
            self.pause(&mut backoff).await?;
        }
    }
}
