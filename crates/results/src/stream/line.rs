//! One line of events: those of one poll, for one audience, in one view.

use std::io;
use std::sync::Arc;

use actix_web::web::Bytes;
use tokio::sync::watch;
use vote_domain::{PollId, PollState, Release};
use vote_http::{Problem, ProblemCode};

use crate::documents::feed_table::Layout;
use crate::documents::standing::Sight;
use crate::formats;
use crate::formats::feeds::ROWS;
use crate::pages::board::PollPages;
use crate::pages::feed_pages::FeedKey;
use crate::pages::held::held_body;
use crate::pages::page::{PageKey, Subject};
use crate::pages::published::Published;
use crate::serve::access::Audience;
use crate::serve::find::announced_poll;
use crate::stream::event::Event;
use crate::stream::event_id::EventId;
use crate::stream::query::StreamView;

/// Which line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LineKey {
    /// As it was asked for: `current` is another poll with the next one.
    pub(crate) poll: PollId,
    pub(crate) audience: Audience,
    pub(crate) view: StreamView,
    /// Of rows.
    pub(crate) layout: Layout,
}

/// The newest event, and who waits for the next one. Whoever is slow finds the newest alone.
#[derive(Debug)]
pub(super) struct Line {
    events: watch::Sender<Arc<Event>>,
    /// What the newest event was made from.
    pages: Arc<PollPages>,
    body: Bytes,
}

/// What is to be said of a poll.
struct News {
    id: EventId,
    body: Bytes,
    is_last: bool,
    is_held: bool,
}

impl Line {
    /// A line that begins with what is published now.
    ///
    /// # Errors
    /// Why nothing is.
    pub(super) fn new(board: &Published, key: &LineKey) -> Result<Self, Problem> {
        let pages = pages(board, key)?;
        let news = news(&pages, key)?;
        let event = Event::of_body(0, news.id, &news.body, news.is_last).held(news.is_held);
        Ok(Self {
            events: watch::Sender::new(Arc::new(event)),
            pages,
            body: news.body,
        })
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Event>> {
        self.events.subscribe()
    }

    pub(super) fn has_readers(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// Sends what is published now, if it is something else. Whether more can follow.
    ///
    /// # Errors
    /// A body that is no JSON: none of ours.
    pub(super) fn update(&mut self, board: &Published, key: &LineKey) -> io::Result<bool> {
        let before = Arc::clone(&self.events.borrow());
        let number = before.number + 1;
        let news = match pages(board, key) {
            Ok(pages) if Arc::ptr_eq(&pages, &self.pages) => return Ok(!before.is_last),
            Ok(pages) => {
                let news = news(&pages, key);
                self.pages = pages;
                news
            }
            Err(problem) => Err(problem),
        };
        let event = match news {
            Ok(news) if before.id.as_ref() == Some(&news.id) && before.is_last == news.is_last => {
                return Ok(!before.is_last);
            }
            Ok(news) => {
                let event = Event::of_body(number, news.id, &news.body, news.is_last);
                let event = event.held(news.is_held);
                let before = std::mem::replace(&mut self.body, news.body);
                match key.view {
                    StreamView::Standing | StreamView::Rows => event,
                    StreamView::Delta => event.with_changes(&before, &self.body)?,
                }
            }
            Err(problem) => Event::of_problem(number, &problem),
        };
        let goes_on = !event.is_last;
        self.events.send_replace(Arc::new(event));
        Ok(goes_on)
    }
}

/// The pages that are published now for a line.
fn pages(board: &Published, key: &LineKey) -> Result<Arc<PollPages>, Problem> {
    let board = board.load()?;
    announced_poll(&board, &key.poll, key.audience).map(Arc::clone)
}

fn news(poll: &PollPages, key: &LineKey) -> Result<News, Problem> {
    let sight = key.audience.standing(poll.visibility())?;
    match key.view {
        StreamView::Rows => rows(poll, sight, key.layout),
        StreamView::Standing | StreamView::Delta if key.audience == Audience::Feed => {
            Err(Problem::new(ProblemCode::FiguresRestricted)
                .detail("The token of a feed is for what may go on air: it needs view=rows."))
        }
        StreamView::Standing | StreamView::Delta => standing(poll, sight),
    }
}

fn rows(poll: &PollPages, sight: Sight, layout: Layout) -> Result<News, Problem> {
    let feed = poll.feeds.seen(sight);
    let feed = feed.ok_or(ProblemCode::SnapshotUnavailable)?;
    let layout = layout.beside(&feed.feed);
    let body = match feed.ahead(ROWS).filter(|_| layout == Layout::default()) {
        Some(body) => Arc::clone(body),
        None => Arc::new(
            feed.make(FeedKey {
                format: ROWS,
                layout,
            })
            .map_err(unmade)?,
        ),
    };
    let poll_id = poll.snapshot.poll.definition.id();
    let (revision, as_of) = (feed.feed.revision, feed.feed.as_of);
    let is_void = feed.feed.state == PollState::Void;
    Ok(News {
        id: EventId::new(poll_id, revision, as_of, &body),
        body: body.identity.bytes.clone(),
        is_last: is_void || is_settled(poll) && feed.feed.release == Release::Released,
        is_held: feed.feed.release == Release::Held,
    })
}

fn standing(poll: &PollPages, sight: Sight) -> Result<News, Problem> {
    let definition = &poll.snapshot.poll.definition;
    if poll.snapshot.poll.release_state() == Release::Held && poll.view.state != PollState::Void {
        let Some(held) = poll.snapshot.poll.held_figures() else {
            return Err(Problem::new(ProblemCode::SnapshotUnavailable)
                .detail("Production holds the figures of this poll, and none are to be shown."));
        };
        let body = held_body(poll, held, sight).map_err(unmade)?;
        let revision = sight.has_counts().then_some(held.revision);
        return Ok(News {
            id: EventId::new(definition.id(), revision, held.as_of, &body),
            body: body.identity.bytes,
            is_last: false,
            is_held: true,
        });
    }
    let page = PageKey {
        subject: Subject::Standing(sight),
        format: formats::DEFAULT,
    };
    let body = poll.pages.get(page);
    let body = body.ok_or(ProblemCode::SnapshotUnavailable)?;
    let revision = sight.has_counts().then_some(poll.snapshot.revision);
    Ok(News {
        id: EventId::new(definition.id(), revision, poll.view.as_of, body),
        body: body.identity.bytes.clone(),
        is_last: is_settled(poll),
        is_held: false,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unmade(error: io::Error) -> Problem {
    Problem::new(ProblemCode::Internal).because(error.to_string())
}

/// Whether nothing will ever follow what is shown of the poll in its state.
fn is_settled(poll: &PollPages) -> bool {
    match poll.view.state {
        PollState::Void => true,
        PollState::Sealed => poll.snapshot.sealed.is_some(),
        PollState::Draft | PollState::Open | PollState::Paused | PollState::Closed => false,
    }
}
