//! The site: pages for people, made on the server, with the scripts and style sheets that `make web` has built.

pub(crate) mod answer;
pub(crate) mod assets;
mod bars;
pub(crate) mod confirm;
pub(crate) mod desk;
pub(crate) mod error;
mod frame;
pub(crate) mod language;
pub(crate) mod list;
mod page_words;
pub(crate) mod pages;
pub(crate) mod policy;
pub(crate) mod poll;
pub(crate) mod receipt;
mod times;

use std::io;

use vote_runtime::settings::SiteSettings;

use crate::metrics::ReadCounters;
use crate::pages::body::Body;
use crate::site::assets::SiteAssets;

/// What the site is made from.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) assets: SiteAssets,
    /// The shell of production's desk.
    pub(crate) desk: Body,
    /// The origin of ingest, where it is another one than the pages'.
    pub(crate) ingest: Option<String>,
    /// Of the page of all polls.
    pub(crate) home_reads: ReadCounters,
}

impl Site {
    /// By the settings.
    ///
    /// # Errors
    /// Those of the compressors: none, in memory.
    pub(crate) fn new(settings: &SiteSettings, home_reads: ReadCounters) -> io::Result<Self> {
        Ok(Self {
            assets: SiteAssets::new()?,
            desk: desk::shell()?,
            ingest: settings.ingest_url.clone(),
            home_reads,
        })
    }
}
