//! Series in other time zones and between bounds: made when they are asked for, once per revision.

use std::sync::Arc;

use vote_http::Problem;

use crate::documents::Document;
use crate::metrics::Metrics;
use crate::pages::board::PollPages;
use crate::pages::body::{Body, Effort};
use crate::pages::on_demand::OnDemand;
use crate::pages::page::{Subject, write};
use crate::pages::series_cache::SeriesKey;

/// Makes series for those who ask.
#[derive(Debug)]
pub(crate) struct SeriesMaker {
    bodies: OnDemand,
    metrics: Metrics,
}

impl SeriesMaker {
    pub(crate) fn new(metrics: Metrics) -> Self {
        let too_many = "Too many series of other time zones or bounds are being asked for at once.";
        Self {
            bodies: OnDemand::new(too_many),
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
        let cache = &pages.cache;
        let (pages, metrics) = (Arc::clone(pages), self.metrics.clone());
        let make = move || {
            let SeriesKey { step, part, format } = &key;
            metrics.timed(Subject::Series(*step), || {
                let (snapshot, view) = (&pages.snapshot, &pages.view);
                let series = Document::series(snapshot, view, *step, part);
                write(&series, format, &view.cache_control(), Effort::OnDemand)
            })
        };
        let body = self.bodies.get(&cell, make).await?;
        cache.keep_within(&self.bodies.room);
        Ok(body)
    }
}
