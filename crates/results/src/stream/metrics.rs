//! What streams tell of themselves.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::stream::query::StreamView;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StreamLabels {
    poll: String,
    view: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    poll: String,
    view: &'static str,
    how: &'static str,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// The last that there is to say was said.
    Over,
    /// The process stops.
    Stopped,
    /// The reader went, or its connection was lost.
    Left,
    /// The connection ended when the reader had left so much unread that no more could be sent.
    Unread,
}

impl StreamEnd {
    /// All of them, in the order of their values.
    const ALL: [Self; 4] = [Self::Over, Self::Stopped, Self::Left, Self::Unread];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Stopped => "stopped",
            Self::Left => "left",
            Self::Unread => "unread",
        }
    }
}

/// The families of streams.
#[derive(Debug, Clone)]
pub(crate) struct StreamFamilies {
    readers: Family<StreamLabels, Gauge>,
    events: Family<StreamLabels, Counter>,
    skipped: Family<StreamLabels, Counter>,
    ends: Family<EndLabels, Counter>,
    lateness: Histogram,
    pub(crate) refusals: Counter,
    pub(crate) capacity: Gauge,
}

impl Default for StreamFamilies {
    fn default() -> Self {
        Self {
            readers: Family::default(),
            events: Family::default(),
            skipped: Family::default(),
            ends: Family::default(),
            lateness: Histogram::new(exponential_buckets(0.001, 2.0, 12)),
            refusals: Counter::default(),
            capacity: Gauge::default(),
        }
    }
}

impl StreamFamilies {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "vote_stream_readers",
            "Streams that are open, by poll and view",
            self.readers.clone(),
        );
        registry.register(
            "vote_stream_capacity_readers",
            "Most streams at a time: stream.max_readers",
            self.capacity.clone(),
        );
        registry.register(
            "vote_stream_refusals",
            "Readers that were refused a stream, since there were stream.max_readers",
            self.refusals.clone(),
        );
        registry.register(
            "vote_stream_events",
            "Events sent, to each reader of a stream",
            self.events.clone(),
        );
        registry.register(
            "vote_stream_skipped_events",
            "Events that readers of a stream were not sent: they were too slow, or wanted fewer",
            self.skipped.clone(),
        );
        registry.register_with_unit(
            "vote_stream_lateness",
            "Time from when an event could be sent to a reader who takes it until it was",
            Unit::Seconds,
            self.lateness.clone(),
        );
        registry.register(
            "vote_stream_ends",
            "Streams that ended: over (nothing more to say), stopped (this process), left, or unread (nothing was read any more)",
            self.ends.clone(),
        );
    }

    /// The metrics of a stream's reader, who counts as one from here on.
    pub(crate) fn reader(&self, poll: &str, view: StreamView) -> StreamMetrics {
        let labels = StreamLabels {
            poll: poll.to_owned(),
            view: view.as_str(),
        };
        let readers = self.readers.get_or_create_owned(&labels);
        readers.inc();
        let ends = StreamEnd::ALL.map(|end| {
            self.ends.get_or_create_owned(&EndLabels {
                poll: poll.to_owned(),
                view: view.as_str(),
                how: end.as_str(),
            })
        });
        StreamMetrics {
            readers,
            events: self.events.get_or_create_owned(&labels),
            skipped: self.skipped.get_or_create_owned(&labels),
            lateness: self.lateness.clone(),
            ends,
        }
    }
}

/// The metrics of a stream's reader, who no longer counts when they are dropped.
#[derive(Debug)]
pub(crate) struct StreamMetrics {
    readers: Gauge,
    pub(crate) events: Counter,
    pub(crate) skipped: Counter,
    pub(crate) lateness: Histogram,
    ends: [Counter; 4],
}

impl StreamMetrics {
    /// Counts the end of a stream.
    pub(crate) fn ended(&self, how: StreamEnd) {
        self.ends[how as usize].inc();
    }
}

impl Drop for StreamMetrics {
    fn drop(&mut self) {
        self.readers.dec();
    }
}
