//! One batch at a time, repeated until its reply is known.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use vote_domain::WriterId;

use crate::commit::backoff::Backoff;
use crate::commit::batch::Batch;
use crate::commit::books::Books;
use crate::commit::call::{Call, Mode};
use crate::commit::config::LaneConfig;
use crate::commit::heartbeats::Heartbeats;
use crate::commit::in_making::BatchInMaking;
use crate::commit::metrics::{LaneMetrics, gauge_value};
use crate::commit::reply::{Reply, not_a_reply};
use crate::commit::sender::{Aborted, Attempt, Sender};
use crate::commit::shared::LaneShared;
use crate::nodes::SharedLink;

/// Makes the names that lanes send under.
pub(in crate::commit) type NewWriter = Arc<dyn Fn() -> WriterId + Send + Sync>;

/// Records the batches of one lane.
pub(in crate::commit) struct Recorder {
    pub(in crate::commit) sender: Sender,
    pub(in crate::commit) books: Books,
    pub(super) metrics: LaneMetrics,
    pub(super) new_writer: NewWriter,
    pub(super) replay_window: Duration,
    idempotency_window: Duration,
    shared: Arc<LaneShared>,
    /// What Redis has forgotten of one lane it may have forgotten of all: they are told.
    pub(super) heartbeats: Arc<Heartbeats>,
    /// Whether they were told already that the shard has nothing, not even its fence.
    pub(super) has_told_of_nothing: bool,
}

impl Recorder {
    pub(in crate::commit) fn new(
        sender: Sender,
        books: Books,
        new_writer: NewWriter,
        config: &LaneConfig,
        shared: Arc<LaneShared>,
        metrics: LaneMetrics,
        heartbeats: Arc<Heartbeats>,
    ) -> Self {
        Self {
            sender,
            books,
            has_told_of_nothing: false,
            heartbeats,
            metrics,
            new_writer,
            replay_window: config.replay_window,
            idempotency_window: config.idempotency_window,
            shared,
        }
    }

    /// Sends the batch until its reply is known. `None`: it never will be, or every client has
    /// recalled meanwhile; each vote's ticket knows which.
    pub(in crate::commit) async fn record(
        &mut self,
        making: &mut BatchInMaking,
    ) -> Result<Option<(u64, Reply)>, Aborted> {
        let mut backoff = Backoff::default();
        loop {
            let Some(link) = self.connect(making, &mut backoff).await? else {
                return Ok(None);
            };
            // Until here its clients could take their votes back.
            if !making.send_again(self.idempotency_window) {
                return Ok(None);
            }
            let sequence = self.books.next();
            let error = match self.attempt(link, making, sequence).await? {
                Attempt::Replied(bytes) => match Reply::parse(&bytes, making.batch.checked.len()) {
                    Some(Reply::Gap { last }) => {
                        making.take_back();
                        self.repair(last).await?;
                        None
                    }
                    Some(Reply::Behind { last }) => {
                        making.take_back();
                        self.start_over("Redis knows this writer beyond its last batch", last)
                            .await?;
                        if making.is_uncertain {
                            return Ok(None);
                        }
                        None
                    }
                    Some(Reply::Waits(state)) => Some(format!("the fence is {state}")),
                    Some(reply) => {
                        self.unblock();
                        self.note_complete();
                        if making.is_uncertain {
                            self.metrics.poll.replays.inc();
                        }
                        return Ok(Some((sequence, reply)));
                    }
                    None => {
                        making.is_uncertain = true;
                        Some(not_a_reply(&bytes))
                    }
                },
                Attempt::NotApplied(reason) => Some(reason),
                Attempt::Unknown(reason) => {
                    making.is_uncertain = true;
                    Some(reason)
                }
            };
            if let Some(error) = error {
                making.take_back();
                self.retry_after(&error, &mut backoff).await?;
                self.sender.hold_back().await?;
            }
        }
    }

    /// A connection for the batch, as soon as there is one; `None` where nobody waits for it any more.
    async fn connect(
        &mut self,
        making: &BatchInMaking,
        backoff: &mut Backoff,
    ) -> Result<Option<SharedLink>, Aborted> {
        loop {
            let error = match self.sender.connect().await? {
                Ok(link) => return Ok(Some(link)),
                Err(error) => error,
            };
            self.retry_after(&error, backoff).await?;
            self.sender.hold_back().await?;
            if !making.is_waited_for() {
                return Ok(None);
            }
        }
    }

    /// Sends the batch itself, or what ends it: a batch with keys whose outcome is not known must not be
    /// recorded after its keys may have been forgotten, for then a repeat would count once more.
    async fn attempt(
        &mut self,
        link: SharedLink,
        making: &BatchInMaking,
        sequence: u64,
    ) -> Result<Attempt, Aborted> {
        let nothing = Batch::starting(0);
        let is_over = making.is_uncertain && making.outlives_a_key(self.idempotency_window);
        let (mode, batch) = if is_over {
            (Mode::Burn, &nothing)
        } else {
            (Mode::Live, &making.batch)
        };
        let call = Call {
            age: making.age(),
            ..Call::new(self.books.writer(), sequence, mode, batch)
        };
        self.sender.attempt_over(link, &call).await
    }

    /// Notes that an attempt has failed, and pauses before the next one.
    pub(super) async fn retry_after(
        &self,
        error: &str,
        backoff: &mut Backoff,
    ) -> Result<(), Aborted> {
        self.block(error);
        self.shared.queue.drop_recalled();
        self.metrics.queue.set(gauge_value(self.shared.queue.len()));
        self.sender.pause(backoff.next()).await
    }

    /// Notes that Redis can't be reached.
    pub(super) fn block(&self, reason: &str) {
        self.metrics.poll.retries.inc();
        if !self.shared.blocked.swap(true, Ordering::Relaxed) {
            let (shard, writer) = (self.sender.shard(), self.books.writer());
            tracing::warn!(poll = %self.sender.poll(), shard, %writer, reason, "lane blocked");
        }
    }

    pub(super) fn unblock(&self) {
        if self.shared.blocked.swap(false, Ordering::Relaxed) {
            let (shard, writer) = (self.sender.shard(), self.books.writer());
            tracing::info!(poll = %self.sender.poll(), shard, %writer, "lane unblocked");
        }
    }

    /// Compares the votes that Redis should have of a writer with those that it has, and says so where
    /// they differ. (Figures wrap: a difference is what they are for.)
    pub(super) fn compare(&mut self, writer: WriterId, expected: u64, found: u64, why: &str) {
        let missing = expected.wrapping_sub(found).cast_signed();
        if missing >= 0 {
            self.lost(writer, missing.unsigned_abs(), why);
            return;
        }
        let votes = missing.unsigned_abs();
        self.metrics.poll.unexpected_votes.inc_by(votes);
        tracing::error!(
            poll = %self.sender.poll(), shard = self.sender.shard(), %writer,
            votes, votes.acknowledged = expected, votes.recorded = found, why,
            "Redis has votes that it had not acknowledged"
        );
    }

    /// Says that acknowledged votes are not in the tally, and won't be. Redis is told with the next question.
    pub(super) fn lost(&mut self, writer: WriterId, votes: u64, why: &str) {
        if votes == 0 {
            return;
        }
        self.metrics.poll.unrecoverable_votes.inc_by(votes);
        self.books.lose(votes);
        tracing::error!(
            poll = %self.sender.poll(), shard = self.sender.shard(), %writer, votes, why,
            "acknowledged votes can't be recovered"
        );
    }
}
