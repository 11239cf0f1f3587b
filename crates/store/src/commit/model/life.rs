//! Writers come and go: how a process of the schedule starts, is killed, and ends in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vote_domain::WriterId;

use super::gate::Gate;
use super::harness::BOUNDARY_MS;
use super::process::{Process, closed_at_ms, nodes};
use super::steps::{Fate, Reference};
use super::system::{PATIENCE, System, WINDOW_MS};
use crate::commit::books::{Acknowledged, ReplayBudget};
use crate::commit::config::LaneConfig;
use crate::commit::lane::{Lane, LaneParts};
use crate::commit::queue::Queue;
use crate::commit::shared::LaneShared;
use crate::commit::target::Target;

impl System<'_> {
    pub(super) async fn spawn(&mut self, slot: usize, reference: &Reference) {
        static WRITER: AtomicU64 = AtomicU64::new(1);
        let gate = Gate::open(Arc::clone(&self.harness.upstream)).await;
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
        let lost_before = metrics.unrecoverable_votes.get();
        let lane = Lane::new(LaneParts {
            shared: Arc::clone(&shared),
            target: Target::new(&self.harness.definition, 0, WINDOW_MS),
            writer: new_writer(),
            new_writer,
            nodes: nodes(&gate.url()),
            drain: drain.clone(),
            abort: abort.clone(),
            replay_budget: ReplayBudget::new(config.replay_window_bytes),
            any_blocked: Arc::default(),
            metrics,
            config,
        });
        self.current[slot] = self.processes.len();
        self.processes.push(Process {
            shared,
            gate,
            abort,
            drain,
            writers,
            ended: None,
            task: Some(tokio::spawn(lane.run())),
            asking: false,
            alive: true,
            window: reference.windows[slot],
            lost_before,
            slot,
            displaced: 0,
        });
    }

    pub(super) async fn kill(&mut self, writer: usize, fate: Fate, reference: &Reference) {
        let process = self.current[writer];
        if let Some(request) = self.processes[process].gate.peek() {
            self.attempt(process, &request, fate);
        }
        self.processes[process].stop().await;
        self.note_outcomes();
        self.spawn(writer, reference).await;
    }

    /// `SIGTERM`: what waits is sent, and the writer says that it has ended.
    pub(super) async fn stop_in_order(&mut self, writer: usize, reference: &Reference) {
        let process = self.current[writer];
        self.processes[process].drain.cancel();
        let started = Instant::now();
        for turn in 1_u64.. {
            let state = &self.processes[process];
            if let Some(held) = state.gate.take() {
                let request = held.request.clone();
                if let Some(reply) = self.attempt(process, &request, Fate::Answered) {
                    held.answer(reply);
                }
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
