//! What lanes tell about themselves.
//!
//! Registered on a registry that is passed in; handles are resolved when a lane starts, so that a
//! vote costs one atomic addition.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use vote_domain::PollDefinition;

use super::config::LaneConfig;
use super::metric_names;
use super::outcome::{Outcome, Verdict};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VoteLabels {
    poll: String,
    channel: String,
    candidate: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabels {
    poll: String,
    shard: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PollLabels {
    poll: String,
}

type PollFamily<M, F = fn() -> M> = Family<PollLabels, M, F>;

/// The families of the ingest service's lanes.
#[derive(Debug, Clone)]
pub(crate) struct WriterMetrics {
    votes: Family<VoteLabels, Counter>,
    batch_votes: PollFamily<Histogram>,
    commit_seconds: PollFamily<Histogram>,
    queue: Family<LaneLabels, Gauge>,
    replay_log_bytes: Family<LaneLabels, Gauge>,
    replays: PollFamily<Counter>,
    retries: PollFamily<Counter>,
    gaps: PollFamily<Counter>,
    repaired_votes: PollFamily<Counter>,
    unrecoverable_votes: PollFamily<Counter>,
    unconfirmed_votes: PollFamily<Counter>,
    unexpected_votes: PollFamily<Counter>,
    missing_votes: Family<LaneLabels, Gauge>,
    spilled_votes: PollFamily<Counter>,
}

impl WriterMetrics {
    /// Registers the families, and the bounds that `config` sets.
    pub(crate) fn register(registry: &mut Registry, config: &LaneConfig) -> Self {
        let (batch_votes, commit_seconds) = histograms(registry);
        let (queue, replay_log_bytes) = gauges(registry, config);
        let missing_votes = Family::default();
        registry.register(
            metric_names::MISSING_VOTES,
            "Accepted votes that Redis has forgotten and that the lane is about to send again: until it has, nothing \
             but this process has them",
            missing_votes.clone(),
        );
        let votes = Family::default();
        registry.register("vote_votes", "Votes by how they ended", votes.clone());
        let mut counter = |name: &str, help: &str| {
            let family: PollFamily<Counter> = Family::new_with_constructor(Counter::default);
            registry.register(name, help, family.clone());
            family
        };
        Self {
            votes,
            batch_votes,
            commit_seconds,
            queue,
            replay_log_bytes,
            replays: counter(
                metric_names::BATCH_REPLAYS,
                "Batches whose reply was lost and whose outcome was found out by repeating them",
            ),
            retries: counter(
                metric_names::COMMIT_RETRIES,
                "Attempts to send a batch that failed",
            ),
            gaps: counter(
                metric_names::GAPS,
                "Times that Redis was found to have forgotten acknowledged batches",
            ),
            repaired_votes: counter(
                metric_names::REPAIRED_VOTES,
                "Acknowledged votes that Redis had forgotten and that were recorded again",
            ),
            unrecoverable_votes: counter(
                metric_names::UNRECOVERABLE_VOTES,
                "Acknowledged votes that Redis has forgotten and that can't be recorded again",
            ),
            unconfirmed_votes: counter(
                "vote_unconfirmed_votes",
                "Votes that were sent while replicas were missing, and accepted without them",
            ),
            unexpected_votes: counter(
                "vote_unexpected_votes",
                "Votes that Redis has of a writer beyond what it had acknowledged",
            ),
            spilled_votes: counter(
                metric_names::SPILLED_VOTES,
                "Accepted votes that Redis may not have, and that the process has left behind when it ended",
            ),
            missing_votes,
        }
    }

    /// The handles of one lane.
    pub(crate) fn lane(&self, poll: &PollDefinition, shard: u16) -> LaneMetrics {
        let name = poll.id().to_string();
        let by_poll = PollLabels { poll: name.clone() };
        let by_lane = LaneLabels {
            poll: name.clone(),
            shard,
        };
        let mut votes = Vec::new();
        for channel in poll.channels() {
            for candidate in poll.candidates() {
                votes.extend(Verdict::LABELS.map(|outcome| {
                    let labels = VoteLabels {
                        poll: name.clone(),
                        channel: channel.id.to_string(),
                        candidate: candidate.id.to_string(),
                        outcome,
                    };
                    self.votes.get_or_create(&labels).clone()
                }));
            }
        }
        LaneMetrics {
            votes,
            candidates: poll.candidates().len(),
            batch_votes: self.batch_votes.get_or_create(&by_poll).clone(),
            commit_seconds: self.commit_seconds.get_or_create(&by_poll).clone(),
            queue: self.queue.get_or_create(&by_lane).clone(),
            replay_log_bytes: self.replay_log_bytes.get_or_create(&by_lane).clone(),
            replays: self.replays.get_or_create(&by_poll).clone(),
            retries: self.retries.get_or_create(&by_poll).clone(),
            gaps: self.gaps.get_or_create(&by_poll).clone(),
            repaired_votes: self.repaired_votes.get_or_create(&by_poll).clone(),
            unrecoverable_votes: self.unrecoverable_votes.get_or_create(&by_poll).clone(),
            unconfirmed_votes: self.unconfirmed_votes.get_or_create(&by_poll).clone(),
            unexpected_votes: self.unexpected_votes.get_or_create(&by_poll).clone(),
            missing_votes: self.missing_votes.get_or_create(&by_lane).clone(),
            spilled_votes: self.spilled_votes.get_or_create(&by_poll).clone(),
        }
    }
}

fn histograms(registry: &mut Registry) -> (PollFamily<Histogram>, PollFamily<Histogram>) {
    let votes: fn() -> Histogram = || Histogram::new(exponential_buckets(1.0, 2.0, 15));
    let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
    let batch_votes = Family::new_with_constructor(votes);
    registry.register("vote_batch_votes", "Votes per batch", batch_votes.clone());
    let commit_seconds = Family::new_with_constructor(seconds);
    registry.register_with_unit(
        "vote_commit",
        "Time from sending a batch to knowing its outcome",
        Unit::Seconds,
        commit_seconds.clone(),
    );
    (batch_votes, commit_seconds)
}

/// Those that are filled in by lanes, each beside its bound.
fn gauges(
    registry: &mut Registry,
    config: &LaneConfig,
) -> (Family<LaneLabels, Gauge>, Family<LaneLabels, Gauge>) {
    let queue = Family::default();
    registry.register(
        "vote_lane_queue_votes",
        "Votes that waited in the lane when it last looked",
        queue.clone(),
    );
    registry.register(
        "vote_lane_queue_capacity_votes",
        "Votes that may wait in a lane, by commit.queue_capacity; one more is refused",
        ConstGauge::new(gauge_value(config.queue_capacity)),
    );
    let replay_log_bytes = Family::default();
    registry.register_with_unit(
        "vote_replay_window",
        "Memory that the lane's acknowledged batches take; the sum over all lanes is bounded by commit.replay_window_mib",
        Unit::Bytes,
        replay_log_bytes.clone(),
    );
    registry.register_with_unit(
        "vote_replay_window_limit",
        "Memory that the acknowledged batches of all lanes may take, by commit.replay_window_mib",
        Unit::Bytes,
        ConstGauge::new(gauge_value(config.replay_window_bytes)),
    );
    (queue, replay_log_bytes)
}

/// A count as gauges take it.
pub(crate) fn gauge_value(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The handles of one lane.
#[derive(Debug, Clone)]
pub(crate) struct LaneMetrics {
    votes: Vec<Counter>,
    candidates: usize,
    pub(crate) batch_votes: Histogram,
    pub(crate) commit_seconds: Histogram,
    pub(crate) queue: Gauge,
    pub(crate) replay_log_bytes: Gauge,
    pub(crate) replays: Counter,
    pub(crate) retries: Counter,
    pub(crate) gaps: Counter,
    pub(crate) repaired_votes: Counter,
    pub(crate) unrecoverable_votes: Counter,
    pub(crate) unconfirmed_votes: Counter,
    pub(crate) unexpected_votes: Counter,
    pub(crate) missing_votes: Gauge,
    pub(crate) spilled_votes: Counter,
}

impl LaneMetrics {
    /// Counts a vote.
    pub(super) fn vote<A, D>(&self, channel: u8, candidate: u8, outcome: &Outcome<A, D>) {
        let pair = usize::from(channel) * self.candidates + usize::from(candidate);
        self.votes[pair * Verdict::LABELS.len() + outcome.label()].inc();
    }
}
