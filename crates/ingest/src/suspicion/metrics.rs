//! How many votes were set aside, and the list of those that are denied. Never whose.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use vote_domain::QuarantineReason;
use vote_limits::DenyList;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// The metrics of suspicion; cheap to clone.
#[derive(Clone)]
pub(super) struct SuspicionMetrics {
    /// In the order of all reasons.
    quarantined: [Counter; QuarantineReason::ALL.len()],
    prefixes: Gauge,
    file_refused: Gauge,
}

impl SuspicionMetrics {
    /// Registers them, all of them at zero.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let quarantined = Family::<ReasonLabels, Counter>::default();
        let of = |place: usize| {
            let reason = QuarantineReason::ALL[place].as_str();
            quarantined.get_or_create_owned(&ReasonLabels { reason })
        };
        let metrics = Self {
            quarantined: std::array::from_fn(of),
            prefixes: Gauge::default(),
            file_refused: Gauge::default(),
        };
        registry.register(
            "vote_quarantined_votes",
            "Votes that were accepted and set aside as suspect, by the reason that weighed most",
            quarantined,
        );
        registry.register(
            "vote_deny_list_prefixes",
            "Prefixes of suspicion.deny_list_file",
            metrics.prefixes.clone(),
        );
        registry.register(
            "vote_deny_list_file_refused",
            "1 while suspicion.deny_list_file is wrong or can't be read, so that what was read before counts",
            metrics.file_refused.clone(),
        );
        metrics
    }

    pub(super) fn quarantined(&self, reason: QuarantineReason) {
        self.quarantined[reason as usize].inc();
    }

    pub(super) fn has_list(&self, list: &DenyList) {
        let prefixes = i64::try_from(list.prefixes()).unwrap_or(i64::MAX);
        self.prefixes.set(prefixes);
        self.file_refused.set(0);
    }

    pub(super) fn refuses_file(&self) {
        self.file_refused.set(1);
    }
}
