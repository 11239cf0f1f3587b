//! Figures that Redis has forgotten, and that their writers are about to send again.
//!
//! After a failover the ledger has less of a writer than it had, and so have the figures, until the writer has found the
//! gap (within two seconds) and repaired it. They would be shown as fresh ones, with fewer votes than a moment ago.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use vote_domain::PollId;

use super::{PollSnapshot, SnapshotConfig};

/// How long the writers have for it, in ticks: ten seconds with the services' own interval. What is not there then is
/// taken for lost.
const PATIENCE_TICKS: u32 = 40;

/// Since when polls have been kept as they were.
#[derive(Debug)]
pub(super) struct Held {
    since: BTreeMap<PollId, Instant>,
    patience: Duration,
}

impl Held {
    pub(super) fn new(config: &SnapshotConfig) -> Self {
        Self {
            since: BTreeMap::new(),
            patience: config.interval * PATIENCE_TICKS,
        }
    }

    /// Whether to keep what is known, and leave it to grow stale, instead of what was read.
    pub(super) fn keeps(&mut self, known: &PollSnapshot, read: &PollSnapshot) -> bool {
        let id = read.poll.definition.id();
        if !has_less(read, known) {
            self.since.remove(id);
            return false;
        }
        let since = self.since.entry(id.clone()).or_insert_with(|| {
            tracing::warn!(
                poll = %id, was = known.tally.total(), is = read.tally.total(),
                "Redis has forgotten votes: the last figures are kept while their writers send them again"
            );
            Instant::now()
        });
        since.elapsed() < self.patience
    }

    pub(super) fn retain(&mut self, is_known: impl Fn(&PollId) -> bool) {
        self.since.retain(|id, _| is_known(id));
    }
}

/// Whether the ledger of `read` lacks batches that the one of `known` has.
fn has_less(read: &PollSnapshot, known: &PollSnapshot) -> bool {
    let shards = (0_u16..).zip(&known.ledger);
    shards.into_iter().any(|(shard, writers)| {
        writers
            .iter()
            .any(|(writer, ledger)| !read.has_batch(shard, writer, ledger.last_sequence))
    })
}
