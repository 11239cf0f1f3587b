//! What this service tells of itself: reads, renders, sizes, and the age of every snapshot.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::watch;
use vote_domain::{Clock, Phase, Poll, PollId, PollState};
use vote_store::Snapshots;

use crate::body::{Body, Coding};
use crate::view::age_s;

/// What a body shows; each is one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Representation {
    Polls,
    Poll,
    Results,
    Hourly,
    Minutely,
}

impl Representation {
    const OF_POLL: [Self; 4] = [Self::Poll, Self::Results, Self::Hourly, Self::Minutely];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Polls => "polls",
            Self::Poll => "poll",
            Self::Results => "results",
            Self::Hourly => "hourly",
            Self::Minutely => "minutely",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadLabels {
    poll: String,
    representation: &'static str,
    encoding: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RenderLabels {
    poll: String,
    representation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RepresentationLabels {
    representation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BodyLabels {
    poll: String,
    representation: &'static str,
    encoding: &'static str,
}

/// The families of this service.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    reads: Family<ReadLabels, Counter>,
    renders: Family<RenderLabels, Counter>,
    pub(crate) render_failures: Counter,
    render_seconds: Family<RepresentationLabels, Histogram, fn() -> Histogram>,
    body_bytes: Family<BodyLabels, Gauge>,
}

impl Metrics {
    pub(crate) fn register(
        registry: &mut Registry,
        snapshots: watch::Receiver<Snapshots>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let metrics = Self {
            reads: Family::default(),
            renders: Family::default(),
            render_failures: Counter::default(),
            render_seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.000_05, 2.0, 16))
            }),
            body_bytes: Family::default(),
        };
        registry.register(
            "vote_reads",
            "Answers by poll, representation, encoding and status (200 or 304)",
            metrics.reads.clone(),
        );
        registry.register(
            "vote_renders",
            "Bodies made, by poll and representation: once a revision, whatever the readers",
            metrics.renders.clone(),
        );
        registry.register(
            "vote_render_failures",
            "Times that bodies could not be made: where it lasts, reads are answered 503",
            metrics.render_failures.clone(),
        );
        registry.register_with_unit(
            "vote_render",
            "Time to serialise and compress a body",
            Unit::Seconds,
            metrics.render_seconds.clone(),
        );
        registry.register_with_unit(
            "vote_body",
            "Size of the newest body",
            Unit::Bytes,
            metrics.body_bytes.clone(),
        );
        registry.register_collector(Box::new(SnapshotAge {
            snapshots: snapshots.clone(),
            clock: Arc::clone(&clock),
        }));
        registry.register_collector(Box::new(States { snapshots, clock }));
        metrics
    }

    /// The counters of a poll's readers, looked up once: a read costs one addition.
    pub(crate) fn reads(&self, poll: &PollId) -> PollReads {
        let [poll, results, hourly, minutely] = Representation::OF_POLL
            .map(|representation| self.counters(poll.as_str(), representation));
        PollReads {
            poll,
            results,
            hourly,
            minutely,
        }
    }

    /// The counters of the list's readers.
    pub(crate) fn list_reads(&self) -> ReadCounters {
        self.counters("", Representation::Polls)
    }

    fn counters(&self, poll: &str, representation: Representation) -> ReadCounters {
        let counter = |coding: Coding, status| {
            self.reads.get_or_create_owned(&ReadLabels {
                poll: poll.to_owned(),
                representation: representation.as_str(),
                encoding: coding.as_str(),
                status,
            })
        };
        ReadCounters(Coding::ALL.map(|coding| [counter(coding, 200), counter(coding, 304)]))
    }

    /// Makes a body with `make` and tells how long that took.
    pub(crate) fn timed<T>(&self, representation: Representation, make: impl FnOnce() -> T) -> T {
        let started = std::time::Instant::now();
        let made = make();
        let labels = RepresentationLabels {
            representation: representation.as_str(),
        };
        self.render_seconds
            .get_or_create(&labels)
            .observe(started.elapsed().as_secs_f64());
        made
    }

    /// Makes a body ahead with `make` and tells of it. `poll` is empty for the list.
    pub(crate) fn rendered<E>(
        &self,
        poll: &str,
        representation: Representation,
        make: impl FnOnce() -> Result<Body, E>,
    ) -> Result<Body, E> {
        let body = self.timed(representation, make)?;
        self.renders
            .get_or_create(&RenderLabels {
                poll: poll.to_owned(),
                representation: representation.as_str(),
            })
            .inc();
        for coding in Coding::ALL {
            let Some(variant) = body.variant(coding) else {
                continue;
            };
            let labels = BodyLabels {
                poll: poll.to_owned(),
                representation: representation.as_str(),
                encoding: coding.as_str(),
            };
            let bytes = i64::try_from(variant.bytes.len()).unwrap_or(i64::MAX);
            self.body_bytes.get_or_create(&labels).set(bytes);
        }
        Ok(body)
    }
}

/// The counters of one representation, by coding and by 200 or 304.
#[derive(Debug)]
pub(crate) struct ReadCounters([[Counter; 2]; 3]);

impl ReadCounters {
    pub(crate) fn count(&self, coding: Coding, is_not_modified: bool) {
        let index = match coding {
            Coding::Identity => 0,
            Coding::Gzip => 1,
            Coding::Brotli => 2,
        };
        self.0[index][usize::from(is_not_modified)].inc();
    }
}

/// The counters of one poll.
#[derive(Debug)]
pub(crate) struct PollReads {
    pub(crate) poll: ReadCounters,
    pub(crate) results: ReadCounters,
    pub(crate) hourly: ReadCounters,
    pub(crate) minutely: ReadCounters,
}

/// The age of every poll's figures, computed when it is asked for.
struct SnapshotAge {
    snapshots: watch::Receiver<Snapshots>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for SnapshotAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotAge").finish_non_exhaustive()
    }
}

impl Collector for SnapshotAge {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let polls = Arc::clone(&self.snapshots.borrow().polls);
        if polls.is_empty() {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(
            "vote_snapshot_age",
            "Time since Redis last confirmed the poll's figures.",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for (id, confirmed) in polls.iter() {
            let labels = [("poll", id.as_str())];
            let age = ConstGauge::new(age_s(self.clock.as_ref(), confirmed.confirmed_at));
            age.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// The state of every poll, computed when it is asked for.
struct States {
    snapshots: watch::Receiver<Snapshots>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("States").finish_non_exhaustive()
    }
}

impl Collector for States {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let polls = Arc::clone(&self.snapshots.borrow().polls);
        if polls.is_empty() {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(
            "vote_poll_state",
            "1 for the state that the poll is in by the clock; not_open is one that was opened before its time.",
            None,
            MetricType::Gauge,
        )?;
        let now = self.clock.now();
        for (id, confirmed) in polls.iter() {
            let poll = &confirmed.snapshot.poll;
            let labels = [
                ("poll", id.as_str()),
                ("kind", poll.definition.kind().as_str()),
                ("state", state_label(poll, now)),
            ];
            ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// The state that answers show, but for a poll that was opened ahead of `opens_at`: it takes no votes yet,
/// and nobody is to be woken up because none arrive.
fn state_label(poll: &Poll, now: Timestamp) -> &'static str {
    match (poll.effective_state(now), poll.phase(now)) {
        (PollState::Open, phase @ Phase::NotOpen) => phase.as_str(),
        (state, _) => state.as_str(),
    }
}
