//! Makes the pages whenever something changes: a snapshot, or what the clock says of it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderValue;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use vote_domain::{Clock, PollId, Visibility, standing, wire_time};
use vote_store::{Confirmed, Snapshots};

use crate::board::{Board, PollPages, Standings};
use crate::body::{Body, Effort};
use crate::metrics::{Metrics, Representation};
use crate::routes::poll::PollDocument;
use crate::routes::polls::PollListDocument;
use crate::series::{Series, Step};
use crate::series_cache::SeriesCache;
use crate::view::{CHANGES, Freshness, View, sealed};

/// How often it is looked whether time has changed something.
const TICK: Duration = Duration::from_millis(100);

/// Series take at most one part in so many of a core, however large they are.
const SERIES_SHARE: u32 = 4;

/// Makes and publishes the pages.
pub(crate) struct Renderer {
    pub(crate) board: Arc<ArcSwap<Board>>,
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
        board: Arc<ArcSwap<Board>>,
        clock: Arc<dyn Clock>,
        freshness: Freshness,
        metrics: Metrics,
    ) -> Self {
        Self {
            board,
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
            Arc::clone(&self.board),
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
        loop {
            tokio::select! {
                changed = snapshots.changed() => if changed.is_err() { return },
                _ = ticks.tick() => {}
            }
            let read = snapshots.borrow_and_update().clone();
            let Some(read_at) = read.polls_read_at else {
                continue;
            };
            // Serialising and compressing is work for another thread than the ones that answer.
            let rendered = tokio::task::spawn_blocking(move || {
                let result = self.render(&read, read_at);
                (self, result)
            });
            match rendered.await {
                Ok((renderer, result)) => {
                    self = renderer;
                    match result {
                        Ok(true) => self.series_due.notify_one(),
                        Ok(false) => {}
                        Err(error) => tracing::error!(%error, "pages could not be made"),
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the pages are not made any more: restart the service");
                    return;
                }
            }
        }
    }

    /// Publishes what has changed; says whether anything has.
    fn render(&mut self, read: &Snapshots, read_at: Timestamp) -> io::Result<bool> {
        let now = self.clock.now();
        let before = self.board.load_full();
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
            self.board.store(Arc::new(Board {
                list: Some(list),
                polls,
                unread: Arc::clone(&read.unread),
                receipt_key: read.receipt_key.clone(),
            }));
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
        known: Option<&Arc<Body>>,
        read_at: Timestamp,
        is_stale: bool,
    ) -> io::Result<Arc<Body>> {
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
        let document = PollListDocument {
            as_of: wire_time::format(read_at),
            stale: is_stale,
            polls: polls
                .values()
                .map(|pages| PollDocument::new(&pages.snapshot.poll, &pages.view))
                .collect(),
        };
        let body = self.metrics.rendered("", Representation::Polls, || {
            let cache_control = HeaderValue::from_static(cache_control);
            Body::json(&document, cache_control, Effort::Ahead)
        })?;
        self.listed = Listed {
            polls: polls
                .iter()
                .map(|(id, pages)| (id.clone(), pages.snapshot.poll.revision, pages.view))
                .collect(),
            is_stale,
        };
        Ok(Arc::new(body))
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
async fn run_series(board: Arc<ArcSwap<Board>>, metrics: Metrics, due: Arc<Notify>) {
    let mut made: BTreeMap<PollId, Arc<PollPages>> = BTreeMap::new();
    loop {
        due.notified().await;
        let board = board.load_full();
        made.retain(|id, _| board.polls.contains_key(id));
        let started = Instant::now();
        for (id, pages) in &board.polls {
            if made.get(id).is_some_and(|made| Arc::ptr_eq(made, pages)) {
                continue;
            }
            made.insert(id.clone(), Arc::clone(pages));
            let (pages, metrics) = (Arc::clone(pages), metrics.clone());
            let rendered = tokio::task::spawn_blocking(move || render_series(&pages, &metrics));
            match rendered.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(poll = %id, %error, "series could not be made"),
                Err(error) => tracing::error!(poll = %id, %error, "series could not be made"),
            }
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
