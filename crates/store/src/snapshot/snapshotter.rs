//! Reads snapshots and publishes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use vote_domain::{Clock, Minute, MinuteSeries, Poll, PollId, PollState, SealedPoll, Tally};

use super::{
    Confirmed, PollSnapshot, QUIET_EVERY, SnapshotConfig, Snapshots,
    held::Held,
    known::{KnownPolls, Regression},
    metrics::{Metrics, PollLabels},
};
use crate::store::Store;
use crate::{
    directory::PollReader,
    error::StoreError,
    fence::Fence,
    figures::{self, ShardFigures},
    keys::{self, ShardKeys},
    reader::ResultsReader,
};

/// Reads snapshots and publishes them.
pub struct Snapshotter {
    polls: PollReader,
    results: ResultsReader,
    clock: Arc<dyn Clock>,
    config: SnapshotConfig,
    metrics: Metrics,
    publish: watch::Sender<Snapshots>,
    known: KnownPolls,
    /// Polls with a shard whose fence is not what the document says.
    unfenced: BTreeSet<PollId>,
    held: Held,
    polls_due: Option<Instant>,
    older: BTreeMap<PollId, OlderHours>,
    failing: bool,
}

/// Minutes of hours that are over, read once.
#[derive(Debug, Clone)]
struct OlderHours {
    minutes: MinuteSeries,
    hours: BTreeSet<i64>,
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
        let snapshotter = Self {
            polls: store.polls(),
            results: store.results(),
            clock,
            config,
            metrics: Metrics::register(registry),
            publish,
            known: KnownPolls::default(),
            unfenced: BTreeSet::new(),
            held: Held::new(&config),
            polls_due: None,
            older: BTreeMap::new(),
            failing: false,
        };
        tokio::spawn(cancel.run_until_cancelled_owned(snapshotter.run()));
        snapshots
    }

    async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tick in 0_u32.. {
            ticks.tick().await;
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

    async fn tick(&mut self, tick: u32) -> Result<(), StoreError> {
        let polls_read_at = if self.polls_due.is_none_or(|due| Instant::now() >= due) {
            let now = self.clock.now();
            let listed = self.polls.listed().await?;
            let regressions = self.known.update(listed);
            self.say(&regressions);
            let receipt_key = self.polls.receipt_key().await?;
            self.publish.send_modify(|snapshots| {
                snapshots.receipt_key = receipt_key.map(Arc::new);
            });
            self.polls_due = Some(Instant::now() + self.config.polls_interval);
            Some(now)
        } else {
            None
        };

        let before = Arc::clone(&self.publish.borrow().polls);
        let mut after = BTreeMap::new();
        let mut unread = BTreeSet::new();
        let mut failed = None;
        let mut is_incomplete = false;
        let polls = self.known.iter();
        let polls: Vec<_> = polls
            .map(|(id, known)| (id.clone(), known.document.clone()))
            .collect();
        for (id, document) in polls {
            let known = before.get(&id);
            let read = match &document {
                Ok(poll) => self.poll(poll, known, polls_read_at, tick).await,
                Err(reason) => {
                    is_incomplete = true;
                    // What its fences should say is not known.
                    let labels = PollLabels::of(&id);
                    self.metrics.fence_mismatches.remove(&labels);
                    Err(StoreError::Corrupt {
                        key: format!("the document of poll {id}"),
                        reason: reason.clone(),
                    })
                }
            };
            match read {
                Ok(confirmed) => {
                    after.insert(id, confirmed);
                }
                Err(error) => {
                    if let Some(known) = known {
                        after.insert(id, known.clone());
                    } else {
                        unread.insert(id);
                    }
                    failed = Some(error);
                }
            }
        }
        self.older.retain(|id, _| after.contains_key(id));
        self.unfenced.retain(|id| after.contains_key(id));
        self.held.retain(|id| after.contains_key(id));
        self.publish.send_modify(|snapshots| {
            snapshots.is_incomplete = is_incomplete || !unread.is_empty();
            snapshots.polls = Arc::new(after);
            snapshots.unread = Arc::new(unread);
            if polls_read_at.is_some() {
                snapshots.polls_read_at = polls_read_at;
            }
        });
        failed.map_or(Ok(()), Err)
    }

    /// The snapshot of one poll: read if it is due, else the known one.
    async fn poll(
        &mut self,
        poll: &Poll,
        known: Option<&Confirmed>,
        polls_read_at: Option<Timestamp>,
        tick: u32,
    ) -> Result<Confirmed, StoreError> {
        let same = known.filter(|known| known.snapshot.poll == *poll);
        if let Some(same) = same {
            let at_rest = match poll.state {
                // No figure of it can change but by a new revision.
                PollState::Draft | PollState::Void => true,
                PollState::Sealed => same.snapshot.sealed.is_some(),
                PollState::Open | PollState::Paused | PollState::Closed => false,
            };
            // Fences are written after the document: who reads in between looks again.
            if at_rest && !self.unfenced.contains(poll.definition.id()) {
                // Reading the list of polls has confirmed it.
                return Ok(Confirmed {
                    snapshot: Arc::clone(&same.snapshot),
                    confirmed_at: polls_read_at.unwrap_or(same.confirmed_at),
                });
            }
            let quiet = poll.effective_state(self.clock.now()) == PollState::Closed;
            if quiet && !tick.is_multiple_of(QUIET_EVERY) {
                return Ok(same.clone());
            }
        }

        let now = self.clock.now();
        let started = Instant::now();
        let read = self.read(poll, now).await?;
        self.metrics
            .read_seconds
            .observe(started.elapsed().as_secs_f64());
        if let Some(same) = same
            && self.held.keeps(&same.snapshot, &read)
        {
            return Ok(same.clone());
        }
        let unchanged = same.filter(|same| {
            same.snapshot.revision == read.revision
                && same.snapshot.tally == read.tally
                && same.snapshot.sealed.is_some() == read.sealed.is_some()
        });
        Ok(Confirmed {
            snapshot: unchanged.map_or_else(|| Arc::new(read), |same| Arc::clone(&same.snapshot)),
            confirmed_at: now,
        })
    }

    async fn read(&mut self, poll: &Poll, now: Timestamp) -> Result<PollSnapshot, StoreError> {
        let id = poll.definition.id();
        let all_hours = figures::hours(poll, now);
        let this_hour = Minute::from_timestamp(now).hour();
        let older = self.older.get(id);
        let recent: Vec<i64> = all_hours
            .clone()
            .filter(|hour| older.is_none_or(|older| !older.hours.contains(hour)))
            .collect();
        let mut shards = self.figures(poll, recent.iter().copied()).await?;
        let older = self.older.get(id);
        let mut minutes = merge_minutes(&shards, older.map(|older| &older.minutes))?;
        let mut agrees = agree(&shards, &minutes);
        if !agrees && older.is_some() {
            // A batch of an hour that was over has come after all.
            self.older.remove(id);
            shards = self.figures(poll, all_hours).await?;
            minutes = merge_minutes(&shards, None)?;
            agrees = agree(&shards, &minutes);
        }
        self.metrics
            .disagreements
            .get_or_create(&PollLabels::of(id))
            .inc_by(u64::from(!agrees));
        if !agrees {
            tracing::error!(poll = %id, "tally, minutes and ledger do not agree: audit the poll");
        }
        self.remember_older(id, &minutes, &recent, this_hour);
        let sealed = match poll.state {
            PollState::Sealed => self.sealed(id).await?,
            _ => None,
        };
        assemble(poll, shards, minutes, sealed, now)
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

    /// The figures of all shards, with the minutes of `hours`, where all shards are known to be what
    /// was written to them.
    async fn figures(
        &mut self,
        poll: &Poll,
        hours: impl Iterator<Item = i64> + Clone,
    ) -> Result<Vec<ShardFigures>, StoreError> {
        let shards = self.results.figures_of(&poll.definition, hours).await?;
        self.compare_fences(poll, &shards);
        // A draft is written before its fences, and has no votes. All others had fences before: a shard
        // without one has been forgotten, and its figures are unknown, not zero.
        let forgotten = shards.iter().find(|shard| shard.fence.is_none());
        if let Some(shard) = forgotten.filter(|_| poll.state != PollState::Draft) {
            let keys = ShardKeys::new(poll.definition.id(), shard.shard);
            return Err(StoreError::Corrupt {
                key: keys.state(),
                reason: format!(
                    "no fence, though the poll is {}: Redis has forgotten the shard",
                    poll.state
                ),
            });
        }
        Ok(shards)
    }

    /// Counts the shards that would take, or refuse, other votes than the poll's document says.
    fn compare_fences(&mut self, poll: &Poll, shards: &[ShardFigures]) {
        let id = poll.definition.id();
        let wanted = Fence::of(poll);
        let mismatches = shards
            .iter()
            .filter(|shard| shard.fence != Some(wanted))
            .count();
        if mismatches == 0 {
            self.unfenced.remove(id);
        } else {
            self.unfenced.insert(id.clone());
        }
        self.metrics
            .fence_mismatches
            .get_or_create(&PollLabels::of(id))
            .set(i64::try_from(mismatches).unwrap_or(i64::MAX));
    }

    /// The sealed result, once it has proven to be unchanged.
    async fn sealed(&self, id: &PollId) -> Result<Option<Arc<SealedPoll>>, StoreError> {
        let sealed = self.results.sealed(id).await?;
        if let Some(sealed) = &sealed {
            sealed.verify().map_err(|error| StoreError::Corrupt {
                key: keys::sealed(id),
                reason: error.to_string(),
            })?;
        }
        Ok(sealed.map(Arc::new))
    }

    /// Keeps the minutes of hours that ended at least an hour ago.
    fn remember_older(
        &mut self,
        id: &PollId,
        minutes: &MinuteSeries,
        read: &[i64],
        this_hour: i64,
    ) {
        let over = |hour: i64| hour < this_hour - 1;
        let mut hours: BTreeSet<i64> = read.iter().copied().filter(|hour| over(*hour)).collect();
        if hours.is_empty() {
            return;
        }
        if let Some(older) = self.older.get(id) {
            hours.extend(&older.hours);
        }
        let minutes = minutes.of_hours(|hour| hours.contains(&hour));
        self.older.insert(id.clone(), OlderHours { minutes, hours });
    }
}

fn overflow(error: &vote_domain::TallyOverflow) -> StoreError {
    StoreError::Corrupt {
        key: "the sum of all shards".to_owned(),
        reason: error.to_string(),
    }
}

fn merge_minutes(
    shards: &[ShardFigures],
    older: Option<&MinuteSeries>,
) -> Result<MinuteSeries, StoreError> {
    let mut parts = shards.iter().map(|shard| &shard.minutes).chain(older);
    let Some(first) = parts.next() else {
        return Ok(MinuteSeries::new(0, 0));
    };
    let mut sum = first.clone();
    for part in parts {
        sum.merge(part).map_err(|error| overflow(&error))?;
    }
    Ok(sum)
}

fn agree(shards: &[ShardFigures], minutes: &MinuteSeries) -> bool {
    let tally: u128 = shards.iter().map(|shard| shard.tally.total()).sum();
    let ledger: u128 = shards.iter().map(ShardFigures::ledger_total).sum();
    tally == ledger && tally == minutes.total()
}

fn assemble(
    poll: &Poll,
    shards: Vec<ShardFigures>,
    minutes: MinuteSeries,
    sealed: Option<Arc<SealedPoll>>,
    now: Timestamp,
) -> Result<PollSnapshot, StoreError> {
    let shape = (
        poll.definition.channels().len(),
        poll.definition.candidates().len(),
    );
    let mut tally = Tally::new(shape.0, shape.1);
    let mut late = Tally::new(shape.0, shape.1);
    let mut ledger = Vec::with_capacity(shards.len());
    let mut revision = poll.revision;
    for shard in shards {
        tally
            .merge(&shard.tally)
            .map_err(|error| overflow(&error))?;
        late.merge(&shard.late).map_err(|error| overflow(&error))?;
        revision += shard
            .writers
            .values()
            .map(|writer| writer.last_sequence)
            .sum::<u64>();
        ledger.push(shard.writers);
    }
    Ok(PollSnapshot {
        poll: poll.clone(),
        tally,
        minutes,
        late,
        ledger,
        revision,
        read_at: now,
        sealed,
    })
}
