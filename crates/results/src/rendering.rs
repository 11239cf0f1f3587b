//! Pages without a server: what a revision costs can be measured by itself.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use vote_domain::ManualClock;
use vote_runtime::Settings;
use vote_store::{Confirmed, Snapshots};

use crate::documents::view::Freshness;
use crate::metrics::Metrics;
use crate::pages::board::PollPages;
use crate::pages::maker::PageMaker;
use crate::service::reading;

/// Makes the pages of a poll as the service does, one revision after the other.
#[derive(Debug)]
pub struct Rendering {
    maker: PageMaker,
    known: Option<Arc<PollPages>>,
}

impl Rendering {
    /// Of a service with these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let (_nobody, snapshots) = watch::channel(Snapshots::default());
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let metrics = Metrics::register(&mut Registry::default(), snapshots, clock);
        let freshness = Freshness::new(settings, &reading(settings));
        Self {
            maker: PageMaker::new(freshness, metrics),
            known: None,
        }
    }

    /// Makes all that a revision changes, but for the series, which come once a second at most.
    ///
    /// # Errors
    /// Those of the formats.
    pub fn render(&mut self, confirmed: &Confirmed, now: Timestamp) -> io::Result<()> {
        let pages = self.maker.poll(confirmed, self.known.as_ref(), now)?;
        self.known = Some(pages);
        Ok(())
    }
}
