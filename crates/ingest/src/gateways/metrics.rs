//! What is told of gateways: what became of their lines, and how their batches ended.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LineLabels {
    gateway: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BatchLabels {
    gateway: String,
    end: &'static str,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineOutcome {
    Accepted,
    AlreadyAccepted,
    /// It is no vote for the poll, or the poll does not take it.
    Refused,
    RateLimited,
    /// Not recorded, for now.
    NotRecorded,
    Unknown,
}

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchEnd {
    Whole,
    CutOff,
    TooLarge,
    Late,
    Draining,
    /// Nobody waited for its answers any more.
    Abandoned,
}

const OUTCOMES: [(LineOutcome, &str); 6] = [
    (LineOutcome::Accepted, "accepted"),
    (LineOutcome::AlreadyAccepted, "already_accepted"),
    (LineOutcome::Refused, "refused"),
    (LineOutcome::RateLimited, "rate_limited"),
    (LineOutcome::NotRecorded, "not_recorded"),
    (LineOutcome::Unknown, "unknown"),
];

const ENDS: [(BatchEnd, &str); 6] = [
    (BatchEnd::Whole, "whole"),
    (BatchEnd::CutOff, "cut_off"),
    (BatchEnd::TooLarge, "too_large"),
    (BatchEnd::Late, "late"),
    (BatchEnd::Draining, "draining"),
    (BatchEnd::Abandoned, "abandoned"),
];

/// The families of gateways; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct GatewayMetrics {
    lines: Family<LineLabels, Counter>,
    batches: Family<BatchLabels, Counter>,
    known: Gauge,
    file_refused: Gauge,
}

impl GatewayMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "vote_gateway_lines",
            "Lines of gateways' batches, by what became of them",
            metrics.lines.clone(),
        );
        registry.register(
            "vote_gateway_batches",
            "Batches of gateways, by how they ended",
            metrics.batches.clone(),
        );
        registry.register(
            "vote_gateways",
            "Gateways that are known, from gateways.file",
            metrics.known.clone(),
        );
        registry.register(
            "vote_gateways_file_refused",
            "1 while gateways.file is wrong or can't be read, so that what was read before counts",
            metrics.file_refused.clone(),
        );
        metrics
    }

    pub(super) fn has(&self, known: usize) {
        self.known.set(i64::try_from(known).unwrap_or(i64::MAX));
        self.file_refused.set(0);
    }

    pub(super) fn refuses_file(&self) {
        self.file_refused.set(1);
    }

    /// The handles of one gateway.
    pub(super) fn of(&self, gateway: &str) -> OfGateway {
        OfGateway {
            lines: OUTCOMES.map(|(_, outcome)| {
                let gateway = gateway.to_owned();
                let labels = LineLabels { gateway, outcome };
                self.lines.get_or_create_owned(&labels)
            }),
            batches: ENDS.map(|(_, end)| {
                let gateway = gateway.to_owned();
                self.batches
                    .get_or_create_owned(&BatchLabels { gateway, end })
            }),
        }
    }
}

/// The handles of one gateway.
pub(super) struct OfGateway {
    lines: [Counter; OUTCOMES.len()],
    batches: [Counter; ENDS.len()],
}

impl OfGateway {
    pub(super) fn line(&self, outcome: LineOutcome) {
        self.lines[outcome as usize].inc();
    }

    pub(super) fn batch(&self, end: BatchEnd) {
        self.batches[end as usize].inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_at_its_place() {
        for (place, (outcome, _)) in OUTCOMES.iter().enumerate() {
            assert_eq!(*outcome as usize, place);
        }
        for (place, (end, _)) in ENDS.iter().enumerate() {
            assert_eq!(*end as usize, place);
        }
    }
}
