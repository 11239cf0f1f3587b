//! Reads the figures of polls for their snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use vote_domain::{Minute, MinuteSeries, Poll, PollId, PollState, SealedPoll};

use super::assemble::{agree, assemble, merge_minutes};
use super::metrics::{Metrics, PollLabels};
use super::snapshots::PollSnapshot;
use crate::error::StoreError;
use crate::fence::Fence;
use crate::figures::{self, ShardFigures};
use crate::keys::{self, ShardKeys};
use crate::nodes::Nodes;
use crate::polls::documents;

/// Reads figures, and remembers what need not be read again.
pub(super) struct FiguresReader {
    nodes: Nodes,
    metrics: Metrics,
    older: BTreeMap<PollId, OlderHours>,
    /// Polls with a shard whose fence is not what the document says.
    unfenced: BTreeSet<PollId>,
}

/// Minutes of hours that are over, read once.
#[derive(Debug, Clone)]
struct OlderHours {
    minutes: MinuteSeries,
    hours: BTreeSet<i64>,
}

impl FiguresReader {
    pub(super) fn new(nodes: Nodes, metrics: Metrics) -> Self {
        Self {
            nodes,
            metrics,
            older: BTreeMap::new(),
            unfenced: BTreeSet::new(),
        }
    }

    /// Whether each shard had the fence of the poll's document when it was last read.
    pub(super) fn is_fenced(&self, id: &PollId) -> bool {
        !self.unfenced.contains(id)
    }

    /// Forgets all other polls.
    pub(super) fn retain(&mut self, is_known: impl Fn(&PollId) -> bool) {
        self.older.retain(|id, _| is_known(id));
        self.unfenced.retain(|id| is_known(id));
    }

    /// The figures of one poll at this instant.
    pub(super) async fn read(
        &mut self,
        poll: &Poll,
        now: Timestamp,
    ) -> Result<PollSnapshot, StoreError> {
        let id = poll.definition.id();
        let all_hours = figures::read::hours(poll, now);
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
        assemble(poll, shards, minutes, sealed)
    }

    /// The figures of all shards, with the minutes of `hours`, where all shards are known to be what
    /// was written to them.
    async fn figures(
        &mut self,
        poll: &Poll,
        hours: impl Iterator<Item = i64> + Clone,
    ) -> Result<Vec<ShardFigures>, StoreError> {
        let shards = figures::read::shards(&self.nodes, &poll.definition, hours).await?;
        self.compare_fences(poll, &shards);
        // A draft is written before its fences, and has no votes. All others had fences before: a shard
        // without one has been forgotten, and its figures are unknown, not zero.
        let forgotten = shards.iter().find(|shard| shard.fence.is_none());
        if let Some(shard) = forgotten.filter(|_| poll.state != PollState::Draft) {
            let keys = ShardKeys::new(poll.definition.id(), shard.shard);
            let reason = format!(
                "no fence, though the poll is {}: Redis has forgotten the shard",
                poll.state
            );
            return Err(StoreError::corrupt(&keys.state(), &reason));
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
        let sealed = documents::sealed(&self.nodes, id).await?;
        if let Some(sealed) = &sealed {
            let verified = sealed.verify();
            verified.map_err(|error| StoreError::corrupt(&keys::sealed(id), &error))?;
        }
        Ok(sealed.map(Arc::new))
    }

    /// Remembers the minutes of hours that ended at least an hour ago.
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
