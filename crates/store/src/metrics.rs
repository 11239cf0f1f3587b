//! What lanes and snapshots tell about themselves.
//!
//! Registered on a registry that is passed in; handles are resolved when a lane starts, so that a
//! vote costs one atomic addition.

use std::fmt::{self, Write as _};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use vote_domain::PollDefinition;

use crate::commit::LaneConfig;

/// How a vote ended, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VoteOutcome {
    /// Recorded and acknowledged.
    Accepted,
    /// Recorded before under the same key.
    Duplicate,
    /// The key had been used for another vote.
    Mismatch,
    /// The voter has no vote left.
    LimitReached,
    /// Came after the poll had closed.
    Late,
    /// The poll was not open, paused, sealed or void.
    Refused,
    /// Not recorded: the queue was full.
    QueueFull,
    /// Not recorded: not sent within the accept timeout.
    NotRecorded,
    /// Answered with "outcome unknown"; counted once more when the outcome comes to be known.
    Unknown,
}

impl VoteOutcome {
    const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Duplicate,
        Self::Mismatch,
        Self::LimitReached,
        Self::Late,
        Self::Refused,
        Self::QueueFull,
        Self::NotRecorded,
        Self::Unknown,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Mismatch => "mismatch",
            Self::LimitReached => "limit_reached",
            Self::Late => "late",
            Self::Refused => "refused",
            Self::QueueFull => "queue_full",
            Self::NotRecorded => "not_recorded",
            Self::Unknown => "unknown",
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Accepted => 0,
            Self::Duplicate => 1,
            Self::Mismatch => 2,
            Self::LimitReached => 3,
            Self::Late => 4,
            Self::Refused => 5,
            Self::QueueFull => 6,
            Self::NotRecorded => 7,
            Self::Unknown => 8,
        }
    }
}

impl EncodeLabelValue for VoteOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VoteLabels {
    poll: String,
    channel: String,
    candidate: String,
    outcome: VoteOutcome,
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
    window_bytes: Family<LaneLabels, Gauge>,
    replays: PollFamily<Counter>,
    retries: PollFamily<Counter>,
    gaps: PollFamily<Counter>,
    repaired_votes: PollFamily<Counter>,
    unrecoverable_votes: PollFamily<Counter>,
    unconfirmed_votes: PollFamily<Counter>,
    unexpected_votes: PollFamily<Counter>,
}

impl WriterMetrics {
    /// Registers the families, and the bounds that `config` sets.
    pub(crate) fn register(registry: &mut Registry, config: &LaneConfig) -> Self {
        let batch_votes: fn() -> Histogram = || Histogram::new(exponential_buckets(1.0, 2.0, 15));
        let commit_seconds: fn() -> Histogram =
            || Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        let metrics = Self {
            votes: Family::default(),
            batch_votes: Family::new_with_constructor(batch_votes),
            commit_seconds: Family::new_with_constructor(commit_seconds),
            queue: Family::default(),
            window_bytes: Family::default(),
            replays: Family::new_with_constructor(Counter::default),
            retries: Family::new_with_constructor(Counter::default),
            gaps: Family::new_with_constructor(Counter::default),
            repaired_votes: Family::new_with_constructor(Counter::default),
            unrecoverable_votes: Family::new_with_constructor(Counter::default),
            unconfirmed_votes: Family::new_with_constructor(Counter::default),
            unexpected_votes: Family::new_with_constructor(Counter::default),
        };
        registry.register(
            "vote_votes",
            "Votes by how they ended",
            metrics.votes.clone(),
        );
        registry.register(
            "vote_batch_votes",
            "Votes a batch",
            metrics.batch_votes.clone(),
        );
        registry.register_with_unit(
            "vote_commit",
            "Time from sending a batch to knowing its outcome",
            Unit::Seconds,
            metrics.commit_seconds.clone(),
        );
        registry.register(
            "vote_lane_queue_votes",
            "Votes that waited in the lane when it last looked",
            metrics.queue.clone(),
        );
        registry.register(
            "vote_lane_queue_capacity_votes",
            "Votes that may wait in a lane, by commit.queue_capacity; one more is refused",
            ConstGauge::new(gauge_value(config.queue_capacity)),
        );
        registry.register_with_unit(
            "vote_replay_window_limit",
            "Memory that the acknowledged batches of all lanes may take, by commit.replay_window_mib",
            Unit::Bytes,
            ConstGauge::new(gauge_value(config.replay_window_bytes)),
        );
        registry.register_with_unit(
            "vote_replay_window",
            "Memory that the lane's acknowledged batches take; the sum over all lanes is bounded by commit.replay_window_mib",
            Unit::Bytes,
            metrics.window_bytes.clone(),
        );
        registry.register(
            "vote_batch_replays",
            "Batches whose reply was lost and whose outcome was found out by repeating them",
            metrics.replays.clone(),
        );
        registry.register(
            "vote_commit_retries",
            "Attempts to send a batch that failed",
            metrics.retries.clone(),
        );
        registry.register(
            "vote_gaps",
            "Times that Redis was found to have forgotten acknowledged batches",
            metrics.gaps.clone(),
        );
        registry.register(
            "vote_repaired_votes",
            "Acknowledged votes that Redis had forgotten and that were recorded again",
            metrics.repaired_votes.clone(),
        );
        registry.register(
            "vote_unrecoverable_votes",
            "Acknowledged votes that Redis has forgotten and that can't be recorded again",
            metrics.unrecoverable_votes.clone(),
        );
        registry.register(
            "vote_unconfirmed_votes",
            "Votes that were sent while replicas were missing, and accepted without them",
            metrics.unconfirmed_votes.clone(),
        );
        registry.register(
            "vote_unexpected_votes",
            "Votes that Redis has of a writer beyond what it had acknowledged",
            metrics.unexpected_votes.clone(),
        );
        metrics
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
                for outcome in VoteOutcome::ALL {
                    votes.push(
                        self.votes
                            .get_or_create(&VoteLabels {
                                poll: name.clone(),
                                channel: channel.id.to_string(),
                                candidate: candidate.id.to_string(),
                                outcome,
                            })
                            .clone(),
                    );
                }
            }
        }
        LaneMetrics {
            votes,
            candidates: poll.candidates().len(),
            batch_votes: self.batch_votes.get_or_create(&by_poll).clone(),
            commit_seconds: self.commit_seconds.get_or_create(&by_poll).clone(),
            queue: self.queue.get_or_create(&by_lane).clone(),
            window_bytes: self.window_bytes.get_or_create(&by_lane).clone(),
            replays: self.replays.get_or_create(&by_poll).clone(),
            retries: self.retries.get_or_create(&by_poll).clone(),
            gaps: self.gaps.get_or_create(&by_poll).clone(),
            repaired_votes: self.repaired_votes.get_or_create(&by_poll).clone(),
            unrecoverable_votes: self.unrecoverable_votes.get_or_create(&by_poll).clone(),
            unconfirmed_votes: self.unconfirmed_votes.get_or_create(&by_poll).clone(),
            unexpected_votes: self.unexpected_votes.get_or_create(&by_poll).clone(),
        }
    }
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
    pub(crate) window_bytes: Gauge,
    pub(crate) replays: Counter,
    pub(crate) retries: Counter,
    pub(crate) gaps: Counter,
    pub(crate) repaired_votes: Counter,
    pub(crate) unrecoverable_votes: Counter,
    pub(crate) unconfirmed_votes: Counter,
    pub(crate) unexpected_votes: Counter,
}

impl LaneMetrics {
    /// Counts a vote.
    pub(crate) fn vote(&self, channel: u8, candidate: u8, outcome: VoteOutcome) {
        let pair = usize::from(channel) * self.candidates + usize::from(candidate);
        self.votes[pair * VoteOutcome::ALL.len() + outcome.index()].inc();
    }
}
