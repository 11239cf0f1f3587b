//! What is counted of tokens and keys: never whose.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::refused::Refused;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl ResultLabel {
    const fn new(result: &'static str) -> Self {
        Self { result }
    }
}

/// Handles of what is counted.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    tokens: Family<ResultLabel, Counter>,
    pub(crate) seen: Counter,
    pub(crate) verified: Counter,
    pub(crate) keys: Gauge,
    pub(crate) readings: Counter,
    pub(crate) failed_readings: Counter,
    /// When the keys were last read, in seconds since 1970; 0 for never.
    pub(crate) read_at: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let tokens = Family::<ResultLabel, Counter>::default();
        registry.register(
            "vote_voter_tokens",
            "Voter tokens that came with votes, by what became of them",
            tokens.clone(),
        );
        let readings = Family::<ResultLabel, Counter>::default();
        registry.register(
            "vote_voter_keys_readings",
            "Readings of the keys of voter tokens",
            readings.clone(),
        );
        let keys = Gauge::default();
        registry.register(
            "vote_voter_keys",
            "Keys that voter tokens can be verified with",
            keys.clone(),
        );
        let read_at = Gauge::default();
        registry.register_with_unit(
            "vote_voter_keys_read_timestamp",
            "When the keys of voter tokens were last read, since 1970",
            Unit::Seconds,
            read_at.clone(),
        );
        let counter = |family: &Family<ResultLabel, Counter>, result| {
            family.get_or_create(&ResultLabel::new(result)).clone()
        };
        for result in Refused::LABELS {
            counter(&tokens, result);
        }
        Self {
            seen: counter(&tokens, "seen"),
            verified: counter(&tokens, "verified"),
            readings: counter(&readings, "ok"),
            failed_readings: counter(&readings, "failed"),
            tokens,
            keys,
            read_at,
        }
    }

    pub(crate) fn refused(&self, refused: Refused) {
        let label = ResultLabel::new(refused.label());
        self.tokens.get_or_create(&label).inc();
    }
}
