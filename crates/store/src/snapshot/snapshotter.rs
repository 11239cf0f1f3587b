//! Reads snapshots at their cadence and publishes them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vote_domain::{Clock, Poll, PollId, PollState};

use super::awaited_replays::AwaitedReplays;
use super::cadence::Cadence;
use super::config::{QUIET_EVERY, SnapshotConfig};
use super::metrics::Metrics;
use super::reader::FiguresReader;
use super::snapshots::{Confirmed, Snapshots, UnreadPoll};
use super::ticks::until_tick;
use crate::changes::{Basis, Changes};
use crate::error::StoreError;
use crate::keys;
use crate::nodes::Nodes;
use crate::poll_labels::PollLabels;
use crate::polls::{KnownPoll, KnownPolls, Regression, receipt_key};
use crate::store::Store;

/// Reads snapshots and publishes them.
pub struct Snapshotter {
    nodes: Nodes,
    reader: FiguresReader,
    clock: Arc<dyn Clock>,
    config: SnapshotConfig,
    metrics: Metrics,
    publish: watch::Sender<Snapshots>,
    known: KnownPolls,
    awaited: AwaitedReplays,
    changes: Changes,
    cadence: Cadence,
    polls_due: Option<Instant>,
    /// The question before the list of polls was last read.
    polls_asked: Option<Basis>,
    failing: bool,
    /// The receipts' key could not be read last time, which was said.
    key_failing: bool,
}

/// One tick.
#[derive(Clone, Copy)]
struct Tick {
    number: u32,
    /// The question to the servers with which it began, and when it was asked.
    asked: Basis,
    asked_at: Timestamp,
    /// When the polls' documents were confirmed at this tick, if they were due.
    polls_read_at: Option<Timestamp>,
}

/// The polls that were read, or are as they were.
struct PollsRead {
    /// Why their list could not be read, if that is so.
    list_failed: Option<StoreError>,
}

/// Whether a poll takes votes by the clock, or is paused meanwhile.
fn has_audience(poll: &Poll, now: Timestamp) -> bool {
    match poll.effective_state(now) {
        PollState::Open | PollState::Paused => true,
        PollState::Draft | PollState::Closed | PollState::Sealed | PollState::Void => false,
    }
}

/// What one tick has read of the known polls.
#[derive(Default)]
struct Reading {
    polls: BTreeMap<PollId, Confirmed>,
    unread: BTreeMap<PollId, UnreadPoll>,
    /// Whether a poll has no document to go by.
    is_incomplete: bool,
    failed: Option<StoreError>,
}

impl Snapshotter {
    /// Starts to read on the current tokio runtime, until `cancel`.
    pub fn start(
        store: &Store,
        clock: Arc<dyn Clock>,
        config: SnapshotConfig,
        registry: &mut Registry,
        cancel: CancellationToken,
    ) -> watch::Receiver<Snapshots> {
        let (publish, snapshots) = watch::channel(Snapshots::default());
        let metrics = Metrics::register(registry);
        let snapshotter = Self {
            nodes: store.nodes(),
            reader: FiguresReader::new(store.nodes(), metrics.clone()),
            clock,
            config,
            metrics,
            publish,
            known: KnownPolls::default(),
            awaited: AwaitedReplays::new(&config),
            changes: Changes::new(store.nodes()),
            cadence: Cadence::default(),
            polls_due: None,
            polls_asked: None,
            failing: false,
            key_failing: false,
        };
        tokio::spawn(cancel.run_until_cancelled_owned(snapshotter.run()));
        snapshots
    }

    async fn run(mut self) {
        for tick in 0_u32.. {
            if tick > 0 {
                tokio::time::sleep(until_tick(self.clock.now(), self.config.interval)).await;
            }
            match self.tick(tick).await {
                Ok(()) => self.failing = false,
                Err(error) => {
                    self.metrics.failures.inc();
                    if !std::mem::replace(&mut self.failing, true) {
                        tracing::warn!(%error, "no snapshot could be read; the last one is kept");
                    }
                }
            }
        }
    }

    async fn tick(&mut self, number: u32) -> Result<(), StoreError> {
        let (asked_at, began) = (self.clock.now(), Instant::now());
        let asked = self.changes.ask(&self.cadence.probes()).await;
        // As of then, not of now: who hung meanwhile has said nothing of it.
        let (polls_read_at, list_failed) = match self.read_polls(asked).await? {
            Some(PollsRead { list_failed }) => {
                self.polls_due = Some(began + self.config.polls_interval);
                (Some(asked_at), list_failed)
            }
            None => (None, None),
        };
        let listed_at = polls_read_at.filter(|_| list_failed.is_none());
        let tick = Tick {
            number,
            asked,
            asked_at,
            polls_read_at,
        };
        let read = self.read_figures(tick).await;
        let is_known = |id: &PollId| read.polls.contains_key(id) || read.unread.contains_key(id);
        self.reader.retain(is_known);
        self.awaited.retain(is_known);
        self.cadence.retain(is_known);
        self.publish.send_modify(|snapshots| {
            snapshots.is_incomplete = read.is_incomplete || !read.unread.is_empty();
            snapshots.polls = Arc::new(read.polls);
            snapshots.unread = Arc::new(read.unread);
            if listed_at.is_some() {
                snapshots.polls_read_at = listed_at;
            }
        });
        if list_failed.is_some() {
            // Said once by who has read it; no figure is older for it.
            self.metrics.failures.inc();
        }
        read.failed.map_or(Ok(()), Err)
    }

    /// Reads the list of polls and their documents where that is due, and a server has changed since; gives the time as of
    /// which they are as they were read.
    async fn read_polls(&mut self, asked: Basis) -> Result<Option<PollsRead>, StoreError> {
        if self.polls_due.is_some_and(|due| Instant::now() < due) {
            return Ok(None);
        }
        let polls_asked = self.polls_asked.take();
        if polls_asked.is_some_and(|asked| self.changes.is_all_unchanged_since(asked)) {
            self.polls_asked = polls_asked;
            let list_failed = None;
            return Ok(Some(PollsRead { list_failed }));
        }
        let news = self
            .known
            .read(&self.nodes, &mut self.changes, asked)
            .await?;
        for id in &news.deleted {
            self.metrics.remove(id);
        }
        self.say(&news.regressions);
        let is_key_read = self.read_receipt_key().await;
        // What could not be read is asked for again, though its server may say that nothing was written to it.
        self.polls_asked = (is_key_read && !news.is_partial).then_some(asked);
        let list_failed = news.list_failed;
        Ok(Some(PollsRead { list_failed }))
    }

    /// Reads the key of receipts; says whether that was possible. While its server is away it is used as it was: figures are
    /// not its matter.
    async fn read_receipt_key(&mut self) -> bool {
        let silent = self.changes.silent();
        let read = match silent.why(&self.nodes, keys::RECEIPT_KEY) {
            Some(why) => Err(StoreError::Connect(why.clone())),
            None => receipt_key::read(&self.nodes).await,
        };
        match read {
            Ok(key) => {
                self.key_failing = false;
                self.publish.send_modify(|snapshots| {
                    snapshots.receipt_key = key.map(Arc::new);
                });
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.key_failing, true) {
                    tracing::warn!(%error, "the receipts' key can't be read: it is used as it was");
                }
                false
            }
        }
    }

    /// The snapshots of all known polls. What can't be read stays as it was.
    async fn read_figures(&mut self, tick: Tick) -> Reading {
        let (before, unread) = {
            let snapshots = self.publish.borrow();
            (Arc::clone(&snapshots.polls), Arc::clone(&snapshots.unread))
        };
        let mut reading = Reading::default();
        let polls = std::mem::take(&mut self.known);
        for (id, KnownPoll { document, .. }) in polls.iter() {
            let known = before.get(id);
            let read = match document {
                Ok(poll) => self.poll(poll, known, tick).await,
                Err(unread) => {
                    reading.is_incomplete = true;
                    // What its fences should say is not known; nor, where its server is away, whether its figures may be shown.
                    let labels = PollLabels::of(id);
                    self.metrics.fence_mismatches.remove(&labels);
                    Err(unread.error(id))
                }
            };
            let confirmed = match read {
                Ok(confirmed) => confirmed.or_else(|| known.cloned()),
                Err(error) => {
                    reading.failed = Some(error);
                    known.cloned()
                }
            };
            match confirmed {
                Some(confirmed) => {
                    reading.polls.insert(id.clone(), confirmed);
                }
                None => {
                    let now = self.clock.now();
                    let since = unread.get(id).map_or(now, |unread| unread.since);
                    let is_open = match document {
                        Ok(poll) => has_audience(poll, now),
                        Err(unread) => unread.is_away(),
                    };
                    let unread = UnreadPoll { since, is_open };
                    reading.unread.insert(id.clone(), unread);
                }
            }
        }
        self.known = polls;
        reading
    }

    /// The snapshot of one poll: read if it is due, else the known one; `None` while not all of its minutes are known.
    async fn poll(
        &mut self,
        poll: &Poll,
        known: Option<&Confirmed>,
        tick: Tick,
    ) -> Result<Option<Confirmed>, StoreError> {
        let same = known.filter(|known| known.snapshot.poll == *poll);
        if let Some(same) = same
            && let Some(confirmed) = self.unread(poll, same, tick)
        {
            return Ok(Some(confirmed));
        }
        let id = poll.definition.id();
        let shards = poll.definition.shards();
        // The polls that come after it would be read later by the time limit of each call.
        if let Some(why) = self.changes.silent_shard(id, shards) {
            self.cadence.forget(id);
            return Err(StoreError::Connect(why));
        }
        let is_watched = self.changes.watch_shards(id, shards).await;
        let basis = tick.asked.watched(is_watched);
        let now = self.clock.now();
        let started = Instant::now();
        let read = self.reader.read(poll, now).await;
        let seconds = started.elapsed().as_secs_f64();
        self.metrics.read_seconds.observe(seconds);
        let Some(read) = read.inspect_err(|_| self.cadence.forget(id))? else {
            self.cadence.forget(id);
            return Ok(None);
        };
        let received_at_ms = read.received_at_ms;
        let read = read.snapshot;
        if let Some(same) = same
            && self.awaited.awaits(&same.snapshot, &read)
        {
            self.cadence.forget(id);
            return Ok(Some(same.clone()));
        }
        let unchanged = same.filter(|same| {
            same.snapshot.revision == read.revision
                && same.snapshot.tally == read.tally
                // Noted by a question, which is no batch.
                && same.snapshot.lost() == read.lost()
                && same.snapshot.sealed.is_some() == read.sealed.is_some()
                && same.snapshot.has_all_writers()
        });
        let is_changed = unchanged.is_none();
        if read.has_all_writers() {
            self.cadence
                .has_read(id, basis, tick.number, is_changed, received_at_ms);
        } else {
            self.cadence.forget(id);
        }
        Ok(Some(Confirmed {
            snapshot: unchanged.map_or_else(|| Arc::new(read), |same| Arc::clone(&same.snapshot)),
            confirmed_at: now,
        }))
    }

    /// The snapshot of a poll that need not be read at this tick.
    fn unread(&self, poll: &Poll, same: &Confirmed, tick: Tick) -> Option<Confirmed> {
        let id = poll.definition.id();
        let confirmed = |confirmed_at| {
            let snapshot = Arc::clone(&same.snapshot);
            Some(Confirmed {
                snapshot,
                confirmed_at,
            })
        };
        let at_rest = match poll.state {
            // No figure of it can change but by a new revision.
            PollState::Draft | PollState::Void => same.snapshot.has_all_writers(),
            PollState::Sealed => same.snapshot.sealed.is_some(),
            PollState::Open | PollState::Paused | PollState::Closed => false,
        };
        // Fences are written after the document: who reads in between looks again.
        if at_rest && self.reader.is_fenced(id) {
            // Its document has confirmed it.
            return confirmed(tick.polls_read_at.unwrap_or(same.confirmed_at));
        }
        // Figures that do not agree are read again and again, and each time counted.
        if self.reader.agrees(id)
            && let Some(basis) = self.cadence.basis(id)
        {
            let shards = poll.definition.shards();
            if self.changes.are_shards_kept(basis, id, shards) {
                return confirmed(tick.asked_at);
            }
            // It has changed, or nobody knows: it need not be looked whether it has.
            if self.changes.is_watched(basis) {
                return None;
            }
        }
        let quiet = poll.effective_state(self.clock.now()) == PollState::Closed;
        let (rests, every) = if quiet {
            (!tick.number.is_multiple_of(QUIET_EVERY), QUIET_EVERY)
        } else {
            let every = self.config.rest_every();
            (self.cadence.is_resting(id, tick.number, every), every)
        };
        // Ticks take longer while a server hangs.
        let rested = tick.asked_at.duration_since(same.confirmed_at);
        let has_rested =
            Duration::try_from(rested).is_ok_and(|it| it >= self.config.interval * every);
        (rests && !has_rested).then(|| same.clone())
    }

    /// A failover that forgets an operator's change brings an older document back, or none.
    fn say(&self, regressions: &[Regression]) {
        for (id, _) in self.known.iter() {
            // From 0: the first one is an increase, too.
            self.metrics
                .regressions
                .get_or_create(&PollLabels::of(id))
                .inc_by(0);
        }
        for regression in regressions {
            let id = match regression {
                Regression::Poll { id, was } => {
                    tracing::error!(
                        poll = %id, was,
                        "Redis has forgotten the poll: its last figures are kept; bring its data back"
                    );
                    id
                }
                Regression::Change { id, was, is } => {
                    tracing::error!(
                        poll = %id, was, is,
                        "Redis has forgotten a change of the poll: look at it and make the change again"
                    );
                    id
                }
            };
            let labels = PollLabels::of(id);
            self.metrics.regressions.get_or_create(&labels).inc();
        }
    }
}
