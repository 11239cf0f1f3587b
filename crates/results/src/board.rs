//! What is published: the pages of every poll, made ahead by the [`Renderer`](crate::render::Renderer).
//!
//! A request loads the board, which takes no lock, and clones bytes out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix_web::HttpRequest;
use arc_swap::ArcSwapOption;
use vote_domain::{PollId, ReceiptKey, Visibility};
use vote_service::{Problem, ProblemCode};
use vote_store::PollSnapshot;

use crate::body::Body;
use crate::metrics::PollReads;
use crate::series_cache::SeriesCache;
use crate::view::View;

/// All that is published.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// The list of polls; `None` before it was read for the first time.
    pub(crate) list: Option<Arc<Body>>,
    pub(crate) polls: BTreeMap<PollId, Arc<PollPages>>,
    /// Polls that are on the list, and of which nothing is known yet.
    pub(crate) unread: Arc<BTreeSet<PollId>>,
    /// The key of receipts that the services share.
    pub(crate) receipt_key: Option<Arc<ReceiptKey>>,
}

/// The pages of one poll, at one revision and one view.
#[derive(Debug)]
pub(crate) struct PollPages {
    pub(crate) snapshot: Arc<PollSnapshot>,
    pub(crate) view: View,
    /// The poll itself.
    pub(crate) poll: Arc<Body>,
    /// The standing.
    pub(crate) standing: Arc<Standings>,
    /// The series in the poll's own time zone.
    pub(crate) series: Arc<SeriesSlot>,
    /// The series in other zones and between bounds, made for those who asked.
    pub(crate) cache: SeriesCache,
    pub(crate) reads: Arc<PollReads>,
}

/// The standing, as each audience sees it.
#[derive(Debug)]
pub(crate) struct Standings {
    /// With counts.
    pub(crate) whole: Body,
    /// Without, where the public sees percentages only.
    pub(crate) percentages: Option<Body>,
}

/// The newest series, made beside the standing so that it never waits for them. Stays while pages come
/// and go.
#[derive(Debug, Default)]
pub(crate) struct SeriesSlot {
    pub(crate) hourly: ArcSwapOption<Body>,
    pub(crate) minutely: ArcSwapOption<Body>,
}

impl PollPages {
    /// What the public sees of the poll.
    pub(crate) fn visibility(&self) -> Visibility {
        self.snapshot.poll.definition.visibility()
    }
}

impl Board {
    /// The pages of the poll that the request's path names.
    ///
    /// # Errors
    /// `malformed-poll-id`; `unknown-poll`; `snapshot-unavailable` where it isn't known whether there
    /// is such a poll, or nothing of it could be read yet.
    pub(crate) fn of_request(&self, request: &HttpRequest) -> Result<&Arc<PollPages>, Problem> {
        let raw = request.match_info().get("poll").unwrap_or_default();
        // A poll's id needs no escapes, so this finds whatever is there.
        if let Some(pages) = self.polls.get(raw) {
            return Ok(pages);
        }
        let text: String = request
            .match_info()
            .load()
            .map_err(|_not_text| Problem::new(ProblemCode::MalformedPollId))?;
        let id = PollId::parse(&text).map_err(|error| {
            Problem::new(ProblemCode::MalformedPollId)
                .detail(format!("The poll's id in the path {error}."))
        })?;
        self.poll(&id)
    }

    /// The pages of a poll.
    ///
    /// # Errors
    /// As [`Board::of_request`].
    pub(crate) fn poll(&self, id: &PollId) -> Result<&Arc<PollPages>, Problem> {
        match self.polls.get(id) {
            Some(pages) => Ok(pages),
            None if self.list.is_none() || self.unread.contains(id) => {
                Err(ProblemCode::SnapshotUnavailable.into())
            }
            None => Err(Problem::new(ProblemCode::UnknownPoll).member("poll", id.as_str())),
        }
    }
}
