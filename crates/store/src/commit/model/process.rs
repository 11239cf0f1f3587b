//! A writer's process, as far as the schedule sees it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use vote_domain::WriterId;

use super::gate::{Gate, Request, Upstream};
use super::harness::BOUNDARY_MS;
use super::steps::{Phase, Reference};
use crate::commit::heartbeats::Heartbeats;
use crate::commit::shared::{LaneShared, NOT_CLOSED};
use crate::commit::spill::SpilledLane;
use crate::config::RedisConfig;
use crate::nodes::Nodes;

/// What lanes of one process have together: a connection, and when they ask whether Redis still has all.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) gate: Arc<Gate>,
    pub(super) nodes: Nodes,
    pub(super) heartbeats: Arc<Heartbeats>,
    _telling: Arc<AbortOnDropHandle<()>>,
}

impl Way {
    pub(super) async fn open(upstream: &Upstream) -> Self {
        let gate = Arc::new(Gate::open(Arc::clone(upstream)).await);
        let nodes = nodes(&gate.url());
        let heartbeats = Heartbeats::new();
        let telling = tokio::spawn(Arc::clone(&heartbeats).tell());
        Self {
            gate,
            nodes,
            heartbeats,
            _telling: Arc::new(AbortOnDropHandle::new(telling)),
        }
    }
}

/// A writer's process, or its part of one where lanes share their connection.
pub(super) struct Process {
    pub(super) shared: Arc<LaneShared>,
    pub(super) way: Way,
    pub(super) abort: CancellationToken,
    pub(super) drain: CancellationToken,
    pub(super) task: Option<JoinHandle<Vec<SpilledLane>>>,
    /// Its clock asked, and the answer is not through yet.
    pub(super) asking: bool,
    pub(super) alive: bool,
    pub(super) window: u8,
    pub(super) lost_before: u64,
    /// What it had said to be lost when it ended in order, and how often Redis had crashed by then.
    pub(super) ended: Option<(u64, usize)>,
    /// Whether it has left something behind.
    pub(super) has_left: bool,
    /// The names that it has written under.
    pub(super) writers: Arc<Mutex<Vec<WriterId>>>,
    pub(super) slot: usize,
    /// Votes that a replay was told to be a mismatch or above a limit.
    pub(super) displaced: u64,
    /// Votes that were made again, and that another writer had recorded by then.
    pub(super) found_elsewhere: u64,
}

impl Process {
    /// Whether it has sent the request.
    pub(super) fn has_sent(&self, request: &Request) -> bool {
        let writers = self.writers.lock();
        let mut names = writers.iter().map(WriterId::to_string);
        names.any(|name| name == request.writer())
    }

    /// Whether a request of it waits for its fate.
    pub(super) fn is_waiting(&self) -> bool {
        self.way.gate.is_waiting(|request| self.has_sent(request))
    }

    /// Ends it where it stands; gives what it leaves behind.
    pub(super) async fn stop(&mut self) -> Vec<SpilledLane> {
        self.alive = false;
        self.abort.cancel();
        let left = match self.task.take() {
            Some(task) => task.await.expect("the lane ends"),
            None => Vec::new(),
        };
        // Drops what waits.
        for held in self.way.gate.take_all(|request| self.has_sent(request)) {
            held.cut();
        }
        left
    }
}

/// The connections of a process.
fn nodes(url: &str) -> Nodes {
    // Time limits would be a second opinion on a request's fate.
    let never = Duration::from_secs(1 << 30);
    Nodes::new(&RedisConfig {
        // One is for lanes, so that they share it; of more they would have two.
        pool_size: 2,
        connect_timeout: never,
        response_timeout: never,
        ..RedisConfig::new(url).expect("an address")
    })
    .expect("nothing to refuse")
}

/// When the poll has closed, as a writer learns it.
pub(super) fn closed_at_ms(reference: &Reference) -> i64 {
    match reference.phase {
        Phase::Closed => BOUNDARY_MS + reference.closes_at,
        _ => NOT_CLOSED,
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}
