//! The load: an open loop at the rate of its schedule. A vote that was not recorded, or whose outcome is open, is sent again later
//! with its key where its client is patient, and holds no connection meanwhile.

use crate::engine::client::{Attempt, Client};
use crate::engine::client_record::{ClientRecord, Counts};
use crate::engine::fleet::Fleet;
use crate::engine::stall::Stalls;
use crate::engine::votes::{Manner, Votes};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use vote_client::answer::{CUT, NO_CONNECTION, Shown};
use vote_client::backoff::backoff;
use vote_client::pacer::{Pacer, Schedule};
use vote_client::stop::Stop;

/// How often one vote is sent at most.
const TRIES: u32 = 6;

/// The longest pause between two attempts, also when the service asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

#[derive(Debug)]
struct Shared {
    votes: Arc<dyn Votes>,
    pacer: Pacer,
    stop: Stop,
    fleet: Fleet,
    record: ClientRecord,
    stalls: Stalls,
    errors: Mutex<BTreeMap<String, u64>>,
    /// One permit for each client that has nothing to send.
    free: Semaphore,
    /// Those clients, the one that has waited longest first.
    clients: Mutex<VecDeque<Client>>,
}

/// A running load. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    started: Instant,
    _pacer: StopsWhenDropped,
}

/// Ends the pacer's thread, which can't be aborted.
#[derive(Debug)]
struct StopsWhenDropped(Stop);

impl Drop for StopsWhenDropped {
    fn drop(&mut self) {
        self.0.stop_sending();
    }
}

/// What a load has come to.
#[derive(Debug)]
pub(crate) struct EndedLoad {
    pub(crate) record: Arc<ClientRecord>,
    pub(crate) counts: Counts,
    /// Attempts by what went wrong with them.
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) longest_stall: Duration,
    pub(crate) after_back: Option<Duration>,
    /// Whether every shard accepted votes again after the store was back.
    pub(crate) all_went_on: bool,
    pub(crate) votes: Arc<dyn Votes>,
    pub(crate) took: Duration,
}

impl Load {
    /// Sends votes to the processes of `fleet`, as the schedule says, through so many clients.
    pub(crate) fn start(
        votes: Arc<dyn Votes>,
        (pace, connections): (Schedule, usize),
        fleet: Fleet,
        shards: u16,
    ) -> anyhow::Result<Self> {
        let stop = Stop::default();
        let shared = Arc::new(Shared {
            stop: stop.clone(),
            fleet,
            record: ClientRecord::new(usize::try_from(pace.votes())?),
            stalls: Stalls::new(shards),
            errors: Mutex::default(),
            free: Semaphore::new(connections),
            clients: Mutex::new((0..connections).map(Client::new).collect()),
            pacer: Pacer::new(pace),
            votes,
        });
        let mut tasks = JoinSet::new();
        let pacing = Arc::clone(&shared);
        tasks.spawn_blocking(move || pacing.pacer.run(&pacing.stop, |_| {}));
        tasks.spawn(send_all(Arc::clone(&shared)));
        Ok(Self {
            shared,
            tasks,
            started: Instant::now(),
            _pacer: StopsWhenDropped(stop),
        })
    }

    /// Votes that were answered as accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.shared.record.accepted()
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

    /// Waits for the end of all votes of the schedule, at most for so long, and says whether it has come.
    pub(crate) async fn ends_within(&mut self, patience: Duration) -> bool {
        let tasks = &mut self.tasks;
        let all = async {
            while let Some(done) = tasks.join_next().await {
                pass_panic_on(done);
            }
        };
        tokio::time::timeout(patience, all).await.is_ok()
    }

    /// Sends no fresh vote any more, lets the others come to their end, and says what came of it.
    pub(crate) async fn finish(mut self) -> EndedLoad {
        self.shared.stop.stop_sending();
        let took = self.started.elapsed();
        while let Some(done) = self.tasks.join_next().await {
            pass_panic_on(done);
        }
        let Some(shared) = Arc::into_inner(self.shared) else {
            // Every task that held it has just ended.
            panic!("the load is still shared after its tasks have ended")
        };
        EndedLoad {
            counts: shared.record.counts(),
            errors: shared
                .errors
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
            longest_stall: shared.stalls.longest(),
            after_back: shared.stalls.after_back(),
            all_went_on: shared.stalls.all_went_on(),
            votes: shared.votes,
            record: Arc::new(shared.record),
            took,
        }
    }
}

/// Sends each vote when it is due, and waits for the end of all.
async fn send_all(shared: Arc<Shared>) {
    let mut votes = JoinSet::new();
    while let Some(index) = shared.pacer.next(&shared.stop).await {
        let shared = Arc::clone(&shared);
        votes.spawn(async move { shared.cast(index).await });
        while let Some(done) = votes.try_join_next() {
            pass_panic_on(done);
        }
    }
    while let Some(done) = votes.join_next().await {
        pass_panic_on(done);
    }
}

fn pass_panic_on(done: Result<(), JoinError>) {
    if let Err(error) = done
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

impl Shared {
    /// Sends one vote until it is known what became of it, or it is not worth another attempt.
    async fn cast(&self, index: u64) {
        let manner = self.votes.manner(index);
        let mut request = Vec::with_capacity(512);
        for tries in 1..=TRIES {
            let is_cut = manner.is_cut && tries == 1;
            let Some(attempt) = self.attempt(index, &mut request, (tries, is_cut)).await else {
                return;
            };
            self.write_down(index, &attempt, is_cut);
            let Some(pause) = pause(index, tries, manner, &attempt) else {
                break;
            };
            tokio::time::sleep(pause).await;
        }
        if manner.is_doubled {
            // As of a voter who goes back a page: whatever it is answered, it must not count.
            let again = self.attempt(index, &mut request, (TRIES, false)).await;
            if let Some(attempt) = again {
                self.write_down(index, &attempt, false);
            }
        }
    }

    /// One attempt, by the first client that is free; none where the end comes before the vote was sent at all.
    async fn attempt(
        &self,
        index: u64,
        request: &mut Vec<u8>,
        (tries, is_cut): (u32, bool),
    ) -> Option<Attempt> {
        let _free = self.free.acquire().await.ok()?;
        if tries == 1 && self.stop.is_sending_stopped() {
            return None;
        }
        let mut client = lock(&self.clients).pop_front()?;
        self.votes.render(index, request);
        let attempt = match is_cut {
            true => client.send_and_leave(&self.fleet, request).await,
            false => client.send(&self.fleet, None, request).await,
        };
        lock(&self.clients).push_back(client);
        Some(attempt)
    }

    fn write_down(&self, index: u64, attempt: &Attempt, is_cut: bool) {
        self.record.write(index, attempt.shown, attempt.by);
        if let Some(shard) = attempt.shard {
            self.stalls.accepted(shard);
        }
        // What was cut on purpose is no error.
        let is_meant = is_cut && attempt.shown == Shown::Open;
        if !attempt.error.is_empty() && !is_meant {
            let mut errors = lock(&self.errors);
            match errors.get_mut(&attempt.error) {
                Some(count) => *count += 1,
                None => {
                    errors.insert(attempt.error.clone(), 1);
                }
            }
        }
    }
}

/// After which pause the vote is sent again, if it is.
fn pause(index: u64, tries: u32, manner: Manner, attempt: &Attempt) -> Option<Duration> {
    let again = matches!(attempt.shown, Shown::NotRecorded | Shown::Open)
        && tries < TRIES
        && (manner.is_patient || attempt.error == NO_CONNECTION);
    let pause = attempt.retry_after.unwrap_or_else(|| backoff(index, tries));
    again.then(|| pause.min(LONGEST_PAUSE))
}

impl EndedLoad {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
