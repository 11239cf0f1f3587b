//! What is done about a gap that can't be repaired: the lane goes on under another name.

use std::time::Instant;

use vote_domain::WriterId;

use super::exactly_once::Recorder;
use super::repair::Replayed;
use crate::commit::backoff::Backoff;
use crate::commit::batch::Origin;
use crate::commit::books::{Acknowledged, Predecessor, Remains};
use crate::commit::sender::Aborted;

/// The lane was told to end while a batch of the old writer was sent again.
struct Interrupted {
    /// As what it may be on record, if that attempt has come through.
    attempted: Option<Origin>,
}

impl Interrupted {
    const fn after(attempted: Origin) -> Self {
        Self {
            attempted: Some(attempted),
        }
    }

    /// Redis had said that it does not have it, and something else was sent since.
    const fn before_any() -> Self {
        Self { attempted: None }
    }
}

impl Recorder {
    /// Goes on as a new writer, from sequence 1: what is still in the replay log is sent again, what
    /// is not is lost, and said with its exact number. Receipts of what was sent again name the old
    /// writer, and can't be proved by the ledger any more.
    pub(super) async fn start_over(&mut self, why: &str, redis_last: u64) -> Result<(), Aborted> {
        let on_record = self.on_record(self.books.writer()).await;
        let (mut recorded_last, mut recorded) = match on_record {
            Ok(entry) => entry,
            Err(Aborted) => return self.strand_all(redis_last, why),
        };
        let mut old = self.books.start_over((self.new_writer)(), recorded_last);
        let mut in_log: u64 = old.batches.iter().map(|batch| batch.counted).sum();
        let mut unsent = in_log;
        let mut resent = 0;
        let mut may_be_back = false;
        self.metrics.missing_votes.set(unsent.cast_signed());
        while let Some(batch) = old.batches.pop_front() {
            let counted = batch.counted;
            if batch.batch.votes() > 0 {
                may_be_back = true;
                match self.send_as_new_writer(old.writer, batch.clone()).await {
                    Ok(Some(recorded)) => resent += recorded,
                    Ok(None) => in_log -= counted,
                    Err(Interrupted { attempted }) => {
                        let mut batch = batch;
                        batch.origins.extend(attempted);
                        old.batches.push_front(batch);
                        self.compare(old.writer, old.votes, recorded.wrapping_add(in_log), why);
                        self.books.strand(old);
                        return Err(Aborted);
                    }
                }
            }
            unsent = unsent.wrapping_sub(counted);
            self.metrics.missing_votes.set(unsent.cast_signed());
        }
        let mut is_known = Ok(());
        if may_be_back {
            // It may have waited long, and a backup may have been restored meanwhile.
            match self.on_record(old.writer).await {
                Ok(entry) => (recorded_last, recorded) = entry,
                Err(Aborted) => is_known = Err(Aborted),
            }
        }
        self.books.add_predecessor(Predecessor {
            writer: old.writer,
            sequence: recorded_last,
            votes: recorded,
            until: Instant::now() + self.replay_window,
            ended: false,
        });
        tracing::error!(
            poll = %self.sender.poll(), shard = self.sender.shard(),
            writer = %old.writer, new_writer = %self.books.writer(), why,
            redis.last = redis_last, lane.last = old.last,
            votes.acknowledged = old.votes, votes.recorded = recorded, votes.resent = resent,
            "the lane starts over as a new writer"
        );
        self.metrics.poll.repaired_votes.inc_by(resent);
        self.compare(old.writer, old.votes, recorded.wrapping_add(in_log), why);
        is_known
    }

    /// The lane was told to end before it could be read what Redis has of the writer. Where Redis had said that it has nothing, what
    /// is not in the replay log is not anywhere, for all that this process will know.
    fn strand_all(&mut self, redis_last: u64, why: &str) -> Result<(), Aborted> {
        if redis_last == 0 {
            let old = self.books.start_over((self.new_writer)(), 0);
            let in_log = old.batches.iter().map(|batch| batch.counted).sum();
            self.compare(old.writer, old.votes, in_log, why);
            self.books.strand(old);
        }
        Err(Aborted)
    }

    /// Sends a batch of the old writer as the next one of the new writer; how many of its votes are
    /// recorded as the new writer's then. `None`: it is on record as an earlier writer's.
    async fn send_as_new_writer(
        &mut self,
        old: WriterId,
        mut batch: Acknowledged,
    ) -> Result<Option<u64>, Interrupted> {
        batch.origins.push((old, batch.sequence));
        loop {
            let sequence = self.books.next();
            let attempted = (self.books.writer(), sequence);
            let replayed = self.replay(&batch, sequence).await;
            match replayed.map_err(|Aborted| Interrupted::after(attempted))? {
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
                Replayed::Gap(last) => {
                    let repaired = Box::pin(self.repair(last)).await;
                    repaired.map_err(|Aborted| Interrupted::before_any())?;
                }
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
                Err(unread) => self.retry_after(&unread.reason(), &mut backoff).await?,
            }
        }
    }
}
