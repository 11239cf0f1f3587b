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
use crate::stream::pace::Pace;
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
    pace: Pace,
    /// When anything was said last.
    said: Instant,
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
            opening: Some(streams.next_retry().into()),
            brotli: query.is_brotli.then(BrotliStream::new),
            seen: has_newest.then_some(newest.number),
            had: had.filter(|_| !has_newest),
            came: now,
            pace: Pace::new(query.interval, streams.tick, now),
            said: now,
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
        // In a box, since the future would have room for it twice.
        unfold(Box::new(self), |mut reader| async {
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
            let heartbeat = self.said + self.heartbeat;
            let now = Instant::now();
            if let Some(due) = due
                && now >= due
            {
                self.said = now;
                return Some(self.say(&event, due.max(asked), now));
            }
            if now >= heartbeat {
                self.said = now;
                return Some(HEARTBEAT);
            }
            let wake = due.map_or(heartbeat, |due| due.min(heartbeat));
            tokio::select! {
                () = self.draining.cancelled() => {
                    self.end = Some(StreamEnd::Stopped);
                    return Some(GOODBYE);
                }
                changed = self.place.events.changed(), if !self.is_closed => {
                    self.is_closed = changed.is_err();
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    /// When an event is to be sent, if it is news.
    fn due(&self, event: &Event) -> Option<Instant> {
        if self.seen == Some(event.number) {
            return None;
        }
        // A hold goes back to the figures of its moment, for every reader and at once.
        let is_step_back = match (&event.id, &self.had) {
            (Some(id), Some(had)) => !event.is_held && id.is_before(had),
            _ => false,
        };
        let due = self.pace.due(event.made);
        Some(if is_step_back {
            due.max(self.came + PATIENCE)
        } else {
            due
        })
    }

    /// Sends an event. `due`: since when it could be sent.
    fn say(&mut self, event: &Event, due: Instant, now: Instant) -> Bytes {
        // Not as of now: how late this process is must not make the next one late as well.
        self.pace.count(due);
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

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures_util::{FutureExt as _, StreamExt as _};
    use prometheus_client::registry::Registry;
    use tokio::sync::watch;
    use tokio::time::advance;
    use vote_domain::ManualClock;
    use vote_store::Snapshots;

    use super::*;
    use crate::metrics::Metrics;
    use crate::samples::at;

    const TICK: Duration = Duration::from_millis(250);
    const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);

    /// A line of events, number by number, and who reads it.
    struct Line {
        streams: Streams,
        events: watch::Sender<Arc<Event>>,
        number: u64,
    }

    fn id(revision: u64) -> EventId {
        EventId::parse(&format!("paredao-01:r{revision}-V1StGXR8_Z")).expect("an id")
    }

    fn event(number: u64) -> Arc<Event> {
        let body = format!("{{\"number\":{number}}}");
        Arc::new(Event::of_body(number, id(number), body.as_bytes(), false))
    }

    impl Line {
        fn new(heartbeat: Duration) -> Self {
            let (_, snapshots) = watch::channel(Snapshots::default());
            let clock = Arc::new(ManualClock::new(at("2026-11-24T01:02:03Z")));
            let metrics = Metrics::register(&mut Registry::default(), snapshots, clock);
            Self {
                streams: Streams::idle(heartbeat, TICK, metrics),
                events: watch::Sender::new(event(0)),
                number: 0,
            }
        }

        /// A reader that has just come, and has been sent its `retry`.
        async fn reader(&self, interval: Duration, had: Option<EventId>) -> Chunks {
            let query = StreamQuery {
                view: StreamView::Standing,
                interval,
                is_brotli: false,
            };
            let place = self.streams.place(self.events.subscribe(), query.view);
            let reader = Reader::new(place, query, had, &self.streams);
            let mut chunks = Chunks(Box::pin(reader.into_chunks()));
            assert!(chunks.next().await.starts_with("retry: "));
            chunks
        }

        fn send(&mut self) -> String {
            self.number += 1;
            let event = event(self.number);
            let whole = text(&event.whole);
            self.events.send_replace(event);
            whole
        }
    }

    fn text(chunk: &Bytes) -> String {
        std::str::from_utf8(chunk).expect("text").to_owned()
    }

    struct Chunks(Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>>>>);

    impl Chunks {
        async fn next(&mut self) -> String {
            text(&self.0.next().await.expect("goes on").expect("no error"))
        }

        /// What there is to be sent now.
        fn now(&mut self) -> Option<String> {
            self.0
                .next()
                .now_or_never()
                .map(|chunk| text(&chunk.expect("goes on").expect("no error")))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn events_come_when_they_are_made_whenever_the_reader_came() {
        for phase in [0, 1, 50, 125, 200, 249] {
            let mut line = Line::new(HEARTBEAT_EVERY);
            let start = Instant::now();
            advance(Duration::from_millis(phase)).await;
            let mut chunks = line.reader(TICK, None).await;
            assert_eq!(chunks.now(), Some(text(&event(0).whole)), "{phase}");
            for tick in 1..100 {
                sleep_until(start + TICK * tick).await;
                let sent = line.send();
                assert_eq!(chunks.now(), Some(sent), "{phase}: {tick}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_gets_more_than_was_asked_for_over_a_long_time_and_each_comes_with_its_snapshot()
    {
        let mut line = Line::new(HEARTBEAT_EVERY);
        let start = Instant::now();
        advance(Duration::from_millis(30)).await;
        let mut chunks = line.reader(Duration::from_millis(400), None).await;
        let mut count = 0;
        assert!(chunks.now().is_some());
        for tick in 1..=400 {
            sleep_until(start + TICK * tick).await;
            assert_eq!(chunks.now(), None, "between two snapshots: {tick}");
            let sent = line.send();
            let got = chunks.now();
            assert!(got.is_none() || got == Some(sent));
            count += u32::from(got.is_some());
        }
        // 2.5 per second, for 100 seconds.
        assert!((245..=251).contains(&count), "{count}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_not_read_for_long_gets_the_newest_and_no_burst() {
        let mut line = Line::new(HEARTBEAT_EVERY);
        let mut chunks = line.reader(TICK, None).await;
        assert!(chunks.now().is_some());
        for _ in 0..40 {
            advance(TICK).await;
            line.send();
        }
        assert_eq!(chunks.now(), Some(text(&event(40).whole)));
        assert_eq!(chunks.now(), None);
        // News without a pause, not made by snapshots: one is early, and the others wait.
        let early: Vec<_> = (0..10)
            .map(|_| {
                line.send();
                chunks.now()
            })
            .collect();
        assert_eq!(early.iter().flatten().count(), 1, "{early:?}");
        let since = Instant::now();
        assert_eq!(chunks.next().await, text(&event(50).whole));
        assert_eq!(since.elapsed(), TICK * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_of_few_events_is_not_silent_for_longer_than_a_heartbeat() {
        let heartbeat = Duration::from_secs(1);
        let mut line = Line::new(heartbeat);
        let mut chunks = line.reader(Duration::from_secs(4), None).await;
        assert!(chunks.now().is_some());
        let start = Instant::now();
        let sent = line.send();
        // Early by a snapshot's interval at most, so this one has to wait.
        for beat in 1..=3 {
            assert_eq!(chunks.next().await, ":\n");
            assert_eq!(start.elapsed(), heartbeat * beat);
        }
        assert_eq!(chunks.next().await, sent);
        assert_eq!(start.elapsed(), Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_newer_figures_than_there_are_waits_for_them_with_heartbeats() {
        let line = Line::new(Duration::from_secs(4));
        let start = Instant::now();
        let mut chunks = line.reader(TICK, Some(id(7))).await;
        assert_eq!(chunks.next().await, ":\n");
        assert_eq!(chunks.next().await, ":\n");
        assert_eq!(start.elapsed(), Duration::from_secs(8));
        assert_eq!(chunks.next().await, text(&event(0).whole));
        assert_eq!(start.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_newer_figures_than_those_that_are_held_gets_the_held_ones_at_once() {
        let line = Line::new(HEARTBEAT_EVERY);
        let held = Event::of_body(1, id(1), b"{}", false).held(true);
        let whole = text(&held.whole);
        line.events.send_replace(Arc::new(held));
        let mut chunks = line.reader(TICK, Some(id(7))).await;
        assert_eq!(chunks.now(), Some(whole));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_stops_says_so_at_once_to_who_waits_for_an_event() {
        let mut line = Line::new(HEARTBEAT_EVERY);
        let mut chunks = line.reader(Duration::from_secs(60), None).await;
        assert!(chunks.now().is_some());
        line.send();
        assert_eq!(chunks.now(), None);
        line.streams.draining.cancel();
        assert_eq!(chunks.now(), Some(text(&GOODBYE)));
        assert!(chunks.0.next().await.is_none());
    }
}
