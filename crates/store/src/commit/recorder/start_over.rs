//! What is done about a gap that can't be repaired: the lane goes on under another name.

use std::time::Instant;

use vote_domain::WriterId;

use super::exactly_once::Recorder;
use super::repair::Replayed;
use crate::commit::backoff::Backoff;
use crate::commit::books::{Acknowledged, Predecessor, Remains};
use crate::commit::sender::Aborted;

impl Recorder {
    /// Goes on as a new writer, from sequence 1: what is still in the replay log is sent again, what
    /// is not is lost, and said with its exact number. Receipts of what was sent again name the old
    /// writer, and can't be proved by the ledger any more.
    pub(super) async fn start_over(&mut self, why: &str, redis_last: u64) -> Result<(), Aborted> {
        let (mut recorded_last, mut recorded) = self.on_record(self.books.writer()).await?;
        let old = self.books.start_over((self.new_writer)(), recorded_last);
        let mut in_log: u64 = old.batches.iter().map(|batch| batch.counted).sum();
        let mut resent = 0;
        let mut may_be_back = false;
        for batch in old.batches {
            if batch.batch.votes() > 0 {
                may_be_back = true;
                let counted = batch.counted;
                match self.send_as_new_writer(old.writer, batch).await? {
                    Some(recorded) => resent += recorded,
                    None => in_log -= counted,
                }
            }
        }
        if may_be_back {
            // It may have waited long, and a backup may have been restored meanwhile.
            (recorded_last, recorded) = self.on_record(old.writer).await?;
        }
        tracing::error!(
            poll = %self.sender.poll(), shard = self.sender.shard(),
            writer = %old.writer, new_writer = %self.books.writer(), why,
            redis.last = redis_last, lane.last = old.last,
            votes.acknowledged = old.votes, votes.recorded = recorded, votes.resent = resent,
            "the lane starts over as a new writer"
        );
        self.metrics.repaired_votes.inc_by(resent);
        self.compare(old.writer, old.votes, recorded.wrapping_add(in_log), why);
        self.books.add_predecessor(Predecessor {
            writer: old.writer,
            sequence: recorded_last,
            votes: recorded,
            until: Instant::now() + self.replay_window,
            ended: false,
        });
        Ok(())
    }

    /// Sends a batch of the old writer as the next one of the new writer; how many of its votes are
    /// recorded as the new writer's then. `None`: it is on record as an earlier writer's.
    async fn send_as_new_writer(
        &mut self,
        old: WriterId,
        mut batch: Acknowledged,
    ) -> Result<Option<u64>, Aborted> {
        batch.origins.push((old, batch.sequence));
        loop {
            let sequence = self.books.next();
            match self.replay(&batch, sequence).await? {
                Replayed::Recorded(remains) => {
                    let counted = remains.counted;
                    self.lost(
                        old,
                        remains.refused,
                        "keys or limits were used up meanwhile",
                    );
                    self.books
                        .acknowledge_resent(sequence, remains, batch.origins);
                    return Ok(Some(counted));
                }
                Replayed::Original => {
                    let nothing = Remains::elsewhere(&batch.batch);
                    self.books
                        .acknowledge_resent(sequence, nothing, batch.origins);
                    return Ok(None);
                }
                // Forgotten once more: what the new writer has sent so far is in its replay log.
                Replayed::Gap(last) => Box::pin(self.repair(last)).await?,
                Replayed::Refused(why) => {
                    self.lost(old, batch.counted, &why);
                    return Ok(Some(0));
                }
            }
        }
    }

    /// What the ledger has of a writer: the last sequence and all votes, read in one step.
    async fn on_record(&mut self, writer: WriterId) -> Result<(u64, u64), Aborted> {
        let mut backoff = Backoff::default();
        loop {
            match self.sender.read_ledger(writer).await? {
                Ok(entry) => return Ok(entry),
                Err(error) => self.retry_after(&error, &mut backoff).await?,
            }
        }
    }
}
