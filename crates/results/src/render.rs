//! Makes the pages whenever something changes: a snapshot, or what the clock says of it.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderValue;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use vote_domain::{Clock, Poll, PollId, Visibility, standing, wire_time};
use vote_store::{Confirmed, Snapshots};

use crate::board::{Board, Lists, PollPages, Published, Standings};
use crate::body::{Body, Effort};
use crate::metrics::{Metrics, Representation};
use crate::routes::poll::PollDocument;
use crate::routes::polls::PollListDocument;
use crate::series::{Series, Step};
use crate::series_cache::SeriesCache;
use crate::view::{CHANGES, Freshness, View, sealed};

/// How often it is looked whether time has changed something.
const TICK: Duration = Duration::from_millis(100);

/// How long a renderer that has failed waits before it tries again.
const PAUSE: Duration = Duration::from_millis(500);

/// Series take at most one part in so many of a core, however large they are.
const SERIES_SHARE: u32 = 4;

/// Makes and publishes the pages.
pub(crate) struct Renderer {
    pub(crate) published: Arc<Published>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) freshness: Freshness,
    pub(crate) metrics: Metrics,
    /// What the list of polls was last made of.
    listed: Listed,
    /// Wakes the task that makes the series.
    series_due: Arc<Notify>,
}

/// What the list of polls says; it is made anew only when this changes.
#[derive(Debug, Default, PartialEq)]
struct Listed {
    polls: Vec<(PollId, u64, View)>,
    is_stale: bool,
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
            metrics,
            listed: Listed::default(),
            series_due: Arc::default(),
        }
    }

    /// Starts to publish on the current runtime, until `cancel`.
    pub(crate) fn start(self, snapshots: watch::Receiver<Snapshots>, cancel: &CancellationToken) {
        let series = run_series(
            Arc::clone(&self.published),
            self.metrics.clone(),
            Arc::clone(&self.series_due),
        );
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
                // Not by a panic: the runtime ends. `Published` is no longer kept, and says so.
                return;
            };
            self = renderer;
            match result {
                Ok(is_new) => {
                    is_failing = false;
                    self.published.keep();
                    if is_new {
                        self.series_due.notify_one();
                    }
                }
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
    fn try_render(&mut self, read: &Snapshots, read_at: Timestamp) -> io::Result<bool> {
        // The board, and what the list was made of, are replaced whole or not at all.
        catch_unwind(AssertUnwindSafe(|| self.render(read, read_at)))
            .unwrap_or_else(|_said_by_the_hook| Err(io::Error::other("their rendering panicked")))
    }

    /// Publishes what has changed; says whether anything has.
    fn render(&mut self, read: &Snapshots, read_at: Timestamp) -> io::Result<bool> {
        let now = self.clock.now();
        let before = self.published.newest();
        let mut polls = BTreeMap::new();
        let mut is_new = false;
        for (id, confirmed) in read.polls.iter() {
            let known = before.polls.get(id);
            let pages = self.pages(id, confirmed, known, now)?;
            is_new |= known.is_none_or(|known| !Arc::ptr_eq(known, &pages));
            polls.insert(id.clone(), pages);
        }
        let is_stale = read.is_incomplete || self.freshness.is_list_stale(read_at, now);
        let list = self.list(&polls, before.list.as_ref(), read_at, is_stale)?;
        is_new |= polls.len() != before.polls.len()
            || before
                .list
                .as_ref()
                .is_none_or(|known| !Arc::ptr_eq(known, &list))
            || before.unread != read.unread
            || before.receipt_key.is_some() != read.receipt_key.is_some();
        // The key is read anew with every list of polls, and is hardly ever another one.
        if is_new || !same_key(&before, read) {
            self.published.store(Board {
                list: Some(list),
                polls,
                unread: Arc::clone(&read.unread),
                receipt_key: read.receipt_key.clone(),
            });
        }
        Ok(is_new)
    }

    /// The pages of a poll: the known ones, where nothing has changed.
    fn pages(
        &self,
        id: &PollId,
        confirmed: &Confirmed,
        known: Option<&Arc<PollPages>>,
        now: Timestamp,
    ) -> io::Result<Arc<PollPages>> {
        let same = known.filter(|known| Arc::ptr_eq(&known.snapshot, &confirmed.snapshot));
        let view = View::new(confirmed, same.map(|same| &same.view), now, self.freshness);
        if let Some(same) = same.filter(|same| same.view == view) {
            return Ok(Arc::clone(same));
        }
        let snapshot = Arc::clone(&confirmed.snapshot);
        let (poll, standing) = match same.filter(|same| same.view.is_same(&view)) {
            // Only the series grow.
            Some(same) => (Arc::clone(&same.poll), Arc::clone(&same.standing)),
            None => {
                let poll = self
                    .metrics
                    .rendered(id.as_str(), Representation::Poll, || {
                        let document = PollDocument::new(&snapshot.poll, &view);
                        Body::json(&document, view.cache_control(), Effort::Ahead)
                    })?;
                (Arc::new(poll), Arc::new(self.standings(confirmed, &view)?))
            }
        };
        Ok(Arc::new(PollPages {
            snapshot,
            view,
            poll,
            standing,
            series: known.map_or_else(Arc::default, |known| Arc::clone(&known.series)),
            cache: SeriesCache::default(),
            reads: known.map_or_else(
                || Arc::new(self.metrics.reads(id)),
                |known| Arc::clone(&known.reads),
            ),
        }))
    }

    fn standings(&self, confirmed: &Confirmed, view: &View) -> io::Result<Standings> {
        let snapshot = &confirmed.snapshot;
        let definition = &snapshot.poll.definition;
        let mut percentages = None;
        let render = || {
            let whole = match sealed(snapshot) {
                Some(sealed) => sealed.standing.clone(),
                None => {
                    let (poll, tally) = (&snapshot.poll, &snapshot.tally);
                    let revision = snapshot.revision;
                    let mut standing = standing(poll, tally, view.as_of, revision, view.status);
                    // The clock may have closed the poll since the figures were read.
                    standing.state = view.state;
                    standing
                }
            };
            if definition.visibility() == Visibility::Percentages {
                let public = whole.without_counts();
                percentages = Some(Body::json(&public, view.cache_control(), Effort::Ahead)?);
            }
            Body::json(&whole, view.cache_control(), Effort::Ahead)
        };
        let id = definition.id().as_str();
        let whole = self.metrics.rendered(id, Representation::Results, render)?;
        Ok(Standings { whole, percentages })
    }

    /// The list of polls: the known one, where nothing has changed.
    fn list(
        &mut self,
        polls: &BTreeMap<PollId, Arc<PollPages>>,
        known: Option<&Arc<Lists>>,
        read_at: Timestamp,
        is_stale: bool,
    ) -> io::Result<Arc<Lists>> {
        let same = |(listed, (id, pages)): (&(PollId, u64, View), (&PollId, &Arc<PollPages>))| {
            let (known, revision, view) = listed;
            known == id && *revision == pages.snapshot.poll.revision && view.is_same(&pages.view)
        };
        let is_same = self.listed.is_stale == is_stale
            && self.listed.polls.len() == polls.len()
            && self.listed.polls.iter().zip(polls).all(same);
        if let Some(known) = known.filter(|_| is_same) {
            return Ok(Arc::clone(known));
        }
        let cache_control = if is_stale {
            "public, max-age=1"
        } else {
            CHANGES
        };
        let document = |is_listed: fn(&Poll) -> bool| PollListDocument {
            as_of: wire_time::format(read_at),
            stale: is_stale,
            polls: polls
                .values()
                .filter(|pages| is_listed(&pages.snapshot.poll))
                .map(|pages| PollDocument::new(&pages.snapshot.poll, &pages.view))
                .collect(),
        };
        let body = |document: &PollListDocument<'_>| {
            self.metrics.rendered("", Representation::Polls, || {
                let cache_control = HeaderValue::from_static(cache_control);
                Body::json(document, cache_control, Effort::Ahead)
            })
        };
        let is_public = polls
            .values()
            .all(|pages| pages.snapshot.poll.is_announced());
        let announced = if is_public {
            None
        } else {
            Some(body(&document(Poll::is_announced))?)
        };
        let lists = Lists {
            whole: body(&document(|_any| true))?,
            announced,
        };
        self.listed = Listed {
            polls: polls
                .iter()
                .map(|(id, pages)| (id.clone(), pages.snapshot.poll.revision, pages.view))
                .collect(),
            is_stale,
        };
        Ok(Arc::new(lists))
    }
}

/// Whether the board has the very key that was read.
fn same_key(board: &Board, read: &Snapshots) -> bool {
    match (&board.receipt_key, &read.receipt_key) {
        (Some(known), Some(read)) => Arc::ptr_eq(known, read),
        (known, read) => known.is_none() && read.is_none(),
    }
}

/// Makes the series of pages that have none yet, a moment after the pages themselves.
async fn run_series(published: Arc<Published>, metrics: Metrics, due: Arc<Notify>) {
    let mut made: BTreeMap<PollId, Arc<PollPages>> = BTreeMap::new();
    loop {
        due.notified().await;
        let board = published.newest();
        made.retain(|id, _| board.polls.contains_key(id));
        let started = Instant::now();
        for (id, pages) in &board.polls {
            if made.get(id).is_some_and(|made| Arc::ptr_eq(made, pages)) {
                continue;
            }
            made.insert(id.clone(), Arc::clone(pages));
            let slots = Arc::clone(&pages.series);
            let (pages, of_task) = (Arc::clone(pages), metrics.clone());
            let rendered = tokio::task::spawn_blocking(move || render_series(&pages, &of_task));
            let error = match rendered.await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(panicked) => panicked.to_string(),
            };
            metrics.render_failures.inc();
            tracing::error!(poll = %id, error, "series could not be made");
            // Those of an earlier revision would go on to say that they are fresh: who asks has them made.
            slots.hourly.store(None);
            slots.minutely.store(None);
        }
        // Two days of minutes are half a megabyte: a core has more to do than to compress them.
        tokio::time::sleep(started.elapsed() * SERIES_SHARE).await;
    }
}

fn render_series(pages: &PollPages, metrics: &Metrics) -> io::Result<()> {
    let id = pages.snapshot.poll.definition.id().as_str();
    for (step, slot) in [
        (Step::Hour, &pages.series.hourly),
        (Step::Minute, &pages.series.minutely),
    ] {
        let body = metrics.rendered(id, step.representation(), || {
            let series = Series::own(&pages.snapshot, &pages.view, step);
            Body::json(&series, pages.view.cache_control(), Effort::Ahead)
        })?;
        slot.store(Some(Arc::new(body)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use prometheus_client::registry::Registry;
    use tokio_util::sync::DropGuard;
    use vote_domain::ManualClock;
    use vote_testkit::eventually;

    use super::*;
    use crate::samples::{at, confirmed, snapshot};
    use crate::view::tests_freshness as freshness;

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
