//! What a snapshotter counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use vote_domain::PollId;

use crate::poll_labels::PollLabels;

/// The families of a snapshotter.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    pub(super) read_seconds: Histogram,
    pub(super) failures: Counter,
    pub(super) disagreements: Family<PollLabels, Counter>,
    pub(super) fence_mismatches: Family<PollLabels, Gauge>,
    pub(super) regressions: Family<PollLabels, Counter>,
}

impl Metrics {
    /// Forgets a poll that was deleted: what was last said of it would stay for good.
    pub(super) fn remove(&self, id: &PollId) {
        let labels = PollLabels::of(id);
        self.disagreements.remove(&labels);
        self.fence_mismatches.remove(&labels);
        self.regressions.remove(&labels);
    }

    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            read_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 14)),
            failures: Counter::default(),
            disagreements: Family::default(),
            fence_mismatches: Family::default(),
            regressions: Family::default(),
        };
        registry.register_with_unit(
            "vote_snapshot_read",
            "Time to read the figures of one poll",
            Unit::Seconds,
            metrics.read_seconds.clone(),
        );
        registry.register(
            "vote_snapshot_failures",
            "Snapshots that could not be read",
            metrics.failures.clone(),
        );
        registry.register(
            "vote_snapshot_disagreements",
            "Times that tally, minutes and ledger of a poll did not agree",
            metrics.disagreements.clone(),
        );
        registry.register(
            "vote_fence_mismatch_shards",
            "Shards whose fence is not what the poll's document says: an operator's change is half done or was forgotten",
            metrics.fence_mismatches.clone(),
        );
        registry.register(
            "vote_poll_regressions",
            "Times that Redis was found to have forgotten a poll, or an operator's change of it: it is gone, or at an older revision",
            metrics.regressions.clone(),
        );
        metrics
    }
}
