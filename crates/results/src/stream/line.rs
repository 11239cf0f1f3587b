//! One line of events: those of one poll, for one audience, in one view.

use std::io;
use std::sync::Arc;

use actix_web::web::Bytes;
use tokio::sync::watch;
use vote_domain::PollId;
use vote_http::{Problem, ProblemCode};

use crate::documents::standing::Sight;
use crate::formats;
use crate::pages::board::PollPages;
use crate::pages::body::Body;
use crate::pages::page::{PageKey, Subject};
use crate::pages::published::Published;
use crate::serve::access::Audience;
use crate::serve::find::announced_poll;
use crate::stream::event::Event;
use crate::stream::event_id::{EventId, is_last};
use crate::stream::query::StreamView;

/// Which line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LineKey {
    pub(crate) poll: PollId,
    pub(crate) audience: Audience,
    pub(crate) view: StreamView,
}

/// The newest event, and who waits for the next one. Whoever is slow finds the newest alone.
#[derive(Debug)]
pub(super) struct Line {
    events: watch::Sender<Arc<Event>>,
    /// The body of the newest event.
    body: Bytes,
}

impl Line {
    /// A line that begins with what is published now.
    ///
    /// # Errors
    /// Why nothing is.
    pub(super) fn new(board: &Published, key: &LineKey) -> Result<Self, Problem> {
        let (id, body, is_last) = newest(board, key)?;
        let event = Event::of_body(0, id, &body, is_last);
        Ok(Self {
            events: watch::Sender::new(Arc::new(event)),
            body,
        })
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Event>> {
        let mut events = self.events.subscribe();
        // The event that is there is news to who has just come.
        events.mark_changed();
        events
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
        let event = match newest(board, key) {
            Ok((id, _, _)) if before.id.as_ref() == Some(&id) => return Ok(!before.is_last),
            Ok((id, body, is_last)) => {
                let event = Event::of_body(number, id, &body, is_last);
                let before = std::mem::replace(&mut self.body, body);
                match key.view {
                    StreamView::Standing => event,
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

/// What is published now for a line: its id, its body, and whether it is the last.
fn newest(board: &Published, key: &LineKey) -> Result<(EventId, Bytes, bool), Problem> {
    let board = board.load()?;
    let poll = announced_poll(&board, &key.poll, key.audience)?;
    let sight = key.audience.standing(poll.visibility())?;
    let body = body(poll, sight)?;
    let id = EventId::new(poll, sight, body);
    Ok((id, body.identity.bytes.clone(), is_last(poll.view.state)))
}

fn body(poll: &PollPages, sight: Sight) -> Result<&Body, Problem> {
    let page = PageKey {
        subject: Subject::Standing(sight),
        format: formats::DEFAULT,
    };
    poll.pages
        .get(page)
        .ok_or_else(|| ProblemCode::SnapshotUnavailable.into())
}
