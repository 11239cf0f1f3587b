//! The lanes of all polls of this process: started as polls open, and drained as they end.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vote_domain::{Poll, PollState, WriterId};

use super::directory::Prospects;
use super::poll_lanes::{KnownLanes, LaneHandle, PollLanes, closed_at_ms};
use crate::commit::books::ReplayBudget;
use crate::commit::config::LaneConfig;
use crate::commit::heartbeats::Heartbeats;
use crate::commit::incarnations;
use crate::commit::lane::{Lane, LaneParts};
use crate::commit::metrics::WriterMetrics;
use crate::commit::queue::Queue;
use crate::commit::recorder::NewWriter;
use crate::commit::remembered::window_ms;
use crate::commit::shared::LaneShared;
use crate::commit::spill::{Spill, SpilledLane};
use crate::commit::target::Target;
use crate::commit::traffic::Traffic;
use crate::commit::voter_limits::VoterLimits;
use crate::nodes::Nodes;

/// All lanes. They outlive a change of their poll's definition.
pub(super) struct Lanes {
    by_poll: Mutex<HashMap<String, Arc<PollLanes>>>,
    nodes: Nodes,
    config: LaneConfig,
    /// Randomness for the ids of writers.
    random: fn() -> [u8; 32],
    metrics: WriterMetrics,
    /// What the replay logs of all lanes take.
    replay_budget: Arc<ReplayBudget>,
    /// When idle lanes ask.
    heartbeats: Arc<Heartbeats>,
    /// What all lanes have to do.
    traffic: Arc<Traffic>,
    tasks: TaskTracker,
    drain: CancellationToken,
    abort: CancellationToken,
    /// What lanes that have ended had accepted, and Redis may not have.
    left_behind: Arc<Mutex<Vec<SpilledLane>>>,
}

impl Lanes {
    /// None yet. Those that start are among `tasks`, until `drain` or `abort`.
    pub(super) fn new(
        nodes: Nodes,
        config: LaneConfig,
        random: fn() -> [u8; 32],
        registry: &mut Registry,
        tasks: TaskTracker,
        drain: CancellationToken,
        abort: CancellationToken,
    ) -> Self {
        let heartbeats = Heartbeats::new();
        let watching = incarnations::watch(nodes.clone(), Arc::clone(&heartbeats));
        let traffic = Arc::new(Traffic::new(config.max_batch_interval));
        // A lane that ends asks by itself, and waits for nobody.
        tasks.spawn(drain.clone().run_until_cancelled_owned(watching));
        let telling = Arc::clone(&heartbeats).tell();
        tasks.spawn(drain.clone().run_until_cancelled_owned(telling));
        tasks.spawn(
            drain
                .clone()
                .run_until_cancelled_owned(Arc::clone(&traffic).watch()),
        );
        Self {
            by_poll: Mutex::default(),
            nodes,
            metrics: WriterMetrics::register(registry, &config),
            replay_budget: ReplayBudget::new(config.replay_window_bytes),
            heartbeats,
            traffic,
            config,
            random,
            tasks,
            drain,
            abort,
            left_behind: Arc::default(),
        }
    }

    /// Takes what lanes that have ended had accepted, and Redis may not have.
    pub(super) fn take_left_behind(&self) -> Spill {
        let key_window = self.config.idempotency_window;
        Spill::new(std::mem::take(&mut *self.left_behind.lock()), key_window)
    }

    /// The lanes of a poll that takes votes, or whose votes in flight are still to be counted.
    pub(super) fn open(&self, poll: &Poll) -> Option<Arc<PollLanes>> {
        match poll.state {
            PollState::Draft | PollState::Sealed | PollState::Void => return None,
            PollState::Open | PollState::Paused | PollState::Closed => {}
        }
        let mut by_poll = self.by_poll.lock();
        let name = poll.definition.id().to_string();
        if let Some(others) = by_poll.get(&name).filter(|lanes| !lanes.are_of(poll)) {
            others.drain();
            by_poll.remove(&name);
        }
        let lanes = by_poll
            .entry(name)
            .or_insert_with(|| Arc::new(self.start(poll)));
        let lanes = Arc::clone(lanes);
        lanes.follow(poll);
        Some(lanes)
    }

    /// Lets go of the lanes of all polls that have ended; they send what waits, and end. Those of a poll that Redis has
    /// forgotten stay: they send again what they have as soon as the poll is there, and once more if that is forgotten.
    pub(super) fn retain(&self, prospects: impl Fn(&str) -> Prospects) {
        self.by_poll.lock().retain(|poll, lanes| {
            let prospects = prospects(poll);
            if lanes.note_forgotten(prospects == Prospects::Forgotten) {
                self.heartbeats.suspect();
            }
            if prospects == Prospects::Ended {
                lanes.drain();
            }
            prospects != Prospects::Ended
        });
        self.metrics.forget_ended(Instant::now());
    }

    /// Of how many it is known whether they can write. Lanes that can are told of those that can't.
    pub(super) fn known(&self) -> KnownLanes {
        let by_poll = self.by_poll.lock();
        let mut known = KnownLanes::default();
        for lanes in by_poll.values() {
            let KnownLanes { blocked, writing } = lanes.known();
            known.blocked += blocked;
            known.writing += writing;
        }
        self.heartbeats.note_blocked(known.blocked > 0);
        known
    }

    fn start(&self, poll: &Poll) -> PollLanes {
        let drain = self.drain.child_token();
        let random = self.random;
        let new_writer: NewWriter = Arc::new(move || {
            let random = random();
            let mut id = [0; 8];
            id.copy_from_slice(&random[..8]);
            WriterId::from_bytes(id)
        });
        // The same writer for all lanes of the process: the ledger of each shard is its own.
        let writer = new_writer();
        let key_window_ms = window_ms(self.config.idempotency_window);
        let limits = Arc::new(VoterLimits::new(&poll.definition));
        let of_poll = self.metrics.poll(&poll.definition);
        let shards = (0..poll.definition.shards())
            .map(|shard| {
                let shared = Arc::new(LaneShared::new(
                    Queue::new(self.config.queue_capacity),
                    poll.closes_at.as_millisecond(),
                    closed_at_ms(poll),
                ));
                let metrics = self.metrics.lane(&of_poll, shard);
                let lane = Lane::new(LaneParts {
                    shared: Arc::clone(&shared),
                    config: self.config.clone(),
                    target: Target::sharing(Arc::clone(&limits), poll, shard, key_window_ms),
                    writer,
                    new_writer: Arc::clone(&new_writer),
                    nodes: self.nodes.clone(),
                    metrics: metrics.clone(),
                    drain: drain.clone(),
                    abort: self.abort.clone(),
                    replay_budget: Arc::clone(&self.replay_budget),
                    heartbeats: Arc::clone(&self.heartbeats),
                    traffic: Arc::clone(&self.traffic),
                });
                let left_behind = Arc::clone(&self.left_behind);
                self.tasks.spawn(async move {
                    let left = lane.run().await;
                    left_behind.lock().extend(left);
                });
                LaneHandle { shared, metrics }
            })
            .collect();
        PollLanes::new(
            shards,
            limits,
            poll.created_at(),
            Arc::clone(&self.traffic),
            drain,
        )
    }
}
