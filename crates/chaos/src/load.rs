//! The load: an open loop at a steady rate. A vote that was not recorded, or whose outcome is open, is sent again later
//! with its key, without holding up its worker; every tenth is not, so that refused and unknown ones remain.

use crate::client::{Attempt, Client, Fleet};
use crate::ledger::{Counts, Ledger};
use crate::stall::Stalls;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use votectl::load::answer::{CUT, NO_CONNECTION, Shown};
use votectl::load::plan::{Plan, mix};

/// How often one vote is sent at most.
const TRIES: u32 = 6;

/// One vote in so many is sent once only.
const IMPATIENT: u64 = 10;

/// The longest pause between two attempts, also when the service asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// The pacer's step.
const STEP: Duration = Duration::from_millis(1);

/// What to send where.
#[derive(Debug)]
pub(crate) struct LoadPlan {
    /// Candidates, keys and bytes of all votes.
    pub(crate) votes: Plan,
    /// The ingest processes.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Votes a second.
    pub(crate) rate: u32,
    /// Requests that may be open at the same time.
    pub(crate) connections: usize,
    /// How many votes there may be in all.
    pub(crate) most: usize,
    /// The poll's shards.
    pub(crate) shards: u16,
}

/// A vote to send again, and when.
type Again = Reverse<(Instant, u64, u32)>;

#[derive(Debug)]
struct Shared {
    plan: Plan,
    fleet: Fleet,
    rate: u32,
    ledger: Ledger,
    stalls: Stalls,
    errors: Mutex<BTreeMap<String, u64>>,
    /// One permit for each vote that is due.
    due: Semaphore,
    /// Fresh votes that were released.
    released: AtomicU64,
    /// The next fresh vote.
    next: AtomicU64,
    later: Mutex<BinaryHeap<Again>>,
    /// Votes whose time to be sent again has come.
    again: Mutex<VecDeque<(u64, u32)>>,
    /// Votes that are in a worker's hands.
    busy: AtomicUsize,
    stopped: AtomicBool,
    end: CancellationToken,
}

/// A running load. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    started: Instant,
}

/// What a load has come to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) counts: Counts,
    /// Attempts by what went wrong with them.
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) longest_stall: Duration,
    pub(crate) after_back: Option<Duration>,
    /// Whether every shard accepted votes again after the store was back.
    pub(crate) all_went_on: bool,
    pub(crate) plan: Plan,
    pub(crate) took: Duration,
}

impl Load {
    pub(crate) fn start(plan: LoadPlan) -> Self {
        let shared = Arc::new(Shared {
            ledger: Ledger::new(plan.most),
            stalls: Stalls::new(plan.shards),
            fleet: Fleet::new(plan.addresses),
            plan: plan.votes,
            rate: plan.rate,
            errors: Mutex::default(),
            due: Semaphore::new(0),
            released: AtomicU64::new(0),
            next: AtomicU64::new(0),
            later: Mutex::default(),
            again: Mutex::default(),
            busy: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            end: CancellationToken::new(),
        });
        let mut tasks = JoinSet::new();
        for number in 0..plan.connections {
            let shared = Arc::clone(&shared);
            tasks.spawn(async move { shared.work(number).await });
        }
        let pacing = Arc::clone(&shared);
        tasks.spawn(async move { pacing.pace().await });
        Self {
            shared,
            tasks,
            started: Instant::now(),
        }
    }

    /// Votes that were answered as accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.shared.ledger.accepted()
    }

    /// Attempts that ended with this error so far.
    pub(crate) fn errors(&self, name: &str) -> u64 {
        lock(&self.shared.errors).get(name).copied().unwrap_or(0)
    }

    /// Waits until so many votes were accepted, or for so long.
    pub(crate) async fn until_or(&self, accepted: u64, patience: Duration) {
        let until = Instant::now() + patience;
        while self.accepted() < accepted && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The store takes writes again since `at`.
    pub(crate) fn back(&self, at: Instant) {
        self.shared.stalls.back(at);
    }

    /// Waits until every shard has accepted a vote after the store was back, at most for `patience`.
    pub(crate) async fn goes_on(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while !self.shared.stalls.all_went_on() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sends no fresh vote any more, lets the others come to their end, and gives the outcome.
    pub(crate) async fn finish(mut self) -> Outcome {
        self.shared.stopped.store(true, Ordering::Relaxed);
        let took = self.started.elapsed();
        while let Some(done) = self.tasks.join_next().await {
            if let Err(error) = done
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        let shared = Arc::into_inner(self.shared);
        let Some(shared) = shared else {
            // Every task that held it has just ended.
            panic!("the load is still shared after its tasks have ended")
        };
        Outcome {
            counts: shared.ledger.counts(),
            errors: shared
                .errors
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
            longest_stall: shared.stalls.longest(),
            after_back: shared.stalls.after_back(),
            all_went_on: shared.stalls.all_went_on(),
            plan: shared.plan,
            ledger: Arc::new(shared.ledger),
            took,
        }
    }
}

impl Shared {
    /// Releases votes at their times, fresh ones and those to be sent again, until nothing is left to do.
    async fn pace(&self) {
        let start = Instant::now();
        let room = self.ledger.room();
        let mut ticks = tokio::time::interval(STEP);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let stopped = self.stopped.load(Ordering::Relaxed);
            let released = self.released.load(Ordering::Relaxed);
            let elapsed = start.elapsed().as_nanos() * u128::from(self.rate) / 1_000_000_000;
            let fresh = match stopped {
                true => released,
                false => u64::try_from(elapsed).unwrap_or(u64::MAX).min(room),
            };
            self.released.store(fresh, Ordering::Relaxed);
            let again = self.bring_forward();
            let due = usize::try_from(fresh - released).unwrap_or(0) + again;
            self.due.add_permits(due);
            if stopped && self.is_done() {
                self.end.cancel();
                return;
            }
        }
    }

    /// Moves what is due again to where the workers take it from.
    fn bring_forward(&self) -> usize {
        let now = Instant::now();
        let mut later = lock(&self.later);
        let mut again = lock(&self.again);
        let mut moved = 0;
        while let Some(Reverse((at, index, tries))) = later.peek().copied() {
            if at > now {
                break;
            }
            later.pop();
            again.push_back((index, tries));
            moved += 1;
        }
        moved
    }

    fn is_done(&self) -> bool {
        // In this order: a worker is busy before it takes a vote, and until it has put it back.
        let none_left = lock(&self.again).is_empty() && lock(&self.later).is_empty();
        none_left
            && self.busy.load(Ordering::SeqCst) == 0
            && lock(&self.again).is_empty()
            && lock(&self.later).is_empty()
    }

    async fn work(&self, number: usize) {
        let mut client = Client::new(number);
        let mut request = Vec::with_capacity(1024);
        loop {
            let permit = tokio::select! {
                biased;
                () = self.end.cancelled() => return,
                permit = self.due.acquire() => permit,
            };
            let Ok(permit) = permit else { return };
            permit.forget();
            self.busy.fetch_add(1, Ordering::SeqCst);
            if let Some((index, tries)) = self.take() {
                self.plan.render(index, &mut request);
                let attempt = client.send(&self.fleet, None, &request).await;
                self.settle(index, tries + 1, &attempt);
            }
            self.busy.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// The next vote to send, and how often it was sent.
    fn take(&self) -> Option<(u64, u32)> {
        if let Some(again) = lock(&self.again).pop_front() {
            return Some(again);
        }
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < self.released.load(Ordering::Relaxed)).then_some((index, 0))
    }

    fn settle(&self, index: u64, tries: u32, attempt: &Attempt) {
        self.ledger.write(index, attempt.shown, attempt.by);
        if let Some(shard) = attempt.shard {
            self.stalls.accepted(shard);
        }
        if !attempt.error.is_empty() {
            let mut errors = lock(&self.errors);
            match errors.get_mut(&attempt.error) {
                Some(count) => *count += 1,
                None => {
                    errors.insert(attempt.error.clone(), 1);
                }
            }
        }
        let again = matches!(attempt.shown, Shown::NotRecorded | Shown::Open)
            && tries < TRIES
            && (!mix(index).is_multiple_of(IMPATIENT) || attempt.error == NO_CONNECTION);
        if again {
            let pause = attempt
                .retry_after
                .unwrap_or_else(|| backoff(index, tries))
                .min(LONGEST_PAUSE);
            lock(&self.later).push(Reverse((Instant::now() + pause, index, tries)));
        }
    }
}

impl Outcome {
    /// Requests whose connection ended without an answer.
    pub(crate) fn resets(&self) -> u64 {
        self.errors.get(CUT).copied().unwrap_or(0)
    }

    /// Errors of the service itself: a status from 500 on that is none of those that it documents.
    pub(crate) fn undocumented(&self) -> Vec<(String, u64)> {
        const DOCUMENTED: [&str; 5] = [
            "503 overloaded",
            "503 not-recorded",
            "503 store-unavailable",
            "503 draining",
            "504 outcome-unknown",
        ];
        self.errors
            .iter()
            .filter(|(name, _)| {
                name.starts_with('5') || name.starts_with('2') || name.contains("HTTP")
            })
            .filter(|(name, _)| !DOCUMENTED.contains(&name.as_str()))
            .map(|(name, count)| (name.clone(), *count))
            .collect()
    }
}

/// 50 ms, 100 ms and so on, half of it spread so that votes don't come back in step.
fn backoff(index: u64, tries: u32) -> Duration {
    let full = 50_u64 << (tries.max(1) - 1).min(5);
    Duration::from_millis(full / 2 + mix(index ^ u64::from(tries) << 56) % (full / 2 + 1))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
