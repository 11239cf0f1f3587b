//! What lanes tell about themselves.
//!
//! Registered on a registry that is passed in; handles are resolved when a poll's lanes start, so that a vote costs an atomic
//! addition, and an accepted one two. What refused votes were for is not told apart: with 64 candidates in 8 channels that would be
//! thousands of series a poll, which nobody looks at.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;
use vote_domain::{PollDefinition, PollId};

use super::config::LaneConfig;
use super::metric_names;
use super::outcome::{Outcome, Verdict};
use crate::poll_labels::PollLabels;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    poll: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CandidateLabels {
    poll: String,
    channel: String,
    candidate: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabels {
    poll: String,
    shard: u16,
}

impl OutcomeLabels {
    fn of(poll: &PollId, outcome: &'static str) -> Self {
        let poll = poll.to_string();
        Self { poll, outcome }
    }
}

impl CandidateLabels {
    /// Channel by channel.
    fn all_of(poll: &PollDefinition) -> Vec<Self> {
        let channels = poll.channels().iter();
        let pairs = channels.flat_map(|channel| {
            poll.candidates().iter().map(move |candidate| Self {
                poll: poll.id().to_string(),
                channel: channel.id.to_string(),
                candidate: candidate.id.to_string(),
            })
        });
        pairs.collect()
    }
}

impl LaneLabels {
    fn of(poll: &PollId, shard: u16) -> Self {
        let poll = poll.to_string();
        Self { poll, shard }
    }
}

/// What a lane says last, as it ends, is to be scraped all the same, by several that may be away for a while.
const KEPT: Duration = Duration::from_secs(600);

/// The polls of one id that have series: Redis may have forgotten one, and its lanes still have to say so.
#[derive(Debug, Default)]
struct KeptPolls {
    metrics: Vec<Arc<PollMetrics>>,
    /// Since when no lane was seen to have them.
    unused_since: Option<Instant>,
}

type PollFamily<M, F = fn() -> M> = Family<PollLabels, M, F>;

/// The families of the ingest service's lanes.
#[derive(Debug, Clone)]
pub(crate) struct WriterMetrics {
    votes: Family<OutcomeLabels, Counter>,
    accepted: Family<CandidateLabels, Counter>,
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
    /// The polls that have series, by their ids.
    polls: Arc<Mutex<HashMap<PollId, KeptPolls>>>,
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
        let (votes, accepted) = votes(registry);
        let mut counter = |name: &str, help: &str| {
            let family: PollFamily<Counter> = Family::new_with_constructor(Counter::default);
            registry.register(name, help, family.clone());
            family
        };
        Self {
            votes,
            accepted,
            batch_votes,
            commit_seconds,
            queue,
            replay_log_bytes,
            polls: Arc::default(),
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

    /// The handles of a poll's lanes. Whatever had that id before counts on in the same series.
    pub(crate) fn poll(&self, poll: &PollDefinition) -> Arc<PollMetrics> {
        let mut polls = self.polls.lock();
        let kept = polls.entry(poll.id().clone()).or_default();
        kept.unused_since = None;
        if let Some(known) = kept.metrics.iter().find(|known| known.is_of(poll)) {
            return Arc::clone(known);
        }
        let made = Arc::new(self.make(poll));
        kept.metrics.push(Arc::clone(&made));
        made
    }

    /// Removes all series of polls whose lanes have ended long enough ago.
    pub(crate) fn forget_ended(&self, now: Instant) {
        self.polls.lock().retain(|_, kept| {
            // Others come from one that is there, or from here.
            let is_used = |known: &Arc<PollMetrics>| Arc::strong_count(known) > 1;
            if kept.metrics.iter().any(is_used) {
                kept.unused_since = None;
                return true;
            }
            let since = *kept.unused_since.get_or_insert(now);
            let is_kept = now.duration_since(since) < KEPT;
            if !is_kept {
                kept.metrics.iter().for_each(|known| self.remove(known));
            }
            is_kept
        });
    }

    fn make(&self, poll: &PollDefinition) -> PollMetrics {
        let candidates = CandidateLabels::all_of(poll);
        let accepted = candidates.iter().map(|of| handle(&self.accepted, of));
        let id = poll.id();
        let by_poll = PollLabels::of(id);
        PollMetrics {
            id: id.clone(),
            outcomes: Verdict::LABELS
                .map(|outcome| handle(&self.votes, &OutcomeLabels::of(id, outcome))),
            accepted: accepted.collect(),
            candidates_of_a_channel: poll.candidates().len(),
            shards: poll.shards(),
            batch_votes: handle(&self.batch_votes, &by_poll),
            commit_seconds: handle(&self.commit_seconds, &by_poll),
            replays: handle(&self.replays, &by_poll),
            retries: handle(&self.retries, &by_poll),
            gaps: handle(&self.gaps, &by_poll),
            repaired_votes: handle(&self.repaired_votes, &by_poll),
            unrecoverable_votes: handle(&self.unrecoverable_votes, &by_poll),
            unconfirmed_votes: handle(&self.unconfirmed_votes, &by_poll),
            unexpected_votes: handle(&self.unexpected_votes, &by_poll),
            spilled_votes: handle(&self.spilled_votes, &by_poll),
            candidates,
        }
    }

    fn remove(&self, poll: &PollMetrics) {
        let by_poll = &PollLabels::of(&poll.id);
        for outcome in Verdict::LABELS {
            self.votes.remove(&OutcomeLabels::of(&poll.id, outcome));
        }
        for labels in &poll.candidates {
            self.accepted.remove(labels);
        }
        for histograms in [&self.batch_votes, &self.commit_seconds] {
            histograms.remove(by_poll);
        }
        for counters in [
            &self.replays,
            &self.retries,
            &self.gaps,
            &self.repaired_votes,
            &self.unrecoverable_votes,
            &self.unconfirmed_votes,
            &self.unexpected_votes,
            &self.spilled_votes,
        ] {
            counters.remove(by_poll);
        }
        for shard in 0..poll.shards {
            let by_lane = LaneLabels::of(&poll.id, shard);
            for gauges in [&self.queue, &self.replay_log_bytes, &self.missing_votes] {
                gauges.remove(&by_lane);
            }
        }
    }

    /// The handles of one lane of a poll.
    pub(crate) fn lane(&self, poll: &Arc<PollMetrics>, shard: u16) -> LaneMetrics {
        let by_lane = LaneLabels::of(&poll.id, shard);
        LaneMetrics {
            poll: Arc::clone(poll),
            queue: handle(&self.queue, &by_lane),
            replay_log_bytes: handle(&self.replay_log_bytes, &by_lane),
            missing_votes: handle(&self.missing_votes, &by_lane),
        }
    }
}

/// The metric that has these labels.
fn handle<S, M, C>(family: &Family<S, M, C>, labels: &S) -> M
where
    S: Clone + std::hash::Hash + Eq,
    M: Clone,
    C: MetricConstructor<M>,
{
    family.get_or_create(labels).clone()
}

fn votes(
    registry: &mut Registry,
) -> (
    Family<OutcomeLabels, Counter>,
    Family<CandidateLabels, Counter>,
) {
    let votes = Family::default();
    registry.register("vote_votes", "Votes by how they ended", votes.clone());
    let accepted = Family::default();
    registry.register(
        "vote_accepted_votes",
        "Votes that were accepted, by what they are for",
        accepted.clone(),
    );
    (votes, accepted)
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

/// The handles that all lanes of a poll share.
#[derive(Debug)]
pub(crate) struct PollMetrics {
    id: PollId,
    /// In the order of [`PollMetrics::accepted`].
    candidates: Vec<CandidateLabels>,
    candidates_of_a_channel: usize,
    shards: u16,
    /// In the order of [`Verdict::LABELS`].
    outcomes: [Counter; Verdict::LABELS.len()],
    /// Channel by channel.
    accepted: Vec<Counter>,
    pub(crate) batch_votes: Histogram,
    pub(crate) commit_seconds: Histogram,
    pub(crate) replays: Counter,
    pub(crate) retries: Counter,
    pub(crate) gaps: Counter,
    pub(crate) repaired_votes: Counter,
    pub(crate) unrecoverable_votes: Counter,
    pub(crate) unconfirmed_votes: Counter,
    pub(crate) unexpected_votes: Counter,
    pub(crate) spilled_votes: Counter,
}

impl PollMetrics {
    /// Counts a vote.
    pub(super) fn vote<A, D>(&self, channel: u8, candidate: u8, outcome: &Outcome<A, D>) {
        self.outcomes[outcome.label()].inc();
        if matches!(outcome, Outcome::Accepted(_)) {
            let pair = usize::from(channel) * self.candidates_of_a_channel + usize::from(candidate);
            self.accepted[pair].inc();
        }
    }

    /// Whether the poll has these series.
    fn is_of(&self, poll: &PollDefinition) -> bool {
        self.shards == poll.shards() && self.candidates == CandidateLabels::all_of(poll)
    }
}

/// The handles of one lane.
#[derive(Debug, Clone)]
pub(crate) struct LaneMetrics {
    pub(crate) poll: Arc<PollMetrics>,
    pub(crate) queue: Gauge,
    pub(crate) replay_log_bytes: Gauge,
    pub(crate) missing_votes: Gauge,
}

#[cfg(test)]
mod tests;
