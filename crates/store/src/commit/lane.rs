//! The lane: carries the votes of one shard to Redis, one batch in flight at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use vote_domain::{Refusal, WriterId};

use super::batch::Batch;
use super::books::{Books, ReplayBudget};
use super::config::LaneConfig;
use super::copies::CopiesWait;
use super::gather::{Expected, gather};
use super::heartbeats::{HEARTBEAT, Heartbeats, Turn};
use super::in_making::BatchInMaking;
use super::metrics::{LaneMetrics, gauge_value};
use super::outcome::{Acceptance, Outcome, Place, Verdict};
use super::queue::Pending;
use super::recorder::{NewWriter, Recorder};
use super::reply::Reply;
use super::sender::{Aborted, Sender};
use super::shared::{LaneShared, NOT_CLOSED};
use super::spill::SpilledLane;
use super::target::Target;
use super::traffic::Traffic;
use super::wakes::Wakes;
use crate::nodes::Nodes;

/// A closed poll's document is there before its fences, without which no writer is marked as drained.
const FENCED_WITHIN: Duration = Duration::from_secs(60);

/// What a lane is made of.
pub(crate) struct LaneParts {
    pub(crate) shared: Arc<LaneShared>,
    pub(crate) config: LaneConfig,
    pub(crate) target: Target,
    pub(crate) nodes: Nodes,
    pub(crate) writer: WriterId,
    /// Names another writer, where it has to start over.
    pub(crate) new_writer: NewWriter,
    /// Of all lanes of the process.
    pub(crate) replay_budget: Arc<ReplayBudget>,
    /// When they ask while they are idle.
    pub(crate) heartbeats: Arc<Heartbeats>,
    /// What they have to do.
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) metrics: LaneMetrics,
    /// Finish what waits, then end.
    pub(crate) drain: CancellationToken,
    /// End now.
    pub(crate) abort: CancellationToken,
}

/// A lane at work.
pub(crate) struct Lane {
    shared: Arc<LaneShared>,
    config: LaneConfig,
    metrics: LaneMetrics,
    drain: CancellationToken,
    abort: CancellationToken,
    recorder: Recorder,
    /// When it asks whether Redis still has its last batch.
    turn: Turn,
    /// When it did last.
    asked_at: tokio::time::Instant,
    /// When the poll closed, for all that it knows, and until when it asks each second because of that.
    drains_for_ms: i64,
    drains_until: tokio::time::Instant,
    backlog: VecDeque<Pending>,
    expected: Expected,
    traffic: Arc<Traffic>,
    counted_in: u64,
}

impl Lane {
    pub(crate) fn new(parts: LaneParts) -> Self {
        let LaneParts {
            shared,
            config,
            metrics,
            drain,
            abort,
            heartbeats,
            traffic,
            ..
        } = parts;
        let books = Books::new(
            parts.writer,
            config.replay_window,
            &parts.replay_budget,
            metrics.replay_log_bytes.clone(),
        );
        let copies_wait = CopiesWait::new(&config);
        let sender = Sender::new(parts.target, parts.nodes, copies_wait, abort.clone());
        let recorder = Recorder::new(
            sender,
            books,
            parts.new_writer,
            &config,
            Arc::clone(&shared),
            metrics.clone(),
            Arc::clone(&heartbeats),
        );
        Self {
            shared,
            config,
            metrics,
            drain,
            abort,
            recorder,
            turn: Turn::new(heartbeats),
            asked_at: tokio::time::Instant::now(),
            drains_for_ms: NOT_CLOSED,
            drains_until: tokio::time::Instant::now(),
            backlog: VecDeque::new(),
            expected: Expected::nothing(),
            traffic,
            counted_in: 0,
        }
    }

    /// Carries votes until it is told to drain and nothing waits any more, or to abort. Gives the accepted votes that
    /// Redis may not have then.
    pub(crate) async fn run(mut self) -> Vec<SpilledLane> {
        let mut taken = Vec::new();
        loop {
            if self.backlog.is_empty() {
                if self.is_to_drain() && self.heartbeat().await.is_err() {
                    break;
                }
                let proceed = self.wait().await;
                self.shared.queue.take(&mut taken);
                self.metrics.queue.set(gauge_value(taken.len()));
                self.refuse_overdue(&mut taken);
                self.backlog.extend(taken.drain(..));
                if self.backlog.is_empty() {
                    if proceed {
                        continue;
                    }
                    break;
                }
            }
            // What the old master took now would be forgotten. In the backlog a vote can be recalled.
            if self.recorder.sender.hold_back().await.is_err() {
                break;
            }
            let making = BatchInMaking::take(
                &mut self.backlog,
                self.shared.closes_at_ms.load(Ordering::Relaxed),
                self.config.max_checked_per_batch,
            );
            if self.carry(making).await.is_err() {
                break;
            }
        }
        self.give_up_waiting();
        self.recorder.last_check(&self.turn).await
    }

    /// Waits for votes; `false` when there will be none.
    async fn wait(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        if shared.queue.len() == 0 {
            self.metrics.queue.set(0);
        }
        let idle_since = tokio::time::Instant::now();
        loop {
            // A blocked lane asks too: nobody may send it votes while the process is not ready.
            let in_use = self.recorder.books.have_entries();
            shared.in_use.store(in_use, Ordering::Relaxed);
            self.turn.note_use(in_use);
            self.turn.note_retained(self.recorder.books.retain_any());
            let heartbeat = in_use || shared.blocked.load(Ordering::Relaxed);
            let has_to_ask = self.has_to_ask();
            let asks_at = self.turn.asks_at(self.asked_at.max(idle_since), has_to_ask);
            // What is retained is let go of in its time, however long the pause.
            let looks_again_in = self.config.replay_window.max(HEARTBEAT);
            tokio::select! {
                biased;
                () = self.abort.cancelled() => return false,
                slept = shared.queue.wait_for(1) => {
                    let interval = self.config.min_batch_interval;
                    let hold = self.traffic.hold();
                    if hold > interval {
                        self.traffic.hold_back(&shared.queue, hold).await;
                    } else if !slept || self.expected.free_since.elapsed() < interval {
                        gather(&shared.queue, self.expected, interval).await;
                    }
                    return true;
                }
                () = self.drain.cancelled() => return false,
                () = shared.has_closed.notified() => {}
                () = self.turn.suspected(), if heartbeat => {}
                () = tokio::time::sleep(looks_again_in), if heartbeat => self.expire(),
                () = tokio::time::sleep_until(asks_at), if heartbeat => {
                    self.expire();
                    if self.heartbeat().await.is_err() {
                        return false;
                    }
                }
            }
        }
    }

    fn expire(&mut self) {
        // What can't be sent again now is kept until it can, and what may be needed until it is known.
        if !self.shared.blocked.load(Ordering::Relaxed) && !self.turn.is_to_find_out() {
            self.recorder.books.expire();
        }
    }

    /// Whether it asks each second, however many lanes there are.
    fn has_to_ask(&mut self) -> bool {
        let now = tokio::time::Instant::now();
        let closed_at_ms = self.shared.closed_at_ms.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.drains_for_ms, closed_at_ms) != closed_at_ms {
            self.drains_until = now + FENCED_WITHIN;
        }
        self.shared.blocked.load(Ordering::Relaxed)
            || (closed_at_ms != NOT_CLOSED && now < self.drains_until)
            || self.recorder.books.have_predecessors()
    }

    async fn heartbeat(&mut self) -> Result<(), Aborted> {
        self.asked_at = tokio::time::Instant::now();
        self.turn.asks();
        let closed_at_ms = self.shared.closed_at_ms.load(Ordering::Relaxed);
        // A server that is full answers questions all the same. While one lane can't write, the others find out
        // whether they can.
        let tries = self.shared.blocked.load(Ordering::Relaxed) || self.turn.any_blocked();
        self.recorder.heartbeat(closed_at_ms, tries).await
    }

    /// Whether a closed poll's lane is to say that it is drained although it is never idle, for late votes
    /// may come for long.
    fn is_to_drain(&self) -> bool {
        let closed_at_ms = self.shared.closed_at_ms.load(Ordering::Relaxed);
        closed_at_ms != NOT_CLOSED
            && self.recorder.books.last() > 0
            && self.asked_at.elapsed() >= HEARTBEAT
            && !self.shared.queue.has_any_before(closed_at_ms)
    }

    /// Answers what can't be sent any more, for the lane has said that it is drained.
    fn refuse_overdue(&self, taken: &mut Vec<Pending>) {
        let Some(closed_at_ms) = self.recorder.books.drained_for_ms() else {
            return;
        };
        taken.retain(|pending| {
            let overdue = pending.vote.received_at_ms < closed_at_ms;
            if overdue {
                pending.ticket.resolve(Outcome::NotRecorded);
            }
            !overdue
        });
    }

    /// Carries one batch until its outcome is known, and tells everybody who waits for it.
    async fn carry(&mut self, mut making: BatchInMaking) -> Result<(), Aborted> {
        let span = if making.is_traced() {
            tracing::info_span!(
                "commit batch",
                poll = %self.recorder.sender.poll(),
                shard = self.recorder.sender.shard(),
                votes = making.len()
            )
        } else {
            tracing::Span::none()
        };
        let batch_context =
            (!span.is_none()).then(|| Box::new(span.context().span().span_context().clone()));

        let started = Instant::now();
        let recorded = self
            .recorder
            .record(&mut making)
            .instrument(span.clone())
            .await;
        let Ok(Some((sequence, reply))) = recorded else {
            making.abandon();
            return recorded.map(|_| ());
        };
        let votes = making.len();
        self.traffic.note(votes, &mut self.counted_in);
        self.metrics
            .poll
            .batch_votes
            .observe(as_f64(making.batch.votes()));
        self.metrics
            .poll
            .commit_seconds
            .observe(started.elapsed().as_secs_f64());
        if self.recorder.sender.is_degraded() {
            self.metrics
                .poll
                .unconfirmed_votes
                .inc_by(making.batch.votes());
        }
        self.settle(making, sequence, reply, batch_context.as_deref());
        let waiting = self.shared.queue.len() + self.backlog.len();
        self.expected = self.expected.after(votes, waiting);
        Ok(())
    }

    /// Tells every client of the batch how its vote ended.
    fn settle(
        &mut self,
        mut making: BatchInMaking,
        sequence: u64,
        reply: Reply,
        span: Option<&SpanContext>,
    ) {
        let batch = std::mem::replace(&mut making.batch, Batch::starting(0));
        let is_on_record = reply.uses_sequence();
        if is_on_record {
            let accepted = match &reply {
                Reply::Judged { plain, checked } => batch.into_accepted(*plain, checked),
                _ => batch.into_nothing(),
            };
            self.recorder.books.acknowledge(sequence, accepted);
        }
        match reply {
            Reply::Judged { plain, checked } => {
                self.tell(making, sequence, is_on_record, plain, checked, span);
            }
            Reply::Split {
                opens_at_ms,
                closes_at_ms,
            } => self.part(making, opens_at_ms, closes_at_ms),
            // The batch was never applied, and never will be.
            Reply::Burnt => making.resolve_as_not_recorded(),
            // The recorder has dealt with these, or never sees them.
            Reply::Original
            | Reply::Waits(_)
            | Reply::Gap { .. }
            | Reply::Behind { .. }
            | Reply::Stands { .. } => making.abandon(),
        }
    }

    fn tell(
        &self,
        making: BatchInMaking,
        sequence: u64,
        is_on_record: bool,
        plain: Verdict,
        checked: Vec<Verdict>,
        span: Option<&SpanContext>,
    ) {
        let mut place = Place {
            writer: self.recorder.books.writer(),
            shard: self.recorder.sender.shard(),
            sequence,
            place: 0,
        };
        let mut wakes = Wakes::default();
        let votes = making.plain.into_iter().map(|pending| (pending, plain));
        for (pending, verdict) in votes.chain(making.checked.into_iter().zip(checked)) {
            self.count(&pending, verdict);
            let outcome = verdict.told(is_on_record, || Acceptance {
                place,
                batch: span
                    .filter(|_| pending.vote.span.is_some())
                    .map(|span| Box::new(span.clone())),
            });
            pending.ticket.resolve_with(outcome, &mut wakes);
            place.place += 1;
        }
    }

    /// The fence has moved, and the batch spans it: its votes are sent apart.
    fn part(&mut self, making: BatchInMaking, opens_at_ms: i64, closes_at_ms: i64) {
        self.shared
            .closes_at_ms
            .store(closes_at_ms, Ordering::Relaxed);
        for pending in making.checked.into_iter().chain(making.plain).rev() {
            if pending.vote.received_at_ms < opens_at_ms {
                let too_early = Verdict::Refused(Refusal::NotOpenYet);
                self.count(&pending, too_early);
                pending
                    .ticket
                    .resolve(Outcome::Refused(Refusal::NotOpenYet));
                continue;
            }
            pending.ticket.unsend();
            self.backlog.push_front(pending);
        }
    }

    fn count(&self, pending: &Pending, verdict: Verdict) {
        self.metrics
            .poll
            .vote(pending.vote.channel, pending.vote.candidate, &verdict);
    }

    /// Nothing will carry what still waits: says so.
    fn give_up_waiting(&mut self) {
        self.shared.queue.close();
        let mut taken = Vec::new();
        self.shared.queue.take(&mut taken);
        for pending in self.backlog.drain(..).chain(taken) {
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
