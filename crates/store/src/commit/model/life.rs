//! Writers come and go: how a process of the schedule starts, is killed, and ends in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vote_domain::WriterId;

use super::gate::Request;
use super::harness::BOUNDARY_MS;
use super::process::{Process, Way, closed_at_ms};
use super::requests::behind;
use super::steps::{Fate, HALF_OPEN_MS, Reference, WRITERS};
use super::system::{PATIENCE, System, WINDOW_MS};
use crate::commit::books::{Acknowledged, ReplayBudget};
use crate::commit::config::LaneConfig;
use crate::commit::lane::{Lane, LaneParts};
use crate::commit::queue::Queue;
use crate::commit::shared::LaneShared;
use crate::commit::spill::{LaneReplay, SpilledLane};
use crate::commit::target::Target;
use crate::commit::traffic::Traffic;

/// What a process has left behind.
pub(super) struct Left {
    /// The process: an index of [`System::processes`].
    process: usize,
    lane: Arc<SpilledLane>,
}

impl System<'_> {
    pub(super) async fn spawn(&mut self, slot: usize, reference: &Reference) {
        static WRITER: AtomicU64 = AtomicU64::new(1);
        let way = self.way().await;
        let config = config(reference, slot);
        let shared = Arc::new(LaneShared::new(
            Queue::new(1_024),
            BOUNDARY_MS + reference.closes_at,
            closed_at_ms(reference),
        ));
        let (abort, drain) = (CancellationToken::new(), CancellationToken::new());
        let writers = Arc::<Mutex<Vec<WriterId>>>::default();
        let names = Arc::clone(&writers);
        let new_writer = Arc::new(move || {
            let id = WRITER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            names.lock().push(WriterId::from_bytes(id));
            WriterId::from_bytes(id)
        });
        let metrics = self.harness.metrics[slot].clone();
        let lost_before = metrics.poll.unrecoverable_votes.get();
        let lane = Lane::new(LaneParts {
            shared: Arc::clone(&shared),
            target: Target::new(&self.harness.poll, 0, WINDOW_MS),
            writer: new_writer(),
            new_writer,
            nodes: way.nodes.clone(),
            drain: drain.clone(),
            abort: abort.clone(),
            replay_budget: ReplayBudget::new(config.replay_window_bytes),
            heartbeats: Arc::clone(&way.heartbeats),
            traffic: Arc::new(Traffic::new(Duration::ZERO)),
            metrics,
            config,
        });
        self.current[slot] = self.processes.len();
        self.processes.push(Process {
            shared,
            way,
            abort,
            drain,
            writers,
            ended: None,
            has_left: false,
            task: Some(tokio::spawn(lane.run())),
            asking: false,
            alive: true,
            window: reference.windows[slot],
            lost_before,
            slot,
            displaced: 0,
            found_elsewhere: 0,
        });
    }

    /// The way of a new writer: its own, or that of all that are there.
    async fn way(&self) -> Way {
        let mut alive = self.processes.iter().filter(|process| process.alive);
        match alive.next() {
            Some(process) if self.harness.shares => process.way.clone(),
            _ => Way::open(&self.harness.upstream).await,
        }
    }

    /// The writers of this one's process: they share a connection, and end together.
    pub(super) fn in_the_process_of(&self, writer: usize) -> std::ops::Range<usize> {
        if self.harness.shares {
            0..WRITERS
        } else {
            writer..writer + 1
        }
    }

    pub(super) async fn kill(&mut self, writer: usize, fate: Fate, reference: &Reference) {
        self.end(writer, fate).await;
        for writer in self.in_the_process_of(writer) {
            self.spawn(writer, reference).await;
        }
    }

    /// `SIGTERM` while nobody answers.
    pub(super) async fn leave_behind(&mut self, writer: usize, fate: Fate, reference: &Reference) {
        for (process, lanes) in self.end(writer, fate).await {
            // With an empty replay window it is as good as killed.
            self.processes[process].has_left = !lanes.is_empty();
            self.left.extend(lanes.into_iter().map(|lane| Left {
                process,
                lane: Arc::new(lane),
            }));
        }
        for writer in self.in_the_process_of(writer) {
            self.spawn(writer, reference).await;
        }
    }

    /// Ends a writer's process where it stands, and its requests meet their fate; gives what it leaves behind.
    async fn end(&mut self, writer: usize, fate: Fate) -> Vec<(usize, Vec<SpilledLane>)> {
        let gate = Arc::clone(&self.processes[self.current[writer]].way.gate);
        let mut fate = fate;
        for (place, request) in gate.waiting().into_iter().enumerate() {
            fate = behind(fate, place, &request);
            let process = self.sender_of(&request);
            self.attempt(process, &request, fate);
        }
        let mut left = Vec::new();
        for writer in self.in_the_process_of(writer) {
            let process = self.current[writer];
            left.push((process, self.processes[process].stop().await));
        }
        self.note_outcomes();
        left
    }

    /// `votectl replay` of all that was left.
    pub(super) async fn replay_all(&mut self) {
        for which in 0..self.left.len() {
            self.replay(which, None).await;
        }
    }

    /// `votectl replay`; it is killed where only so many of its requests are answered.
    pub(super) async fn replay(&mut self, which: usize, mut answered: Option<u8>) {
        if self.phase.is_over() {
            return;
        }
        let Way { gate, nodes, .. } = Way::open(&self.harness.upstream).await;
        let left = &self.left[which];
        let (process, lane) = (left.process, Arc::clone(&left.lane));
        let now = Timestamp::from_millisecond(BOUNDARY_MS + HALF_OPEN_MS).expect("in range");
        let poll = self.harness.poll.clone();
        let task = tokio::spawn(async move {
            let replay = LaneReplay::begin(&lane, &poll, WINDOW_MS, nodes, now);
            replay.await?.send(|| {}).await
        });
        let started = Instant::now();
        while !task.is_finished() {
            if let Some(held) = gate.take() {
                let request = held.request.clone();
                let reply = self.attempt(process, &request, Fate::Answered);
                if answered == Some(0) {
                    // It was done, and nobody hears of it.
                    task.abort();
                    return;
                }
                answered = answered.map(|left| left - 1);
                held.answer(reply.expect("an answer"));
            }
            assert!(started.elapsed() < PATIENCE, "a replay does not end");
            tokio::task::yield_now().await;
        }
        let report = task.await.expect("no panic");
        let report = report.expect("the poll takes replays");
        assert_eq!(report.unknown, 0, "{report:?}");
    }

    /// A lane ends in order, with its process or with its poll: what waits is sent, and the writer says that it has ended.
    pub(super) async fn stop_in_order(&mut self, writer: usize, reference: &Reference) {
        let process = self.current[writer];
        self.processes[process].drain.cancel();
        let started = Instant::now();
        for turn in 1_u64.. {
            let state = &self.processes[process];
            let is_its = |request: &Request| state.has_sent(request);
            if let Some(held) = state.way.gate.take_beside(is_its, false).pop() {
                self.meet(held, Fate::Answered);
            } else if state.task.as_ref().is_none_or(JoinHandle::is_finished) {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "writer {writer} does not end");
            if turn.is_multiple_of(32) {
                tokio::time::advance(Duration::from_millis(250)).await;
            }
            tokio::task::yield_now().await;
        }
        let lost = self.lost(&self.processes[process]);
        self.processes[process].ended = Some((lost, self.crashes));
        self.processes[process].stop().await;
        self.note_outcomes();
        self.spawn(writer, reference).await;
        self.settle_all_of(writer).await;
    }
}

/// How a writer's lanes behave.
fn config(reference: &Reference, slot: usize) -> LaneConfig {
    let one_vote = size_of::<Acknowledged>() + size_of::<(u8, u8, u64)>();
    let window = reference.windows[slot];
    LaneConfig {
        min_batch_interval: Duration::ZERO,
        replay_window: Duration::from_secs(3_600),
        // After half of it a vote is not sent any more, and a repeat whose outcome is not known is burnt: the
        // first pause.
        idempotency_window: if reference.burns[slot] {
            Duration::from_millis(2)
        } else {
            Duration::from_secs(3_600)
        },
        replay_window_bytes: if window == u8::MAX {
            1 << 20
        } else {
            usize::from(window) * one_vote
        },
        ..LaneConfig::default()
    }
}
