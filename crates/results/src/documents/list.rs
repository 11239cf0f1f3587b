//! The list of polls.

use serde::Serialize;
use utoipa::ToSchema;

use crate::documents::poll::PollDocument;

/// All polls.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PollList)]
pub(crate) struct PollListDocument<'p> {
    /// When the newest change of a listed poll was; the Unix epoch where none is listed.
    #[schema(format = DateTime, example = "2026-11-24T01:02:03.250Z")]
    pub(crate) as_of: String,
    /// Whether newer polls and states can't be read at the moment.
    #[schema(example = false)]
    pub(crate) stale: bool,
    /// The polls, in the order of their ids.
    pub(crate) polls: Vec<PollDocument<'p>>,
}
