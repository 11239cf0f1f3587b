//! The lane: carries the votes of one shard to Redis, one batch in flight at a time.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use opentelemetry::trace::TraceContextExt as _;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use vote_domain::WriterId;

use super::{
    LaneConfig, Outcome,
    attempt::{Aborted, Attempt, Backoff},
    batch::{Batch, Mode, Target, minute_of},
    gather::{Expected, gather},
    inquiry::Predecessor,
    load::Load,
    queue::{Pending, Queue},
    reply::Reply,
    window::{ReplayBudget, ReplayWindow},
};
use crate::{
    address::Node,
    metrics::{LaneMetrics, VoteOutcome, gauge_value},
    nodes::{Link, Nodes},
};

/// How often an idle lane asks whether Redis still has its last batch.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The most voter buckets of one batch: each is a key of the script.
const MAX_BUCKETS_PER_BATCH: usize = 512;

/// [`LaneShared::closed_at_ms`] of a poll that is not closed.
pub(crate) const NOT_CLOSED: i64 = i64::MAX;

/// What requests and the lane share.
#[derive(Debug)]
pub(crate) struct LaneShared {
    pub(crate) queue: Queue,
    /// Milliseconds since the epoch; follows the poll, and what the fence says.
    pub(crate) closes_at_ms: AtomicI64,
    /// The same of a poll that is known to be closed, and takes no vote any more; else [`NOT_CLOSED`].
    pub(crate) closed_at_ms: AtomicI64,
    /// Whether the lane can't reach Redis right now.
    pub(crate) blocked: AtomicBool,
}

/// A lane at work.
pub(crate) struct Lane {
    pub(crate) shared: Arc<LaneShared>,
    pub(crate) config: LaneConfig,
    pub(crate) target: Target,
    pub(crate) shard: u16,
    pub(crate) writer: WriterId,
    pub(crate) new_writer: Arc<dyn Fn() -> WriterId + Send + Sync>,
    pub(crate) nodes: Nodes,
    pub(crate) metrics: LaneMetrics,
    /// Finish what waits, then end.
    pub(crate) drain: CancellationToken,
    /// End now.
    pub(crate) abort: CancellationToken,
    pub(crate) state: LaneState,
}

/// What the lane alone knows.
pub(crate) struct LaneState {
    pub(super) link: Option<Link>,
    /// The node to ask next, and once: the one that is about to get the slot.
    pub(super) asking: Option<Node>,
    /// Votes are accepted although replicas are missing.
    pub(super) degraded: bool,
    /// The sequence of the last batch that was evaluated.
    pub(super) last: u64,
    pub(super) window: ReplayWindow,
    /// The votes that the ledger should have of the writer.
    pub(super) acknowledged_votes: u64,
    pub(super) predecessors: Vec<Predecessor>,
    /// The closing time that it has told Redis nothing is left to send for; else [`NOT_CLOSED`].
    pub(super) drained_for_ms: i64,
    /// When it asked last.
    pub(super) asked_at: tokio::time::Instant,
    pub(super) backlog: VecDeque<Pending>,
    pub(super) expected: Expected,
}

impl LaneState {
    /// `budget` is that of all lanes of the process.
    pub(crate) fn new(
        config: &LaneConfig,
        budget: &Arc<ReplayBudget>,
        metrics: &LaneMetrics,
    ) -> Self {
        Self {
            link: None,
            asking: None,
            degraded: false,
            last: 0,
            window: ReplayWindow::new(
                config.replay_window,
                Arc::clone(budget),
                metrics.window_bytes.clone(),
            ),
            acknowledged_votes: 0,
            predecessors: Vec::new(),
            drained_for_ms: NOT_CLOSED,
            asked_at: tokio::time::Instant::now(),
            backlog: VecDeque::new(),
            expected: Expected::nothing(),
        }
    }

    /// The ledger should have more of the writer. Wraps, since what is to come may be less for a while:
    /// see [`Lane::differs`].
    pub(super) const fn expect_more(&mut self, votes: u64) {
        self.acknowledged_votes = self.acknowledged_votes.wrapping_add(votes);
    }

    pub(super) const fn expect_less(&mut self, votes: u64) {
        self.acknowledged_votes = self.acknowledged_votes.wrapping_sub(votes);
    }
}

impl Lane {
    /// Carries votes until it is told to drain and nothing waits any more, or to abort.
    pub(crate) async fn run(mut self) {
        let mut taken = Vec::new();
        loop {
            if self.state.backlog.is_empty() {
                if self.is_to_drain() && self.heartbeat().await.is_err() {
                    break;
                }
                let proceed = self.wait().await;
                self.shared.queue.take(&mut taken);
                self.metrics.queue.set(gauge_value(taken.len()));
                self.refuse_overdue(&mut taken);
                self.state.backlog.extend(taken.drain(..));
                if self.state.backlog.is_empty() {
                    if proceed {
                        continue;
                    }
                    break;
                }
            }
            let load = self.next_load();
            if self.carry(load).await.is_err() {
                break;
            }
        }
        self.give_up_waiting();
        self.last_check().await;
    }

    /// Waits for votes; `false` when there will be none.
    async fn wait(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        if shared.queue.len() == 0 {
            self.metrics.queue.set(0);
        }
        loop {
            // A blocked lane asks too: nobody may send it votes while the process is not ready.
            let heartbeat = self.state.last > 0
                || !self.state.predecessors.is_empty()
                || self.shared.blocked.load(Ordering::Relaxed);
            tokio::select! {
                biased;
                () = self.abort.cancelled() => return false,
                slept = shared.queue.wait_for(1) => {
                    let expected = self.state.expected;
                    let interval = self.config.min_batch_interval;
                    if !slept || expected.free_since.elapsed() < interval {
                        gather(&shared.queue, expected, interval).await;
                    }
                    return true;
                }
                () = self.drain.cancelled() => return false,
                () = tokio::time::sleep(HEARTBEAT), if heartbeat => {
                    self.state.window.expire();
                    if self.heartbeat().await.is_err() {
                        return false;
                    }
                }
            }
        }
    }

    /// Whether a closed poll's lane is to say that it is drained although it is never idle, for late votes
    /// may come for long.
    fn is_to_drain(&self) -> bool {
        let closed_at_ms = self.shared.closed_at_ms.load(Ordering::Relaxed);
        closed_at_ms != NOT_CLOSED
            && self.state.last > 0
            && self.state.asked_at.elapsed() >= HEARTBEAT
            && !self.shared.queue.has_any_before(closed_at_ms)
    }

    /// What was received before a closing time that the lane has said to be drained for can't be sent any
    /// more: the poll may be sealed without waiting for it.
    fn refuse_overdue(&self, taken: &mut Vec<Pending>) {
        if self.state.drained_for_ms == NOT_CLOSED {
            return;
        }
        taken.retain(|pending| {
            let vote = &pending.vote;
            let overdue = vote.received_at_ms < self.state.drained_for_ms;
            if overdue {
                self.metrics
                    .vote(vote.channel, vote.candidate, VoteOutcome::NotRecorded);
                pending.ticket.resolve(Outcome::NotRecorded);
            }
            !overdue
        });
    }

    /// Makes the next batch of the backlog: votes of one minute, all in time or all late.
    fn next_load(&mut self) -> Load {
        let closes_at_ms = self.shared.closes_at_ms.load(Ordering::Relaxed);
        let first = self
            .state
            .backlog
            .front()
            .map_or(0, |pending| pending.vote.received_at_ms);
        let mut load = Load::new();
        let minute = minute_of(first);
        let late = first >= closes_at_ms;
        let mut voters = 0;
        while let Some(pending) = self.state.backlog.pop_front() {
            let vote = &pending.vote;
            let is_checked = vote.key.is_some() || vote.voter.is_some();
            let has_voter = usize::from(vote.voter.is_some());
            let fits = minute_of(vote.received_at_ms) == minute
                && (vote.received_at_ms >= closes_at_ms) == late
                && !(is_checked && load.checked.len() >= self.config.max_checked_per_batch)
                && voters + has_voter <= MAX_BUCKETS_PER_BATCH;
            if !fits {
                self.state.backlog.push_front(pending);
                break;
            }
            voters += has_voter;
            if is_checked {
                load.checked.push(pending);
            } else {
                load.plain.push(pending);
            }
        }
        load
    }

    /// Carries one batch until its outcome is known, and tells everybody who waits for it.
    async fn carry(&mut self, mut load: Load) -> Result<(), Aborted> {
        if !load.send(self.config.idempotency_window) {
            return Ok(());
        }
        let span = if load.traced() {
            tracing::info_span!(
                "commit batch",
                shard = self.shard,
                votes = load.batch.votes()
            )
        } else {
            tracing::Span::none()
        };
        let batch_context =
            (!span.is_none()).then(|| Box::new(span.context().span().span_context().clone()));

        let started = Instant::now();
        let votes = load.len();
        self.metrics.batch_votes.observe(as_f64(load.batch.votes()));
        let committed = self.commit(&mut load).instrument(span.clone()).await;
        let Ok(Some((sequence, reply))) = committed else {
            load.abandon();
            return committed.map(|_| ());
        };
        self.metrics
            .commit_seconds
            .observe(started.elapsed().as_secs_f64());
        if reply.uses_sequence() {
            self.state.last = sequence;
        }
        if self.state.degraded {
            self.metrics.unconfirmed_votes.inc_by(load.batch.votes());
        }
        self.settle(load, sequence, reply, batch_context.as_deref());
        let waiting = self.shared.queue.len() + self.state.backlog.len();
        self.state.expected = self.state.expected.after(votes, waiting);
        Ok(())
    }

    /// Sends the batch until its reply is known. `None`: it never will be, or every client has
    /// withdrawn meanwhile; each vote's ticket knows which.
    async fn commit(&mut self, load: &mut Load) -> Result<Option<(u64, Reply)>, Aborted> {
        let mut backoff = Backoff::default();
        loop {
            let sequence = self.state.last + 1;
            let command = self.command_of(load, sequence);
            let error = match self.attempt(&command).await? {
                Attempt::Replied(bytes) => match Reply::parse(&bytes, load.batch.checked.len()) {
                    Some(Reply::Gap { last }) => {
                        load.take_back();
                        self.repair(last).await?;
                        None
                    }
                    Some(Reply::Behind { last }) => {
                        load.take_back();
                        self.start_over("Redis knows this writer beyond its last batch", last)
                            .await?;
                        if load.is_uncertain {
                            return Ok(None);
                        }
                        None
                    }
                    Some(Reply::Waits(state)) => Some(format!("the fence is {state}")),
                    Some(reply) => {
                        self.unblock();
                        if load.is_uncertain {
                            self.metrics.replays.inc();
                        }
                        return Ok(Some((sequence, reply)));
                    }
                    None => {
                        load.is_uncertain = true;
                        Some(format!(
                            "not a reply of commit.lua: {:?}",
                            String::from_utf8_lossy(&bytes)
                        ))
                    }
                },
                Attempt::NotApplied(reason) => Some(reason),
                Attempt::Unknown(reason) => {
                    load.is_uncertain = true;
                    Some(reason)
                }
            };
            if let Some(error) = error {
                self.block(&error);
                load.take_back();
                self.pause(&mut backoff).await?;
            }
            if !load.send_again(self.config.idempotency_window) {
                return Ok(None);
            }
        }
    }

    /// The batch itself, or what ends it: a batch with keys whose outcome is not known must not be
    /// recorded after its keys may have been forgotten, for then a repeat would count once more.
    fn command_of(&self, load: &Load, sequence: u64) -> redis::Cmd {
        let age = load.age();
        if load.is_uncertain && load.outlives_a_key(self.config.idempotency_window) {
            return Batch::empty().command(&self.target, &self.writer, sequence, Mode::Burn, age);
        }
        load.batch
            .command(&self.target, &self.writer, sequence, Mode::Live, age)
    }

    /// Nothing will carry what still waits: says so.
    fn give_up_waiting(&mut self) {
        self.shared.queue.close();
        let mut taken = Vec::new();
        self.shared.queue.take(&mut taken);
        for pending in self.state.backlog.drain(..).chain(taken) {
            pending.give_up();
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a histogram's sample: precise far beyond any batch"
)]
fn as_f64(votes: u64) -> f64 {
    votes as f64
}
