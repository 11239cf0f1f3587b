//! What a judge said of suspect votes. Never of whose.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::memory::Ruling;

const BUCKETS_S: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// The metrics of the judge; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct JudgeMetrics {
    passed: Counter,
    refused: Counter,
    silent: Counter,
    pub(super) not_asked: Counter,
    duration: Histogram,
}

impl JudgeMetrics {
    /// Registers them, all of them at zero, also where there is no judge.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::<OutcomeLabels, Counter>::default();
        let of = |outcome| requests.get_or_create_owned(&OutcomeLabels { outcome });
        let metrics = Self {
            passed: of("passed"),
            refused: of("refused"),
            silent: of("silent"),
            not_asked: of("not_asked"),
            duration: Histogram::new(BUCKETS_S),
        };
        registry.register(
            "vote_judge_requests",
            "Suspect votes, by what the judge said of them; not_asked: they had nothing to ask it with",
            requests,
        );
        registry.register_with_unit(
            "vote_judge_duration",
            "How long the judge took for its answers, or until it was given up",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        metrics
    }

    pub(super) fn ruled(&self, ruling: Ruling) {
        let counter = match ruling {
            Ruling::Passed => &self.passed,
            Ruling::Refused => &self.refused,
            Ruling::Silent => &self.silent,
        };
        counter.inc();
    }

    pub(super) fn took(&self, time: Duration) {
        self.duration.observe(time.as_secs_f64());
    }
}
