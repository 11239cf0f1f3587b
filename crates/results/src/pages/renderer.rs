//! Makes the pages whenever something changes: a snapshot, or what the clock says of it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use vote_domain::{Clock, PollId};
use vote_store::Snapshots;

use crate::documents::view::Freshness;
use crate::metrics::Metrics;
use crate::pages::board::Board;
use crate::pages::current::current;
use crate::pages::maker::PageMaker;
use crate::pages::published::Published;
use crate::pages::series_renderer::run_series;

/// How often it is looked whether time has changed something.
const TICK: Duration = Duration::from_millis(100);

/// How long a renderer that has failed waits before it tries again.
const PAUSE: Duration = Duration::from_millis(500);

/// Makes and publishes the pages.
pub(crate) struct Renderer {
    published: Arc<Published>,
    clock: Arc<dyn Clock>,
    freshness: Freshness,
    metrics: Metrics,
    maker: PageMaker,
    /// The poll that is the current one, whatever else is open.
    pinned: Option<PollId>,
}

impl Renderer {
    pub(crate) fn new(
        published: Arc<Published>,
        clock: Arc<dyn Clock>,
        freshness: Freshness,
        metrics: Metrics,
    ) -> Self {
        Self {
            published,
            clock,
            freshness,
            maker: PageMaker::new(freshness, metrics.clone()),
            metrics,
            pinned: None,
        }
    }

    /// The same with a poll of the settings as the current one.
    pub(crate) fn pinned(mut self, poll: Option<PollId>) -> Self {
        self.pinned = poll;
        self
    }

    /// The same for pages that send votes to another origin than their own.
    pub(crate) fn voting_at(mut self, ingest: Option<String>) -> Self {
        self.maker.vote_at(ingest);
        self
    }

    /// Starts to publish on the current runtime, until `cancel`.
    pub(crate) fn start(self, snapshots: watch::Receiver<Snapshots>, cancel: &CancellationToken) {
        let news = self.published.news();
        let series = run_series(Arc::clone(&self.published), news, self.metrics.clone());
        tokio::spawn(cancel.clone().run_until_cancelled_owned(series));
        let pages = self.run(snapshots);
        tokio::spawn(cancel.clone().run_until_cancelled_owned(pages));
    }

    async fn run(mut self, mut snapshots: watch::Receiver<Snapshots>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut is_reading, mut is_failing) = (true, false);
        loop {
            tokio::select! {
                changed = snapshots.changed(), if is_reading => {
                    // Nobody reads any more: what is known has still to grow stale.
                    is_reading = changed.is_ok();
                }
                _ = ticks.tick() => {}
            }
            let read = snapshots.borrow_and_update().clone();
            let Some(read_at) = read.polls_read_at else {
                continue;
            };
            // Serialising and compressing is work for another thread than the ones that answer.
            let rendered = tokio::task::spawn_blocking(move || {
                let result = self.try_render(&read, read_at);
                (self, result)
            });
            let Ok((renderer, result)) = rendered.await else {
                // Not by a panic: the runtime ends. Nothing is published any more, and `Published` says so.
                return;
            };
            self = renderer;
            match result {
                Ok(()) => is_failing = false,
                Err(error) => {
                    self.metrics.render_failures.inc();
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(%error, "pages could not be made");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// As [`Renderer::render`]; a panic is an error like any other, so that the next attempt can do better.
    fn try_render(&mut self, read: &Snapshots, read_at: Timestamp) -> io::Result<()> {
        // The board, and what the list was made of, are replaced whole or not at all.
        catch_unwind(AssertUnwindSafe(|| self.render(read, read_at)))
            .unwrap_or_else(|_said_by_the_hook| Err(io::Error::other("their rendering panicked")))
    }

    /// Publishes what has changed.
    fn render(&mut self, read: &Snapshots, read_at: Timestamp) -> io::Result<()> {
        let now = self.clock.now();
        let before = self.published.newest();
        let pages = read.polls.iter().map(|(id, confirmed)| {
            let pages = self.maker.poll(confirmed, before.polls.get(id), now)?;
            Ok((id.clone(), pages))
        });
        let polls = pages.collect::<io::Result<_>>()?;
        let is_stale = read.is_incomplete || self.freshness.is_list_stale(read_at, now);
        let known = before.list.as_ref();
        let list = self.maker.list(&polls, known, is_stale)?;
        before.list_confirmed.set(read_at);
        let pinned = self.pinned.as_ref();
        let current = pinned.or_else(|| current(&polls)).cloned();
        let is_new_list = known.is_none_or(|known| !Arc::ptr_eq(known, &list));
        let home = before.home.as_ref();
        let home = self
            .maker
            .home(&polls, current.as_ref(), home, is_new_list)?;
        self.published.publish(Board {
            current,
            list: Some(list),
            home: Some(home),
            list_confirmed: Arc::clone(&before.list_confirmed),
            polls,
            unread: Arc::clone(&read.unread),
            receipt_key: read.receipt_key.clone(),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, Ordering};

    use prometheus_client::registry::Registry;
    use tokio_util::sync::DropGuard;
    use vote_domain::ManualClock;
    use vote_testkit::eventually;

    use super::*;
    use crate::documents::view::tests_freshness as freshness;
    use crate::samples::{at, confirmed, snapshot};

    const DEADLINE: Duration = Duration::from_secs(20);
    const NOW: &str = "2026-11-24T01:02:03Z";

    /// A clock that can break.
    #[derive(Debug)]
    struct Breakable {
        clock: ManualClock,
        is_broken: AtomicBool,
    }

    impl Clock for Breakable {
        fn now(&self) -> Timestamp {
            assert!(!self.is_broken.load(Ordering::Relaxed), "broken on purpose");
            self.clock.now()
        }
    }

    struct Rendering {
        published: Arc<Published>,
        clock: Arc<Breakable>,
        snapshots: Option<watch::Sender<Snapshots>>,
        registry: Registry,
        _stop: DropGuard,
    }

    impl Rendering {
        /// Renders a poll with five votes, confirmed just now.
        fn start(limit: Duration) -> Self {
            let clock = Arc::new(Breakable {
                clock: ManualClock::new(at(NOW)),
                is_broken: AtomicBool::new(false),
            });
            let poll = confirmed(snapshot(&[(0, 0, 5)]), at(NOW));
            let id = poll.snapshot.poll.definition.id().clone();
            let (snapshots, receiver) = watch::channel(Snapshots {
                polls: Arc::new(BTreeMap::from([(id, poll)])),
                polls_read_at: Some(at(NOW)),
                ..Snapshots::default()
            });
            let mut registry = Registry::default();
            let metrics = Metrics::register(&mut registry, receiver.clone(), clock.clone());
            let published = Arc::new(Published::new(limit));
            let stop = CancellationToken::new();
            Renderer::new(Arc::clone(&published), clock.clone(), freshness(), metrics)
                .start(receiver, &stop);
            Self {
                published,
                clock,
                snapshots: Some(snapshots),
                registry,
                _stop: stop.drop_guard(),
            }
        }

        async fn until(&self, wanted: impl Fn(Option<vote_domain::Status>) -> bool) {
            eventually(DEADLINE, || async {
                let board = self.published.load().ok();
                let pages = board.and_then(|board| board.polls.values().next().cloned());
                let status = pages.map(|pages| pages.view.status);
                if wanted(status) {
                    Ok(())
                } else {
                    Err(format!("{status:?}"))
                }
            })
            .await;
        }

        fn failures(&self) -> u64 {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("encodes");
            let line = text
                .lines()
                .find(|line| line.starts_with("vote_render_failures_total"));
            let value = line.and_then(|line| line.rsplit(' ').next());
            value.and_then(|value| value.parse().ok()).expect("a count")
        }
    }

    #[tokio::test]
    async fn nobody_gets_pages_that_could_not_be_made_anew_and_it_is_tried_again() {
        let rendering = Rendering::start(Duration::from_secs(1));
        let provisional = |status| status == Some(vote_domain::Status::Provisional);
        rendering.until(provisional).await;
        assert_eq!(rendering.published.ready(), Ok(()));

        rendering.clock.is_broken.store(true, Ordering::Relaxed);
        rendering.until(|status| status.is_none()).await;
        let problem = rendering.published.load().expect_err("refused");
        assert_eq!(problem.code(), vote_http::ProblemCode::SnapshotUnavailable);
        assert!(rendering.published.ready().is_err());

        rendering.clock.is_broken.store(false, Ordering::Relaxed);
        rendering.until(provisional).await;
        assert_eq!(rendering.published.ready(), Ok(()));
        assert!(rendering.failures() > 0);
    }

    #[tokio::test]
    async fn pages_turn_stale_also_when_nobody_reads_any_more() {
        let mut rendering = Rendering::start(DEADLINE);
        rendering
            .until(|status| status == Some(vote_domain::Status::Provisional))
            .await;
        drop(rendering.snapshots.take());
        rendering.clock.clock.advance(Duration::from_secs(3600));
        rendering
            .until(|status| status == Some(vote_domain::Status::Stale))
            .await;
        assert_eq!(rendering.published.ready(), Ok(()));
    }
}
