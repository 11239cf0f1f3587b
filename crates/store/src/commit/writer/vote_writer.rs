//! Follows the polls, and takes their votes to Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use prometheus_client::registry::Registry;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vote_domain::{PollId, ReceiptKey};

use super::directory::Directory;
use super::earlier::EarlierVotes;
use super::lanes::Lanes;
use super::open_poll::OpenPoll;
use super::poll_lanes::KnownLanes;
use crate::changes::Changes;
use crate::commit::config::LaneConfig;
use crate::commit::spill::Spill;
use crate::error::StoreError;
use crate::nodes::Nodes;
use crate::polls::{KnownPolls, Patience, SigningKey, UnreadMetrics, VoterKeys};
use crate::store::Store;

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

/// How a [`VoteWriter`] has ended.
#[derive(Debug)]
pub struct Ended {
    /// Whether all lanes had ended by themselves.
    pub in_time: bool,
    /// The accepted votes that Redis may not have.
    pub left_behind: Spill,
}

/// What is known of the polls from one reading to the next.
struct Followed {
    known: KnownPolls,
    changes: Changes,
    patience: Patience,
    metrics: UnreadMetrics,
}

impl Followed {
    fn new(nodes: Nodes, registry: &mut Registry) -> Self {
        Self {
            known: KnownPolls::default(),
            changes: Changes::new(nodes),
            patience: Patience::default(),
            metrics: UnreadMetrics::register(registry),
        }
    }
}

/// Takes votes to Redis. It is all that the ingest service has of the store, and can't read a tally.
pub struct VoteWriter {
    /// `None` until the polls were read once.
    directory: ArcSwapOption<Directory>,
    /// Whether polls could be read last time: all of them, or those of the last list whose servers are there.
    is_fresh: AtomicBool,
    /// The poll for whose document a process waits that has just started.
    waits_for: ArcSwapOption<PollId>,
    receipt_key: SigningKey,
    voter_keys: VoterKeys,
    nodes: Nodes,
    lanes: Lanes,
    config: VoteWriterConfig,
    tasks: TaskTracker,
    drain: CancellationToken,
    abort: CancellationToken,
}

impl VoteWriter {
    /// Starts to follow the polls; their lanes start as the polls are seen. Runs on the current
    /// tokio runtime until [`VoteWriter::drain`].
    #[must_use]
    pub fn start(store: &Store, config: VoteWriterConfig, registry: &mut Registry) -> Arc<Self> {
        let tasks = TaskTracker::new();
        let (drain, abort) = (CancellationToken::new(), CancellationToken::new());
        let writer = Arc::new(Self {
            directory: ArcSwapOption::empty(),
            is_fresh: AtomicBool::new(false),
            waits_for: ArcSwapOption::empty(),
            receipt_key: SigningKey::new(config.receipt_key.clone()),
            voter_keys: VoterKeys::default(),
            nodes: store.nodes(),
            lanes: Lanes::new(
                store.nodes(),
                config.lane.clone(),
                config.random,
                registry,
                tasks.clone(),
                drain.clone(),
                abort.clone(),
            ),
            config,
            tasks,
            drain,
            abort,
        });
        // Until the end, for lanes that drain hold back as well.
        writer.nodes.listen_for_failovers(registry, &writer.abort);
        let followed = Followed::new(store.nodes(), registry);
        writer.tasks.spawn(Arc::clone(&writer).follow(followed));
        writer
    }

    /// The poll called `id`, as last read; `None` where it is known that there is none.
    ///
    /// # Errors
    /// Why that is not known: no poll has been read yet; the list can't be read; or there is such a poll, or was, and its document
    /// can't be read, since a later version has written it, Redis has forgotten it, or its server has been away since this
    /// process began.
    pub fn find(&self, id: &str) -> Result<Option<Arc<OpenPoll>>, &'static str> {
        match self.directory.load().as_ref() {
            Some(directory) => match directory.find(id) {
                Ok(None) if !self.is_fresh.load(Ordering::Relaxed) => {
                    Err("the polls can't be read, and it may be a new one")
                }
                found => found,
            },
            None => Err("the polls have not been read yet"),
        }
    }

    /// The key that receipts are signed with; `None` until Redis was reached once.
    #[must_use]
    pub fn receipt_key(&self) -> Option<Arc<ReceiptKey>> {
        self.receipt_key.load()
    }

    /// Whether votes can go through now: where a part of the servers is away, those for the others can.
    ///
    /// # Errors
    /// The reason why not: no document of a poll can be read, or the list of polls, and never could; or, for a while, the document
    /// of one that this process has never read; or no lane that is in use can write.
    pub fn ready(&self) -> Result<(), String> {
        if !self.is_fresh.load(Ordering::Relaxed) {
            return Err("the polls can't be read from Redis".to_owned());
        }
        if let Some(poll) = self.waits_for.load().as_ref() {
            return Err(format!("the document of poll {poll} has not been read yet"));
        }
        match self.lanes.known() {
            KnownLanes {
                blocked: blocked @ 1..,
                writing: 0,
            } => Err(format!(
                "all {blocked} commit lanes that are in use are blocked"
            )),
            _ => Ok(()),
        }
    }

    /// Sends what waits in the lanes, makes sure that Redis still has what was accepted, and ends. Lanes that have not
    /// done so after `patience` end at once; then requests that still wait for them are answered as unknown.
    pub async fn drain(&self, patience: Duration) -> Ended {
        self.drain.cancel();
        self.tasks.close();
        let waited = tokio::time::timeout(patience, self.tasks.wait()).await;
        if waited.is_err() {
            self.abort.cancel();
            self.tasks.wait().await;
        }
        Ended {
            in_time: waited.is_ok(),
            left_behind: self.lanes.take_left_behind(),
        }
    }

    /// Ends at once, as a killed process would. Votes that are in flight are answered as unknown.
    pub fn abort(&self) {
        self.abort.cancel();
    }

    async fn follow(self: Arc<Self>, mut followed: Followed) {
        let mut ticks = tokio::time::interval(self.config.refresh_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                biased;
                () = self.drain.cancelled() => return,
                _ = ticks.tick() => {}
            }
            // Nobody may ask whether the process is ready.
            self.lanes.known();
            let refreshed = tokio::select! {
                biased;
                () = self.drain.cancelled() => return,
                refreshed = self.refresh(&mut followed) => refreshed,
            };
            self.is_fresh.store(refreshed.is_ok(), Ordering::Relaxed);
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
    async fn refresh(&self, followed: &mut Followed) -> Result<(), StoreError> {
        let Followed {
            known,
            changes,
            patience,
            metrics,
        } = followed;
        let asked = changes.ask(&[]).await;
        // What the ingest service says of a forgotten poll is that its document can't be read.
        known.read(&self.nodes, changes, asked).await?;
        metrics.show(known);
        let waits_for = patience.waits_for(known, Instant::now());
        // Before the polls are published: their first vote may come at once.
        let random = self.config.random;
        self.voter_keys
            .follow(known, &self.nodes, random, false)
            .await;
        let directory = self.directory.load_full().unwrap_or_default();
        let key_window = self.config.lane.idempotency_window;
        let directory = directory.next(known, |poll| {
            OpenPoll::new(
                poll.clone(),
                self.lanes.open(poll),
                self.voter_keys.of(poll),
                EarlierVotes::new(self.nodes.clone(), key_window),
                self.config.lane.accept_timeout,
            )
        });
        self.lanes.retain(|poll| directory.prospects(poll));
        self.directory.store(Some(Arc::new(directory)));
        self.waits_for.store(waits_for.map(Arc::new));
        self.voter_keys
            .follow(known, &self.nodes, random, true)
            .await;
        self.receipt_key
            .follow(&self.nodes, self.config.random)
            .await
    }
}
