//! Reads the figures of polls for their snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use vote_domain::{Poll, PollId, PollState, SealedPoll};

use super::assemble::{assemble, ledgers_agree};
use super::ended::{EndedWriters, KnownEnded};
use super::ledgers::Ledgers;
use super::metrics::Metrics;
use super::minutes::{Known, PollMinutes};
use super::snapshots::PollSnapshot;
use crate::error::StoreError;
use crate::fence::Fence;
use crate::figures::ShardFigures;
use crate::keys::{self, ShardKeys};
use crate::nodes::Nodes;
use crate::poll_labels::PollLabels;
use crate::polls::documents;

/// Reads figures, and remembers what need not be read again.
pub(super) struct FiguresReader {
    nodes: Nodes,
    metrics: Metrics,
    kept: BTreeMap<PollId, Kept>,
    /// Whose turn it is to read minutes that are over: one call at a time, and a pause after it.
    turn: Arc<Semaphore>,
    /// Polls with a shard whose fence is not what the document says.
    unfenced: BTreeSet<PollId>,
    /// Polls whose figures do not agree.
    disagreeing: BTreeSet<PollId>,
}

/// What is kept of one poll.
struct Kept {
    minutes: PollMinutes,
    ledgers: Ledgers,
    ended: KnownEnded,
}

/// What was read of one poll.
pub(super) struct Read {
    pub(super) snapshot: PollSnapshot,
    /// When the latest vote of each shard was received.
    pub(super) received_at_ms: Vec<Option<i64>>,
}

impl FiguresReader {
    pub(super) fn new(nodes: Nodes, metrics: Metrics) -> Self {
        Self {
            nodes,
            metrics,
            kept: BTreeMap::new(),
            turn: Arc::new(Semaphore::new(1)),
            unfenced: BTreeSet::new(),
            disagreeing: BTreeSet::new(),
        }
    }

    /// Whether each shard had the fence of the poll's document when it was last read.
    pub(super) fn is_fenced(&self, id: &PollId) -> bool {
        !self.unfenced.contains(id)
    }

    /// Whether tally, minutes and ledger agreed when the poll was last read.
    pub(super) fn agrees(&self, id: &PollId) -> bool {
        !self.disagreeing.contains(id)
    }

    /// Forgets all other polls.
    pub(super) fn retain(&mut self, is_known: impl Fn(&PollId) -> bool) {
        self.kept.retain(|id, _| is_known(id));
        self.unfenced.retain(|id| is_known(id));
        self.disagreeing.retain(|id| is_known(id));
    }

    /// The figures of one poll at this instant; `None` while not all of its minutes are known.
    pub(super) async fn read(
        &mut self,
        poll: &Poll,
        now: Timestamp,
    ) -> Result<Option<Read>, StoreError> {
        let id = poll.definition.id();
        let kept = self.kept.remove(id);
        let kept = kept.filter(|kept| kept.minutes.are_of(poll));
        let mut kept = kept.unwrap_or_else(|| Kept {
            minutes: PollMinutes::new(poll),
            ledgers: Ledgers::none(poll.definition.shards()),
            ended: KnownEnded::none(poll.definition.shards()),
        });
        let read = self.read_with(&mut kept, poll, now).await;
        self.kept.insert(id.clone(), kept);
        let (shards, known, ended) = read?;
        let (series, agrees) = match known {
            Known::All(series) => (series, ledgers_agree(&shards)),
            Known::Disagreeing(series) => (series, false),
            Known::Searching => return Ok(None),
        };
        self.say_whether(id, agrees);
        if !agrees && poll.has_annulments() {
            let reason =
                "tally, minutes and ledger do not agree, and so nobody can say what is annulled";
            return Err(StoreError::corrupt(
                &format!("the figures of poll {id}"),
                &reason,
            ));
        }
        let sealed = match poll.state {
            PollState::Sealed => self.sealed(id).await?,
            _ => None,
        };
        let received_at_ms = shards.iter().map(|shard| shard.received_at_ms).collect();
        let snapshot = assemble(poll, shards, series, ended, sealed)?;
        Ok(Some(Read {
            snapshot,
            received_at_ms,
        }))
    }

    async fn read_with(
        &mut self,
        kept: &mut Kept,
        poll: &Poll,
        now: Timestamp,
    ) -> Result<(Vec<ShardFigures>, Known, Vec<EndedWriters>), StoreError> {
        let Kept {
            minutes,
            ledgers,
            ended,
        } = kept;
        let named = minutes.at(poll, now);
        let state = poll.effective_state(now);
        let shards = ledgers
            .read(&self.nodes, poll, minutes.places(), &named, state)
            .await?;
        self.refuse_forgotten(poll, &shards)?;
        let (nodes, turn) = (&self.nodes, &self.turn);
        let known = minutes
            .take(nodes, turn, poll, now, &shards, &named)
            .await?;
        let ended = ended.take(nodes, poll.definition.id(), &shards).await?;
        Ok((shards, known, ended))
    }

    /// Counts each reading that does not agree, and says the first.
    fn say_whether(&mut self, id: &PollId, agrees: bool) {
        self.metrics
            .disagreements
            .get_or_create(&PollLabels::of(id))
            .inc_by(u64::from(!agrees));
        if agrees {
            self.disagreeing.remove(id);
        } else if self.disagreeing.insert(id.clone()) {
            tracing::error!(poll = %id, "tally, minutes and ledger do not agree: audit the poll");
        }
    }

    /// Whether all shards are known to be what was written to them.
    fn refuse_forgotten(&mut self, poll: &Poll, shards: &[ShardFigures]) -> Result<(), StoreError> {
        self.compare_fences(poll, shards);
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
        Ok(())
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
}
