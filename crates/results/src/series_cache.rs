//! Series in other time zones and between bounds: made when they are asked for, once a revision.
//!
//! The work is bounded: so many are kept, so many are made at once, so many wait; beyond that the
//! answer is 429.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore};
use vote_http::{Problem, ProblemCode};

use crate::board::PollPages;
use crate::body::{Body, Effort};
use crate::metrics::Metrics;
use crate::series::{Bounds, Series, Step};

/// Series that are kept for one poll and revision.
const KEPT: usize = 32;

/// Requests that may wait for a series to be made.
const WAITING: usize = 64;

/// Which series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeriesKey {
    pub(crate) step: Step,
    /// The IANA name of the zone.
    pub(crate) zone: String,
    pub(crate) bounds: Bounds,
}

type Cell = Arc<OnceCell<Arc<Body>>>;

/// The series of one poll and revision that were asked for.
#[derive(Debug, Default)]
pub(crate) struct SeriesCache(Mutex<VecDeque<(SeriesKey, Cell)>>);

impl SeriesCache {
    /// The place of a series; the oldest one makes room for it.
    fn cell(&self, key: &SeriesKey) -> Cell {
        let mut kept = self.0.lock();
        if let Some((_, cell)) = kept.iter().find(|(known, _)| known == key) {
            return Arc::clone(cell);
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let cell = Cell::default();
        kept.push_back((key.clone(), Arc::clone(&cell)));
        cell
    }
}

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
        zone: TimeZone,
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
        let body = cell.get_or_try_init(async || self.make(pages, key, zone).await);
        body.await.map(Arc::clone)
    }

    async fn make(
        &self,
        pages: &Arc<PollPages>,
        key: SeriesKey,
        zone: TimeZone,
    ) -> Result<Arc<Body>, Problem> {
        let making = Arc::clone(&self.making);
        let permit = making.acquire_owned().await.map_err(Problem::internal)?;
        let (pages, metrics) = (Arc::clone(pages), self.metrics.clone());
        let made = tokio::task::spawn_blocking(move || -> io::Result<Body> {
            // Kept until the work is done, also when the client has gone.
            let _permit = permit;
            let SeriesKey {
                step,
                zone: zone_name,
                bounds,
            } = &key;
            let (snapshot, view) = (&pages.snapshot, &pages.view);
            metrics.timed(step.representation(), || {
                let series = Series::new(snapshot, view, *step, &zone, zone_name, *bounds);
                Body::json(&series, view.cache_control(), Effort::OnDemand)
            })
        });
        let body = made.await.map_err(Problem::internal)?;
        body.map(Arc::new).map_err(Problem::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(zone: &str) -> SeriesKey {
        SeriesKey {
            step: Step::Hour,
            zone: zone.to_owned(),
            bounds: Bounds::default(),
        }
    }

    #[test]
    fn a_series_has_one_place_and_the_oldest_makes_room() {
        let cache = SeriesCache::default();
        let first = cache.cell(&key("0"));
        assert!(Arc::ptr_eq(&first, &cache.cell(&key("0"))));
        for i in 1..=KEPT {
            cache.cell(&key(&i.to_string()));
        }
        assert_eq!(cache.0.lock().len(), KEPT);
        assert!(!Arc::ptr_eq(&first, &cache.cell(&key("0"))));
    }
}
