//! The keys as they were last read: again and again, and at once where a token names one that is not among them. The last
//! that were good are used for as long as no others are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vote_domain::Clock;

use crate::config::{Config, Source};
use crate::fetch::fetch;
use crate::jwks::KeySet;
use crate::metrics::Metrics;

/// How soon keys are looked for again that were never read, or not last time.
const AGAIN: Duration = Duration::from_secs(1);

/// How often a file is read: it is replaced without a word.
const LOOK: Duration = Duration::from_secs(5);

/// A set of keys, and which one it is of all that were read.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub(crate) set: Arc<KeySet>,
    pub(crate) generation: u64,
}

/// How a reading has ended.
#[derive(Debug, Clone, Copy)]
struct Reading {
    began: Instant,
    is_good: bool,
}

/// The keys of one process.
pub(crate) struct Keys {
    current: ArcSwapOption<Current>,
    generations: AtomicU64,
    wanted: Notify,
    last: watch::Sender<Option<Reading>>,
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl Keys {
    pub(crate) fn new(config: Arc<Config>, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self {
            current: ArcSwapOption::empty(),
            generations: AtomicU64::new(0),
            wanted: Notify::new(),
            last: watch::Sender::new(None),
            config,
            clock,
            metrics,
        }
    }

    /// The keys; `None` until they were read once.
    pub(crate) fn current(&self) -> Option<Arc<Current>> {
        self.current.load_full()
    }

    /// Waits for the first reading, however it ends.
    pub(crate) async fn first_reading(&self) {
        let mut readings = self.last.subscribe();
        let read = readings.wait_for(Option::is_some);
        let _late = tokio::time::timeout(self.config.timeout * 2, read).await;
    }

    /// Reads them for as long as the process goes on.
    pub(crate) async fn follow(self: Arc<Self>, cancel: CancellationToken) {
        let mut failing = false;
        loop {
            let began = Instant::now();
            let read = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                read = self.read() => read,
            };
            let is_good = read.is_ok();
            match read {
                Ok(()) => failing = false,
                Err(reason) if !failing => {
                    failing = true;
                    tracing::error!(
                        reason,
                        has_keys = self.current.load().is_some(),
                        "the keys of voter tokens can't be read: those that were read last are used"
                    );
                }
                Err(_) => {}
            }
            self.last.send_replace(Some(Reading { began, is_good }));
            let pause = self.pause(is_good);
            let asked = async {
                self.wanted.notified().await;
                tokio::time::sleep_until(began + self.config.least_pause).await;
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                () = asked => {}
                () = tokio::time::sleep_until(began + pause) => {}
            }
        }
    }

    /// Reads them again because a token names a key that is not among them, if that was not done a moment ago. Whether
    /// it is known by now that there is no such key.
    pub(crate) async fn look_again(&self) -> bool {
        let mut readings = self.last.subscribe();
        let last = *readings.borrow_and_update();
        if let Some(last) = last
            && last.began.elapsed() < self.config.least_pause
        {
            return last.is_good;
        }
        self.wanted.notify_one();
        let changed = readings.changed();
        // One that is under way ends by then, and so does ours. The settings reckon with a vote that waits once for so long.
        let _late = tokio::time::timeout(self.config.timeout, changed).await;
        readings.borrow().is_some_and(|reading| {
            reading.is_good && last.is_none_or(|last| reading.began > last.began)
        })
    }

    fn pause(&self, is_good: bool) -> Duration {
        let longest = match (&self.config.source, is_good) {
            (_, false) => AGAIN.max(self.config.least_pause),
            (Source::File(_), true) => LOOK,
            (Source::Url { .. }, true) => self.config.refresh,
        };
        let pause = longest.min(self.config.refresh);
        // Without keys no vote of these voters is taken.
        if self.current.load().is_none() {
            AGAIN.min(pause)
        } else {
            pause
        }
    }

    async fn read(&self) -> Result<(), String> {
        let read = fetch(&self.config.source, self.config.timeout).await;
        let set = match read {
            Ok(bytes) => {
                let set = KeySet::parse(&bytes, &self.config.algorithms);
                set.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        let set = set.inspect_err(|_| {
            self.metrics.failed_readings.inc();
        })?;
        self.metrics.readings.inc();
        self.metrics.read_at.set(self.clock.now().as_second());
        let current = self.current.load();
        if current
            .as_ref()
            .is_none_or(|current| current.set.digest != set.digest)
        {
            let (keys, left_out) = (set.len(), &set.left_out);
            for (place, reason) in left_out {
                tracing::warn!(place, reason, "a key of voter tokens is left out");
            }
            tracing::info!(keys, "keys of voter tokens were read");
            self.metrics
                .keys
                .set(i64::try_from(keys).unwrap_or(i64::MAX));
            self.current.store(Some(Arc::new(Current {
                set: Arc::new(set),
                generation: self.generations.fetch_add(1, Ordering::Relaxed),
            })));
        }
        Ok(())
    }
}
