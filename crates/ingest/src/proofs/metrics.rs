//! What is told of proofs of work. Handles are resolved once for each channel.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use vote_domain::{Channel, PollId};
use vote_proof::Pressure;

use super::channel::ChannelProofs;
use super::verdict::Verdict;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    poll: String,
    channel: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabels {
    poll: String,
    channel: String,
    verdict: &'static str,
}

/// The families of proofs.
#[derive(Debug, Clone, Default)]
pub(super) struct ProofMetrics {
    challenges: Family<ChannelLabels, Counter>,
    cost: Family<ChannelLabels, Gauge>,
    proofs: Family<VerdictLabels, Counter>,
}

impl ProofMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "vote_challenges",
            "Challenges of proofs of work that were asked for",
            metrics.challenges.clone(),
        );
        registry.register(
            "vote_proof_cost_iterations",
            "What a proof of work costs now, in iterations for each try; as last asked for",
            metrics.cost.clone(),
        );
        registry.register(
            "vote_proofs",
            "Votes through channels that ask for proofs of work, by what their proof was found to be",
            metrics.proofs.clone(),
        );
        metrics
    }

    /// The handles of a channel.
    pub(super) fn channel(&self, poll: &PollId, channel: &Channel) -> ChannelProofs {
        let labels = ChannelLabels {
            poll: poll.to_string(),
            channel: channel.id.to_string(),
        };
        let of = |verdict| VerdictLabels {
            poll: poll.to_string(),
            channel: channel.id.to_string(),
            verdict,
        };
        ChannelProofs {
            pressure: Pressure::default(),
            verdicts: Verdict::ALL
                .map(|(_, verdict)| self.proofs.get_or_create(&of(verdict)).clone()),
            challenges: self.challenges.get_or_create(&labels).clone(),
            cost: self.cost.get_or_create(&labels).clone(),
        }
    }
}
