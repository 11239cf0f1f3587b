//! What is published, whatever it is written in. JSON and the OpenAPI document both come from these structs.

pub(crate) mod desk;
pub(crate) mod feed;
pub(crate) mod feed_table;
pub(crate) mod list;
pub(crate) mod poll;
pub(crate) mod series;
pub(crate) mod standing;
pub(crate) mod view;
pub(crate) mod words;

use serde::Serialize;
use vote_domain::Standing;
use vote_store::PollSnapshot;

use crate::documents::list::PollListDocument;
use crate::documents::poll::PollDocument;
use crate::documents::series::{HourlySeries, MinutelySeries, SeriesPart, Step};
use crate::documents::view::View;

/// What a format has to write.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Document<'d> {
    List(PollListDocument<'d>),
    Poll(PollDocument<'d>),
    Standing(Standing),
    Hourly(HourlySeries<'d>),
    Minutely(MinutelySeries<'d>),
}

impl<'d> Document<'d> {
    /// A part of a poll's series.
    pub(crate) fn series(
        snapshot: &'d PollSnapshot,
        view: &View,
        step: Step,
        part: &'d SeriesPart,
    ) -> Self {
        match step {
            Step::Hour => Self::Hourly(HourlySeries::new(snapshot, view, part)),
            Step::Minute => Self::Minutely(MinutelySeries::new(snapshot, view, part)),
        }
    }
}
