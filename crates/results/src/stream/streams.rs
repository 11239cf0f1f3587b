//! All streams of a process: who reads what, and what is sent to them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vote_http::{Problem, ProblemCode};
use vote_runtime::Settings;

use crate::metrics::Metrics;
use crate::pages::published::Published;
use crate::stream::event::Event;
use crate::stream::line::{Line, LineKey};
use crate::stream::metrics::StreamMetrics;
#[cfg(test)]
use crate::stream::query::StreamView;

/// How often it is looked whether pages are still kept up to date, while there is no news of them.
const LOOK: Duration = Duration::from_millis(500);

/// All streams of a process. Events are made once for all readers of a line, and only while there are any.
pub(crate) struct Streams {
    board: Arc<Published>,
    lines: Mutex<HashMap<LineKey, Line>>,
    /// How many readers there are.
    open: Arc<AtomicUsize>,
    limit: usize,
    /// Longest time without a word to a reader.
    pub(super) heartbeat: Duration,
    /// How far apart snapshots are.
    pub(super) tick: Duration,
    /// Cancelled when readers should go elsewhere.
    pub(super) draining: CancellationToken,
    /// How many readers were told when to come back.
    told: AtomicU64,
    metrics: Metrics,
}

/// A reader's place among the others, which it leaves when it is dropped.
pub(crate) struct Place {
    pub(crate) events: watch::Receiver<Arc<Event>>,
    pub(crate) metrics: StreamMetrics,
    _open: Open,
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Streams {
    /// Sends events on the current runtime, until `cancel`.
    pub(crate) fn start(
        board: Arc<Published>,
        settings: &Settings,
        draining: CancellationToken,
        metrics: Metrics,
        cancel: &CancellationToken,
    ) -> Arc<Self> {
        let tick = settings.snapshot.interval;
        let settings = &settings.stream;
        let limit = i64::try_from(settings.max_readers).unwrap_or(i64::MAX);
        metrics.streams.capacity.set(limit);
        let streams = Arc::new(Self {
            board,
            lines: Mutex::default(),
            open: Arc::default(),
            limit: settings.max_readers,
            heartbeat: settings.heartbeat,
            tick,
            draining,
            told: AtomicU64::default(),
            metrics,
        });
        let news = streams.board.news();
        let sending = Arc::clone(&streams).run(news);
        tokio::spawn(cancel.clone().run_until_cancelled_owned(sending));
        streams
    }

    /// A place for a reader.
    ///
    /// # Errors
    /// Those of the standing; `too-many-requests` where the process has no place left.
    pub(crate) fn enter(&self, key: &LineKey) -> Result<Place, Problem> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let open = Open(Arc::clone(&self.open));
        if before >= self.limit {
            self.metrics.streams.refusals.inc();
            return Err(Problem::new(ProblemCode::TooManyRequests).detail(
                "This process has as many streams as it may. Ask again, or read the standing itself.",
            ));
        }
        let mut lines = self.lines.lock();
        let events = match lines.get(key) {
            Some(line) => line.subscribe(),
            None => {
                let line = Line::new(&self.board, key)?;
                let events = line.subscribe();
                lines.insert(key.clone(), line);
                events
            }
        };
        drop(lines);
        Ok(Place {
            events,
            metrics: self.metrics.streams.reader(key.poll.as_str(), key.view),
            _open: open,
        })
    }

    /// The line that says how long the next reader is to wait before it comes back: spread, so that those of a process that stops do
    /// not all come to another one at once.
    pub(crate) fn next_retry(&self) -> String {
        /// The golden ratio of 2^64: multiples of it are spread evenly.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        let reader = self.told.fetch_add(1, Ordering::Relaxed);
        let milliseconds = 1000 + (reader.wrapping_mul(SPREAD) >> 32) % 2000;
        format!("retry: {milliseconds}\n")
    }

    async fn run(self: Arc<Self>, mut news: watch::Receiver<()>) {
        loop {
            let changed = tokio::time::timeout(LOOK, news.changed()).await;
            if matches!(changed, Ok(Err(_))) {
                return;
            }
            self.send();
        }
    }

    /// Sends what is new. Lines that have said their last word, and those without readers, end.
    fn send(&self) {
        self.lines.lock().retain(|key, line| {
            if !line.has_readers() {
                return false;
            }
            line.update(&self.board, key).unwrap_or_else(|error| {
                self.metrics.render_failures.inc();
                tracing::error!(poll = %key.poll, %error, "an event could not be made: its readers are sent away");
                false
            })
        });
    }
}

#[cfg(test)]
impl Streams {
    /// Streams of no board, whose readers are given one by [`Streams::place`].
    pub(super) fn idle(heartbeat: Duration, tick: Duration, metrics: Metrics) -> Self {
        Self {
            board: Arc::new(Published::new(LOOK)),
            lines: Mutex::default(),
            open: Arc::default(),
            limit: 1,
            heartbeat,
            tick,
            draining: CancellationToken::new(),
            told: AtomicU64::default(),
            metrics,
        }
    }

    /// A place on a line of the test's own.
    pub(super) fn place(&self, events: watch::Receiver<Arc<Event>>, view: StreamView) -> Place {
        self.open.fetch_add(1, Ordering::Relaxed);
        Place {
            events,
            metrics: self.metrics.streams.reader("paredao-01", view),
            _open: Open(Arc::clone(&self.open)),
        }
    }
}
