//! Series in other time zones and between bounds: made when they are asked for, once per revision.
//!
//! The work is bounded: so many are retained, so many are made at once, so many wait; beyond that the
//! answer is 429.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::Semaphore;
use vote_http::{Problem, ProblemCode};

use crate::documents::Document;
use crate::metrics::Metrics;
use crate::pages::board::PollPages;
use crate::pages::body::{Body, Effort};
use crate::pages::page::{Subject, write};
use crate::pages::series_cache::SeriesKey;

/// Requests that may wait for a series to be made.
const WAITING: usize = 64;

/// Makes series for those who ask.
#[derive(Debug)]
pub(crate) struct SeriesMaker {
    making: Arc<Semaphore>,
    waiting: Semaphore,
    metrics: Metrics,
}

impl SeriesMaker {
    pub(crate) fn new(metrics: Metrics) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            making: Arc::new(Semaphore::new(cores.div_ceil(2))),
            waiting: Semaphore::new(WAITING),
            metrics,
        }
    }

    /// The series of the pages, from their cache or newly made.
    ///
    /// # Errors
    /// `too-many-requests`, where too many wait already.
    pub(crate) async fn get(
        &self,
        pages: &Arc<PollPages>,
        key: SeriesKey,
    ) -> Result<Arc<Body>, Problem> {
        let cell = pages.cache.cell(&key);
        if let Some(body) = cell.get() {
            return Ok(Arc::clone(body));
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return Err(Problem::new(ProblemCode::TooManyRequests).detail(
                "Too many series of other time zones or bounds are being asked for at once.",
            ));
        };
        let body = cell.get_or_try_init(async || self.make(pages, key).await);
        body.await.map(Arc::clone)
    }

    async fn make(&self, pages: &Arc<PollPages>, key: SeriesKey) -> Result<Arc<Body>, Problem> {
        let making = Arc::clone(&self.making);
        let permit = making.acquire_owned().await.map_err(Problem::internal)?;
        let (pages, metrics) = (Arc::clone(pages), self.metrics.clone());
        let made = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also when the client has gone.
            let _permit = permit;
            let SeriesKey { step, part, format } = &key;
            metrics.timed(Subject::Series(*step), || {
                let (snapshot, view) = (&pages.snapshot, &pages.view);
                let series = Document::series(snapshot, view, *step, part);
                write(&series, format, &view.cache_control(), Effort::OnDemand)
            })
        });
        let body = made.await.map_err(Problem::internal)?;
        body.map(Arc::new).map_err(Problem::internal)
    }
}
