//! What this service tells of itself: reads, renders, sizes, and the age of every snapshot.

use std::fmt;
use std::io;
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

use crate::documents::series::Step;
use crate::documents::standing::Sight;
use crate::documents::view::age_s;
use crate::formats;
use crate::pages::body::Coding;
use crate::pages::page::{PageKey, Pages, Subject};
use crate::stream::metrics::StreamFamilies;

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
    pub(crate) streams: StreamFamilies,
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
            streams: StreamFamilies::default(),
        };
        registry.register(
            "vote_reads",
            "Answers by poll, representation, encoding and status (200 or 304)",
            metrics.reads.clone(),
        );
        registry.register(
            "vote_renders",
            "Bodies made, by poll and representation: once per revision, whatever the readers",
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
        metrics.streams.register(registry);
        let started_at = clock.now();
        registry.register_collector(Box::new(OfSnapshots {
            snapshots,
            clock,
            started_at,
        }));
        metrics
    }

    /// The counters of a poll's readers, looked up once: a read costs one addition.
    pub(crate) fn reads(&self, poll: &PollId) -> PollReads {
        let of = |subject| self.counters(poll.as_str(), subject);
        PollReads {
            poll: of(Subject::Poll),
            results: of(Subject::Standing(Sight::All)),
            series: Step::ALL.map(|step| of(Subject::Series(step))),
            feeds: of(Subject::Feed),
            desk: of(Subject::Desk),
            site: of(Subject::Site),
        }
    }

    /// The counters of the list's readers.
    pub(crate) fn list_reads(&self) -> ReadCounters {
        self.counters("", Subject::AllPolls)
    }

    /// The counters of the readers of the page of all polls.
    pub(crate) fn home_reads(&self) -> ReadCounters {
        self.counters("", Subject::Site)
    }

    fn counters(&self, poll: &str, subject: Subject) -> ReadCounters {
        let counter = |coding: Coding, status| {
            self.reads.get_or_create_owned(&ReadLabels {
                poll: poll.to_owned(),
                representation: subject.as_str(),
                encoding: coding.as_str(),
                status,
            })
        };
        ReadCounters(Coding::ALL.map(|coding| [counter(coding, 200), counter(coding, 304)]))
    }

    /// Makes a body with `make` and tells how long that took.
    pub(crate) fn timed<T>(&self, subject: Subject, make: impl FnOnce() -> T) -> T {
        let started = std::time::Instant::now();
        let made = make();
        let labels = RepresentationLabels {
            representation: subject.as_str(),
        };
        self.render_seconds
            .get_or_create(&labels)
            .observe(started.elapsed().as_secs_f64());
        made
    }

    /// Makes pages ahead with `make` and tells of them. `poll` is empty for the list.
    pub(crate) fn rendered(
        &self,
        poll: &str,
        subject: Subject,
        make: impl FnOnce() -> io::Result<Pages>,
    ) -> io::Result<Pages> {
        let pages = self.timed(subject, make)?;
        let labels = RenderLabels {
            poll: poll.to_owned(),
            representation: subject.as_str(),
        };
        self.renders.get_or_create(&labels).inc();
        let format = formats::DEFAULT;
        let Some(body) = pages.get(PageKey { subject, format }) else {
            return Ok(pages);
        };
        for coding in Coding::ALL {
            let Some(variant) = body.variant(coding) else {
                continue;
            };
            let labels = BodyLabels {
                poll: poll.to_owned(),
                representation: subject.as_str(),
                encoding: coding.as_str(),
            };
            let bytes = i64::try_from(variant.bytes.len()).unwrap_or(i64::MAX);
            self.body_bytes.get_or_create(&labels).set(bytes);
        }
        Ok(pages)
    }
}

/// The counters of one representation, by coding and by 200 or 304.
#[derive(Debug)]
pub(crate) struct ReadCounters([[Counter; 2]; 3]);

impl ReadCounters {
    pub(crate) fn count(&self, coding: Coding, is_not_modified: bool) {
        self.0[coding as usize][usize::from(is_not_modified)].inc();
    }
}

/// The counters of one poll.
#[derive(Debug)]
pub(crate) struct PollReads {
    pub(crate) poll: ReadCounters,
    pub(crate) results: ReadCounters,
    series: [ReadCounters; 2],
    /// Of all formats together.
    pub(crate) feeds: ReadCounters,
    pub(crate) desk: ReadCounters,
    /// Of its page, in all languages together.
    pub(crate) site: ReadCounters,
}

impl PollReads {
    pub(crate) fn series(&self, step: Step) -> &ReadCounters {
        &self.series[step as usize]
    }
}

/// The age and the state of every poll, computed when they are asked for.
#[derive(derive_more::Debug)]
#[debug("OfSnapshots {{ .. }}")]
struct OfSnapshots {
    snapshots: watch::Receiver<Snapshots>,
    clock: Arc<dyn Clock>,
    started_at: Timestamp,
}

impl OfSnapshots {
    /// What was never read is as old as the attempts to read it.
    fn encode_ages(
        &self,
        read: &Snapshots,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> Result<(), fmt::Error> {
        let age_of = |at| ConstGauge::new(age_s(self.clock.as_ref(), at));
        let list = encoder.encode_descriptor(
            "vote_polls_age",
            "Time since the list of polls was last read; since the start, where it never was.",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        age_of(read.polls_read_at.unwrap_or(self.started_at)).encode(list)?;
        if read.polls.is_empty() && read.unread.is_empty() {
            return Ok(());
        }
        let mut ages = encoder.encode_descriptor(
            "vote_snapshot_age",
            "Time since Redis last confirmed the poll's figures; since the first attempt, where it never did.",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        let known = read.polls.iter().map(|(id, poll)| (id, poll.confirmed_at));
        let unread = read.unread.iter().map(|(id, poll)| (id, poll.since));
        for (id, at) in known.chain(unread) {
            let labels = [("poll", id.as_str())];
            age_of(at).encode(ages.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for OfSnapshots {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let read = self.snapshots.borrow().clone();
        self.encode_ages(&read, &mut encoder)?;
        let polls = read.polls;
        if polls.is_empty() {
            return Ok(());
        }
        let mut states = encoder.encode_descriptor(
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
            ConstGauge::new(1_i64).encode(states.encode_family(&labels)?)?;
        }
        let mut releases = encoder.encode_descriptor(
            "vote_poll_release",
            "1 for what production has said of the poll's figures on air: unreleased, released or held.",
            None,
            MetricType::Gauge,
        )?;
        for (id, confirmed) in polls.iter() {
            let poll = &confirmed.snapshot.poll;
            let labels = [
                ("poll", id.as_str()),
                ("kind", poll.definition.kind().as_str()),
                ("release", poll.release_state().as_str()),
            ];
            ConstGauge::new(1_i64).encode(releases.encode_family(&labels)?)?;
        }
        let mut overdue = encoder.encode_descriptor(
            "vote_draft_overdue",
            "Time since a draft was to open, 0 before: one series for each draft that can still be opened.",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for (id, confirmed) in polls.iter() {
            let poll = &confirmed.snapshot.poll;
            let Some(seconds) = draft_overdue_s(poll, now) else {
                continue;
            };
            let labels = [
                ("poll", id.as_str()),
                ("kind", poll.definition.kind().as_str()),
            ];
            ConstGauge::new(seconds).encode(overdue.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// How long ago a draft was to open. Nothing of one that is being deleted, or whose end has come: nobody can open
/// those any more.
fn draft_overdue_s(poll: &Poll, now: Timestamp) -> Option<f64> {
    let can_be_opened =
        poll.state == PollState::Draft && !poll.is_over(now) && !poll.is_being_deleted();
    can_be_opened.then(|| {
        let overdue = now.duration_since(poll.definition.opens_at());
        overdue.as_secs_f64().max(0.0)
    })
}

/// The state that answers show, but for a poll that was opened ahead of `opens_at`: it takes no votes yet,
/// and nobody is to be woken up because none arrive.
fn state_label(poll: &Poll, now: Timestamp) -> &'static str {
    match (poll.effective_state(now), poll.phase(now)) {
        (PollState::Open, phase @ Phase::NotOpen) => phase.as_str(),
        (state, _) => state.as_str(),
    }
}
