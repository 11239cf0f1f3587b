//! What is published: the pages of every poll, made ahead by the [`Renderer`](crate::render::Renderer).
//!
//! A request loads the board, which takes no lock, and clones bytes out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::HttpRequest;
use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use tokio::time::Instant;
use vote_domain::{PollId, ReceiptKey, Visibility};
use vote_http::{Problem, ProblemCode};
use vote_store::PollSnapshot;

use crate::access::Audience;
use crate::body::Body;
use crate::metrics::PollReads;
use crate::series_cache::SeriesCache;
use crate::view::View;

/// The newest board, for as long as somebody sees to it that it is.
///
/// Figures turn stale by being rendered anew. Where that has stopped, they would go on to say that they are
/// fresh: nobody gets them any more.
#[derive(Debug)]
pub(crate) struct Published {
    board: ArcSwap<Board>,
    since: Instant,
    /// Milliseconds from `since` to when the board was last found, or made, to be up to date.
    kept_ms: AtomicU64,
    limit: Duration,
}

impl Published {
    /// An empty board, which must be kept at least every `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            board: ArcSwap::default(),
            since: Instant::now(),
            kept_ms: AtomicU64::new(0),
            limit,
        }
    }

    /// The newest board.
    ///
    /// # Errors
    /// `snapshot-unavailable` where it has not been kept for too long.
    pub(crate) fn load(&self) -> Result<Guard<Arc<Board>>, Problem> {
        let board = self.board.load();
        // An empty one says of itself that nothing is known yet.
        if board.list.is_none() || self.is_kept() {
            return Ok(board);
        }
        Err(Problem::new(ProblemCode::SnapshotUnavailable)
            .because("the pages are not kept up to date"))
    }

    /// Whether there is something to answer from.
    ///
    /// # Errors
    /// Why there isn't.
    pub(crate) fn ready(&self) -> Result<(), String> {
        if self.board.load().list.is_none() {
            return Err("nothing has been read from Redis yet".to_owned());
        }
        if !self.is_kept() {
            return Err("the pages are not kept up to date".to_owned());
        }
        Ok(())
    }

    fn is_kept(&self) -> bool {
        let kept = Duration::from_millis(self.kept_ms.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(kept) <= self.limit
    }

    /// The newest board, for who makes it.
    pub(crate) fn newest(&self) -> Arc<Board> {
        self.board.load_full()
    }

    /// Publishes another board.
    pub(crate) fn store(&self, board: Board) {
        self.board.store(Arc::new(board));
    }

    /// Says that the board is up to date now.
    pub(crate) fn keep(&self) {
        let now_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.kept_ms.store(now_ms, Ordering::Relaxed);
    }
}

/// All that is published.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// The list of polls; `None` before it was read for the first time.
    pub(crate) list: Option<Arc<Lists>>,
    pub(crate) polls: BTreeMap<PollId, Arc<PollPages>>,
    /// Polls that are on the list, and of which nothing is known yet.
    pub(crate) unread: Arc<BTreeSet<PollId>>,
    /// The key of receipts that the services share.
    pub(crate) receipt_key: Option<Arc<ReceiptKey>>,
}

/// The list of polls, as each audience sees it.
#[derive(Debug)]
pub(crate) struct Lists {
    /// With all polls.
    pub(crate) whole: Body,
    /// Without those that are not announced, where there are any.
    pub(crate) announced: Option<Body>,
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
    /// Whether it is any business of an audience that there is such a poll.
    fn is_for(&self, audience: Audience) -> bool {
        audience == Audience::Staff || self.snapshot.poll.is_announced()
    }

    /// What the public sees of the poll.
    pub(crate) fn visibility(&self) -> Visibility {
        self.snapshot.poll.definition.visibility()
    }
}

impl Board {
    /// The pages of the poll that the request's path names.
    ///
    /// # Errors
    /// `malformed-poll-id`; `unknown-poll`, also where it is not announced to the audience; `snapshot-unavailable`
    /// where it isn't known whether there is such a poll, or nothing of it could be read yet.
    pub(crate) fn of_request(
        &self,
        request: &HttpRequest,
        audience: Audience,
    ) -> Result<&Arc<PollPages>, Problem> {
        let raw = request.match_info().get("poll").unwrap_or_default();
        // A poll's id needs no escapes, so this finds whatever is there.
        if let Some(pages) = self.polls.get(raw) {
            return if pages.is_for(audience) {
                Ok(pages)
            } else {
                Err(Problem::new(ProblemCode::UnknownPoll).member("poll", raw))
            };
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
    /// `unknown-poll`, `snapshot-unavailable`: as [`Board::of_request`].
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
