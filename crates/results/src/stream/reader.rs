//! One reader's stream: what it is sent, and when.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use futures_util::stream::{Stream, unfold};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::stream::brotli::BrotliStream;
use crate::stream::event::{Event, GOODBYE, HEARTBEAT};
use crate::stream::event_id::EventId;
use crate::stream::metrics::StreamEnd;
use crate::stream::query::{StreamQuery, StreamView};
use crate::stream::streams::{Place, Streams};

/// How long a reader that has seen newer figures elsewhere waits until this process has them as well. After that
/// they were lost, by a failover or a backup that was restored, and what there is is the truth.
const PATIENCE: Duration = Duration::from_secs(10);

/// One reader. It holds no event but the newest: what it was too slow for, it never gets.
pub(crate) struct Reader {
    place: Place,
    query: StreamQuery,
    heartbeat: Duration,
    draining: CancellationToken,
    /// What is sent before the first event.
    opening: Option<Bytes>,
    brotli: Option<BrotliStream>,
    /// The number of the event that was sent last, or that the reader had when it came.
    seen: Option<u64>,
    /// What the reader had when it came, where it is not this line's newest.
    had: Option<EventId>,
    came: Instant,
    sent: Instant,
    /// How it ends, once that is known.
    end: Option<StreamEnd>,
    /// Whether what was given last is not yet where the next one can follow it: the buffers of a reader that does not read
    /// are full.
    is_waiting: bool,
    /// Whether no other event will come: the one that is there may still wait for its time.
    is_closed: bool,
}

impl Reader {
    /// A reader that has just come, and says what it `had`.
    pub(crate) fn new(
        place: Place,
        query: StreamQuery,
        had: Option<EventId>,
        streams: &Streams,
    ) -> Self {
        let now = Instant::now();
        let newest = Arc::clone(&place.events.borrow());
        let has_newest = had.is_some() && had == newest.id;
        Self {
            place,
            heartbeat: streams.heartbeat,
            draining: streams.draining.clone(),
            opening: Some(format!("retry: {}\n\n", streams.next_retry().as_millis()).into()),
            brotli: query.is_brotli.then(BrotliStream::new),
            seen: has_newest.then_some(newest.number),
            had: had.filter(|_| !has_newest),
            came: now,
            // The first event is sent at once.
            sent: now.checked_sub(query.interval).unwrap_or(now),
            end: None,
            is_waiting: false,
            is_closed: false,
            query,
        }
    }

    /// Whether the reader has all that there will ever be.
    pub(crate) fn has_all(&self) -> bool {
        let newest = self.place.events.borrow();
        newest.is_last && self.seen == Some(newest.number)
    }

    /// The chunks of its stream.
    pub(crate) fn into_chunks(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        unfold(self, |mut reader| async {
            reader.is_waiting = false;
            let chunk = reader.next().await?;
            reader.is_waiting = true;
            match reader.coded(chunk) {
                Ok(chunk) => Some((Ok(chunk), reader)),
                Err(error) => {
                    tracing::error!(%error, "a stream could not be compressed");
                    None
                }
            }
        })
    }

    fn coded(&mut self, chunk: Bytes) -> io::Result<Bytes> {
        match &mut self.brotli {
            Some(brotli) => brotli.add(&chunk),
            None => Ok(chunk),
        }
    }

    /// What is sent next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        if self.end.is_some() {
            return None;
        }
        let asked = Instant::now();
        loop {
            let event = Arc::clone(&self.place.events.borrow_and_update());
            if self.is_closed && self.seen == Some(event.number) {
                self.end = Some(StreamEnd::Over);
                return None;
            }
            let due = self.due(&event);
            if Instant::now() >= due {
                return Some(self.say(&event, due.max(asked)));
            }
            tokio::select! {
                () = self.draining.cancelled() => {
                    self.end = Some(StreamEnd::Stopped);
                    return Some(GOODBYE);
                }
                changed = self.place.events.changed(), if !self.is_closed => {
                    self.is_closed = changed.is_err();
                }
                () = sleep_until(due) => {}
            }
        }
    }

    /// When something is to be said: the event, if it is news, or else that the stream is alive.
    fn due(&self, event: &Event) -> Instant {
        if self.seen == Some(event.number) {
            return self.sent + self.heartbeat;
        }
        let is_step_back = match (&event.id, &self.had) {
            (Some(id), Some(had)) => id.is_before(had),
            _ => false,
        };
        if is_step_back {
            return (self.came + PATIENCE).min(self.sent + self.heartbeat);
        }
        self.sent + self.query.interval
    }

    /// `due`: since when it could be said, but for the event itself, which may be newer.
    fn say(&mut self, event: &Event, due: Instant) -> Bytes {
        let now = Instant::now();
        self.sent = now;
        let waits = self.had.as_ref().is_some_and(|had| {
            let is_step_back = event.id.as_ref().is_some_and(|id| id.is_before(had));
            is_step_back && now < self.came + PATIENCE
        });
        if self.seen == Some(event.number) || waits {
            return HEARTBEAT;
        }
        let before = self.seen.replace(event.number);
        self.had = None;
        if event.is_last {
            self.end = Some(StreamEnd::Over);
        }
        self.place.metrics.events.inc();
        let late = now.saturating_duration_since(due.max(event.made));
        self.place.metrics.lateness.observe(late.as_secs_f64());
        let next = before.map(|before| before + 1);
        if let Some(skipped) = next.and_then(|next| event.number.checked_sub(next)) {
            self.place.metrics.skipped.inc_by(skipped);
        }
        match &event.changes {
            Some(changes) if self.query.view == StreamView::Delta && next == Some(event.number) => {
                changes.clone()
            }
            _ => event.whole.clone(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.opening.is_some() {
            // It never began: a question for the head alone, or for what there is no more of.
            return;
        }
        let gone = if self.is_waiting {
            StreamEnd::Unread
        } else {
            StreamEnd::Left
        };
        self.place.metrics.ended(self.end.unwrap_or(gone));
    }
}
