//! The board: the pages of every poll, made ahead.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::OnceCell;
use vote_domain::{PollId, ReceiptKey, Visibility};
use vote_http::{Problem, ProblemCode};
use vote_store::{PollSnapshot, UnreadPoll};

use crate::documents::series::Step;
use crate::documents::view::View;
use crate::metrics::PollReads;
use crate::pages::body::Body;
use crate::pages::confirmation::Confirmation;
use crate::pages::feed_pages::Feeds;
use crate::pages::page::Pages;
use crate::pages::series_cache::SeriesCache;
use crate::site::pages::SitePages;

/// All that is published.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// The list of polls; `None` before it was read for the first time.
    pub(crate) list: Option<Arc<Pages>>,
    /// The page of all polls; `None` as long as there is no list.
    pub(crate) home: Option<Arc<SitePages>>,
    /// When the list was last read.
    pub(crate) list_confirmed: Arc<Confirmation>,
    pub(crate) polls: BTreeMap<PollId, Arc<PollPages>>,
    /// The poll that is on now: which one `current` means.
    pub(crate) current: Option<PollId>,
    /// Polls that are on the list, and of which nothing is known yet.
    pub(crate) unread: Arc<BTreeMap<PollId, UnreadPoll>>,
    /// The key of receipts that the services share.
    pub(crate) receipt_key: Option<Arc<ReceiptKey>>,
}

/// The pages of one poll, at one revision and one view.
#[derive(Debug)]
pub(crate) struct PollPages {
    pub(crate) snapshot: Arc<PollSnapshot>,
    pub(crate) view: View,
    /// The poll itself and its standing.
    pub(crate) pages: Arc<Pages>,
    /// Its page for people.
    pub(crate) site: SitePages,
    /// What graphics show of it.
    pub(crate) feeds: Arc<Feeds>,
    /// The series in the poll's own time zone.
    pub(crate) series: Arc<OwnSeries>,
    /// The series in other zones and between bounds, made for those who asked.
    pub(crate) cache: SeriesCache,
    /// What production's desk shows, made for the first who asks.
    pub(crate) desk: OnceCell<Arc<Body>>,
    pub(crate) reads: Arc<PollReads>,
    /// When Redis last confirmed the snapshot.
    pub(crate) confirmed: Arc<Confirmation>,
}

/// The newest series, made beside the standing so that it never waits for them. Stays while pages come
/// and go.
#[derive(Debug, Default)]
pub(crate) struct OwnSeries([ArcSwapOption<Pages>; 2]);

impl OwnSeries {
    pub(crate) fn by(&self, step: Step) -> &ArcSwapOption<Pages> {
        &self.0[step as usize]
    }
}

impl PollPages {
    /// What the public sees of the poll.
    pub(crate) fn visibility(&self) -> Visibility {
        self.snapshot.poll.definition.visibility()
    }
}

impl Board {
    /// The pages of a poll.
    ///
    /// # Errors
    /// `unknown-poll`; `snapshot-unavailable` where it isn't known whether there is such a poll, or nothing of it
    /// could be read yet.
    pub(crate) fn poll(&self, id: &PollId) -> Result<&Arc<PollPages>, Problem> {
        match self.polls.get(id) {
            Some(pages) => Ok(pages),
            None if self.list.is_none() || self.unread.contains_key(id) => {
                Err(ProblemCode::SnapshotUnavailable.into())
            }
            None => Err(Problem::new(ProblemCode::UnknownPoll).member("poll", id.as_str())),
        }
    }

    /// A poll that has an audience, and of which nothing is known yet.
    pub(crate) fn open_unread(&self) -> Option<&PollId> {
        let mut unread = self.unread.iter();
        unread.find_map(|(id, poll)| poll.is_open.then_some(id))
    }

    /// Whether another board says the same: pages are only made anew when something has changed.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let (polls, others) = (self.polls.values(), other.polls.values());
        is_same(self.list.as_ref(), other.list.as_ref())
            && self.polls.keys().eq(other.polls.keys())
            && polls
                .zip(others)
                .all(|(one, other)| Arc::ptr_eq(one, other))
            && self.unread == other.unread
            && self.current == other.current
            && is_same(self.home.as_ref(), other.home.as_ref())
    }

    /// Whether another board has the very same key of receipts.
    pub(crate) fn has_key_of(&self, other: &Self) -> bool {
        is_same(self.receipt_key.as_ref(), other.receipt_key.as_ref())
    }
}

fn is_same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}
