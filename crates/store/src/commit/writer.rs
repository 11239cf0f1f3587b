//! The ingest service's capability: polls that take votes, and the lanes that carry them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::time::MissedTickBehavior;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vote_domain::{Poll, PollState, ReceiptKey, WriterId};

use super::{
    LaneConfig, Outcome, VoteToCast,
    batch::Target,
    lane::{Lane, LaneShared, LaneState, NOT_CLOSED},
    queue::{Pending, Queue},
    ticket::{Ticket, Waiting},
    window::ReplayBudget,
};
use crate::store::Store;
use crate::{
    directory::{MOST_FORGOTTEN, PollReader, not_listed},
    metrics::{LaneMetrics, VoteOutcome, WriterMetrics},
    receipt_key::SigningKey,
};

/// What a [`VoteWriter`] is made with.
#[derive(Clone)]
pub struct VoteWriterConfig {
    /// How its lanes behave.
    pub lane: LaneConfig,
    /// How often the polls are read again: a change is seen within twice that.
    pub refresh_interval: Duration,
    /// The key of receipts; without one the services share a key through Redis.
    pub receipt_key: Option<ReceiptKey>,
    /// Randomness for writer ids and for the shared receipt key.
    pub random: fn() -> [u8; 32],
}

impl fmt::Debug for VoteWriterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoteWriterConfig")
            .field("lane", &self.lane)
            .field("refresh_interval", &self.refresh_interval)
            .finish_non_exhaustive()
    }
}

/// Takes votes to Redis. The ingest service has this and [`PollReader`], and nothing that could
/// read a tally.
pub struct VoteWriter {
    /// `None` until the polls were read once.
    directory: ArcSwapOption<Directory>,
    receipt_key: SigningKey,
    directory_fresh: AtomicBool,
    reader: PollReader,
    store: Store,
    config: VoteWriterConfig,
    metrics: WriterMetrics,
    /// What the replay windows of all lanes take.
    replay_budget: Arc<ReplayBudget>,
    /// Lanes by poll; they outlive a change of the poll's definition.
    lanes: Mutex<HashMap<String, Arc<Lanes>>>,
    tasks: TaskTracker,
    drain: CancellationToken,
    abort: CancellationToken,
}

impl fmt::Debug for VoteWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoteWriter").finish_non_exhaustive()
    }
}

/// The polls, as last read.
#[derive(Default)]
struct Directory {
    polls: HashMap<String, Arc<OpenPoll>>,
    /// Polls whose documents could not be read, or that Redis has forgotten, with the reason.
    unreadable: BTreeMap<String, String>,
}

/// The lanes of one poll, a lane a shard.
struct Lanes {
    shards: Vec<LaneHandle>,
    next: AtomicU64,
    drain: CancellationToken,
}

struct LaneHandle {
    shared: Arc<LaneShared>,
    metrics: LaneMetrics,
}

/// A poll as this process knows it, with its lanes.
pub struct OpenPoll {
    poll: Poll,
    lanes: Option<Arc<Lanes>>,
    accept_timeout: Duration,
}

impl fmt::Debug for OpenPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenPoll")
            .field("poll", self.poll.definition.id())
            .field("revision", &self.poll.revision)
            .finish_non_exhaustive()
    }
}

impl VoteWriter {
    /// Starts to follow the polls; their lanes start as the polls are seen. Runs on the current
    /// tokio runtime until [`VoteWriter::drain`].
    #[must_use]
    pub fn start(store: &Store, config: VoteWriterConfig, registry: &mut Registry) -> Arc<Self> {
        let writer = Arc::new(Self {
            directory: ArcSwapOption::empty(),
            receipt_key: SigningKey::new(config.receipt_key.clone()),
            directory_fresh: AtomicBool::new(false),
            reader: store.polls(),
            store: store.clone(),
            metrics: WriterMetrics::register(registry, &config.lane),
            replay_budget: ReplayBudget::new(config.lane.replay_window_bytes),
            lanes: Mutex::default(),
            tasks: TaskTracker::new(),
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            config,
        });
        writer.tasks.spawn(Arc::clone(&writer).follow());
        writer
    }

    /// The poll called `id`, as last read.
    #[must_use]
    pub fn poll(&self, id: &str) -> Option<Arc<OpenPoll>> {
        self.find(id).ok().flatten()
    }

    /// The poll called `id`, as last read; `None` where it is known that there is none.
    ///
    /// # Errors
    /// Why that is not known: no poll has been read yet; or there is such a poll, or was, and its document
    /// can't be read, since a later version has written it or Redis has forgotten it.
    pub fn find(&self, id: &str) -> Result<Option<Arc<OpenPoll>>, &'static str> {
        let directory = self.directory.load();
        let Some(directory) = directory.as_ref() else {
            return Err("the polls have not been read yet");
        };
        match directory.polls.get(id) {
            Some(open) => Ok(Some(Arc::clone(open))),
            None if directory.unreadable.contains_key(id) => {
                Err("the poll's document can't be read")
            }
            None => Ok(None),
        }
    }

    /// The key that receipts are signed with; `None` until Redis was reached once.
    #[must_use]
    pub fn receipt_key(&self) -> Option<Arc<ReceiptKey>> {
        self.receipt_key.load()
    }

    /// Whether votes can go through now.
    ///
    /// # Errors
    /// The reason why not: the polls can't be read, or a lane is blocked.
    pub fn ready(&self) -> Result<(), String> {
        if !self.directory_fresh.load(Ordering::Relaxed) {
            return Err("the polls can't be read from Redis".to_owned());
        }
        let lanes = self.lanes.lock();
        let blocked = lanes
            .values()
            .flat_map(|lanes| &lanes.shards)
            .filter(|lane| lane.shared.blocked.load(Ordering::Relaxed))
            .count();
        match blocked {
            0 => Ok(()),
            blocked => Err(format!("{blocked} commit lanes are blocked")),
        }
    }

    /// Sends what waits in the lanes, makes sure that Redis still has what was acknowledged, and ends.
    /// The caller bounds the time.
    pub async fn drain(&self) {
        self.drain.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends at once, as a killed process would. Votes that are in flight are answered as unknown.
    pub fn abort(&self) {
        self.abort.cancel();
    }

    async fn follow(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.config.refresh_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                biased;
                () = self.drain.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let refreshed = tokio::select! {
                biased;
                () = self.drain.cancelled() => return,
                refreshed = self.refresh() => refreshed,
            };
            self.directory_fresh
                .store(refreshed.is_ok(), Ordering::Relaxed);
            match refreshed {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "the polls can't be read");
                }
                Err(_) => {}
            }
        }
    }

    /// Reads the polls and publishes them.
    async fn refresh(&self) -> Result<(), crate::StoreError> {
        let mut polls = Vec::new();
        let mut unreadable = BTreeMap::new();
        let mut listed = HashSet::new();
        for (id, poll) in self.reader.all().await? {
            listed.insert(id.to_string());
            match poll {
                Ok(poll) => polls.push(poll),
                Err(error) => {
                    unreadable.insert(id.to_string(), error.to_string());
                }
            }
        }
        let known = self.directory.load_full().unwrap_or_default();
        let forgotten = forgotten(&known, &listed);
        for (poll, error) in unreadable.iter().chain(&forgotten) {
            if known.unreadable.get(poll) != Some(error) {
                tracing::error!(poll, error, "a poll's document can't be read");
            }
        }
        self.publish(&known, polls, unreadable, forgotten);
        self.receipt_key
            .follow(&self.reader, self.config.random)
            .await
    }

    /// A listed poll whose document can't be read stays as it was known. A forgotten one takes no votes: in an
    /// empty Redis they would leave traces in the ledger, and keep a backup from being restored. Its lanes
    /// send again what they have, as soon as its shards have their fences.
    fn publish(
        &self,
        known: &Directory,
        polls: Vec<Poll>,
        mut unreadable: BTreeMap<String, String>,
        forgotten: BTreeMap<String, String>,
    ) {
        let mut lanes = self.lanes.lock();
        let mut next = HashMap::with_capacity(polls.len());
        for poll in polls {
            let name = poll.definition.id().to_string();
            let same = known.polls.get(&name);
            let open = match same.filter(|known| known.poll == poll) {
                Some(same) => Arc::clone(same),
                None => Arc::new(OpenPoll {
                    lanes: self.lanes_of(&mut lanes, &name, &poll),
                    poll,
                    accept_timeout: self.config.lane.accept_timeout,
                }),
            };
            next.insert(name, open);
        }
        for name in unreadable.keys() {
            if let Some(open) = known.polls.get(name) {
                next.insert(name.clone(), Arc::clone(open));
            }
        }
        lanes.retain(|name, poll_lanes| {
            let goes_on = next.get(name).is_some_and(|poll| poll.lanes.is_some());
            if !goes_on {
                poll_lanes.drain.cancel();
            }
            goes_on
        });
        unreadable.extend(forgotten);
        self.directory.store(Some(Arc::new(Directory {
            polls: next,
            unreadable,
        })));
    }

    /// The lanes of a poll that takes votes, or whose votes in flight are still to be counted.
    fn lanes_of(
        &self,
        lanes: &mut HashMap<String, Arc<Lanes>>,
        name: &str,
        poll: &Poll,
    ) -> Option<Arc<Lanes>> {
        match poll.state {
            PollState::Draft | PollState::Sealed | PollState::Void => return None,
            PollState::Open | PollState::Paused | PollState::Closed => {}
        }
        let poll_lanes = lanes
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(self.start_lanes(poll)));
        let poll_lanes = Arc::clone(poll_lanes);
        let count: usize = lanes.values().map(|lanes| lanes.shards.len()).sum();
        let connections = self.store.nodes().pool_size();
        if count >= connections {
            tracing::error!(
                lanes = count,
                redis.pool_size = connections,
                "more lanes than connections: some will never send; raise redis.pool_size"
            );
        }
        for lane in &poll_lanes.shards {
            lane.shared
                .closes_at_ms
                .store(poll.closes_at.as_millisecond(), Ordering::Relaxed);
            lane.shared
                .closed_at_ms
                .store(closed_at_ms(poll), Ordering::Relaxed);
        }
        Some(poll_lanes)
    }

    fn start_lanes(&self, poll: &Poll) -> Lanes {
        let drain = self.drain.child_token();
        let random = self.config.random;
        let new_writer: Arc<dyn Fn() -> WriterId + Send + Sync> = Arc::new(move || {
            let random = random();
            let mut id = [0; 8];
            id.copy_from_slice(&random[..8]);
            WriterId::from_bytes(id)
        });
        // The same writer for all lanes of the process: the ledger of each shard is its own.
        let writer = new_writer();
        let window_ms =
            i64::try_from(self.config.lane.idempotency_window.as_millis()).unwrap_or(i64::MAX / 4);
        let shards = (0..poll.definition.shards())
            .map(|shard| {
                let shared = Arc::new(LaneShared {
                    queue: Queue::new(self.config.lane.queue_capacity),
                    closes_at_ms: AtomicI64::new(poll.closes_at.as_millisecond()),
                    closed_at_ms: AtomicI64::new(closed_at_ms(poll)),
                    blocked: AtomicBool::new(false),
                });
                let metrics = self.metrics.lane(&poll.definition, shard);
                let lane = Lane {
                    shared: Arc::clone(&shared),
                    config: self.config.lane.clone(),
                    target: Target::new(&poll.definition, shard, window_ms),
                    shard,
                    writer,
                    new_writer: Arc::clone(&new_writer),
                    nodes: self.store.nodes(),
                    metrics: metrics.clone(),
                    drain: drain.clone(),
                    abort: self.abort.clone(),
                    state: LaneState::new(&self.config.lane, &self.replay_budget, &metrics),
                };
                self.tasks.spawn(lane.run());
                LaneHandle { shared, metrics }
            })
            .collect();
        Lanes {
            shards,
            next: AtomicU64::new(0),
            drain,
        }
    }
}

/// Polls that were on the list and are not any more, with the reason. No command removes a poll.
fn forgotten(known: &Directory, listed: &HashSet<String>) -> BTreeMap<String, String> {
    // Those that were there a moment ago before those that were forgotten long since.
    let ids = known
        .polls
        .values()
        .map(|open| open.poll.definition.id().as_str())
        .chain(known.unreadable.keys().map(String::as_str))
        .filter(|id| !listed.contains(*id));
    let mut forgotten = BTreeMap::new();
    for id in ids {
        if forgotten.len() < MOST_FORGOTTEN {
            forgotten.insert(id.to_owned(), not_listed(id).to_string());
        }
    }
    forgotten
}

/// When a poll has closed that is closed for good. One whose time has only come may still be extended, by
/// whoever has another clock.
fn closed_at_ms(poll: &Poll) -> i64 {
    match poll.state {
        PollState::Closed => poll.closes_at.as_millisecond(),
        _ => NOT_CLOSED,
    }
}

impl OpenPoll {
    /// The poll, as last read.
    #[must_use]
    pub fn poll(&self) -> &Poll {
        &self.poll
    }

    /// Casts a vote and waits for its outcome, at most the accept timeout.
    pub async fn cast(&self, vote: VoteToCast) -> Outcome {
        let Some(lane) = self.lane(&vote) else {
            return Outcome::NotRecorded;
        };
        let (channel, candidate) = (vote.channel, vote.candidate);
        let ticket = Ticket::new();
        let pending = Pending::new(vote, Arc::clone(&ticket));
        if lane.shared.queue.push(pending).is_err() {
            lane.metrics
                .vote(channel, candidate, VoteOutcome::QueueFull);
            return Outcome::QueueFull;
        }
        let waiting = Waiting(Arc::clone(&ticket));
        match tokio::time::timeout(self.accept_timeout, waiting).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let outcome = ticket.withdraw();
                match outcome {
                    Outcome::NotRecorded => {
                        lane.metrics
                            .vote(channel, candidate, VoteOutcome::NotRecorded);
                    }
                    Outcome::Unknown => lane.metrics.vote(channel, candidate, VoteOutcome::Unknown),
                    _ => {}
                }
                outcome
            }
        }
    }

    /// Counts a vote that was refused before it came to its lane.
    pub fn count_refused(&self, channel: u8, candidate: u8) {
        if let Some(lane) = self.lanes.as_ref().and_then(|lanes| lanes.shards.first()) {
            lane.metrics.vote(channel, candidate, VoteOutcome::Refused);
        }
    }

    /// The lane of a vote: by its voter, else by its key, else in turn. The same key always comes
    /// to the same lane, and so to the same shard.
    fn lane(&self, vote: &VoteToCast) -> Option<&LaneHandle> {
        let lanes = self.lanes.as_ref()?;
        let shards = u16::try_from(lanes.shards.len()).ok()?;
        let shard = if shards == 1 {
            0
        } else if let Some(voter) = &vote.voter {
            usize::from(voter.shard(shards))
        } else if let Some(key) = &vote.key {
            usize::from(key.shard(shards))
        } else {
            let turn = lanes.next.fetch_add(1, Ordering::Relaxed) % u64::from(shards);
            usize::try_from(turn).ok()?
        };
        lanes.shards.get(shard)
    }
}
