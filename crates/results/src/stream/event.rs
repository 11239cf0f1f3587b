//! An event as it is sent: its bytes, made once for all readers.

use std::io;

use actix_web::web::Bytes;
use tokio::time::Instant;
use vote_http::Problem;

use crate::stream::event_id::EventId;

/// What one event says.
#[derive(Debug)]
pub(crate) struct Event {
    /// Grows by one with each event of its line.
    pub(crate) number: u64,
    /// None for a problem.
    pub(crate) id: Option<EventId>,
    /// The event with the whole body.
    pub(crate) whole: Bytes,
    /// What has changed since the event before it, where that is all that readers want.
    pub(crate) changes: Option<Bytes>,
    /// Whether none will follow.
    pub(crate) is_last: bool,
    /// Whether production holds the figures: they may be older than those before, and are meant to be.
    pub(crate) is_held: bool,
    /// When it was made.
    pub(crate) made: Instant,
}

impl Event {
    /// The event of a body.
    pub(crate) fn of_body(number: u64, id: EventId, body: &[u8], is_last: bool) -> Self {
        Self {
            number,
            whole: frame(None, Some(&id), body),
            id: Some(id),
            changes: None,
            is_last,
            is_held: false,
            made: Instant::now(),
        }
    }

    /// The same, of figures that are held, where they are.
    pub(crate) const fn held(mut self, is_held: bool) -> Self {
        self.is_held = is_held;
        self
    }

    /// The same, with what has changed since the body before it as a JSON Patch (RFC 6902).
    ///
    /// # Errors
    /// A body that is no JSON: none of ours.
    pub(crate) fn with_changes(mut self, before: &[u8], body: &[u8]) -> io::Result<Self> {
        let (before, after): (serde_json::Value, serde_json::Value) = (
            serde_json::from_slice(before)?,
            serde_json::from_slice(body)?,
        );
        let patch = serde_json::to_vec(&json_patch::diff(&before, &after))?;
        self.changes = Some(frame(Some("patch"), self.id.as_ref(), &patch));
        Ok(self)
    }

    /// The event that says why there will be no others.
    pub(crate) fn of_problem(number: u64, problem: &Problem) -> Self {
        Self {
            number,
            id: None,
            whole: frame(Some("problem"), None, &problem.body()),
            changes: None,
            is_last: true,
            is_held: false,
            made: Instant::now(),
        }
    }
}

/// Bodies are JSON on one line; one that isn't is sent line by line, as the format wants it.
fn frame(event: Option<&str>, id: Option<&EventId>, data: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(data.len() + 64);
    if let Some(event) = event {
        text.extend_from_slice(format!("event: {event}\n").as_bytes());
    }
    if let Some(id) = id {
        text.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    for line in data.split(|byte| *byte == b'\n') {
        text.extend_from_slice(b"data: ");
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.push(b'\n');
    text.into()
}

/// A comment, which readers pass over: it keeps proxies from taking the stream for a dead one. No blank line follows, here and
/// wherever there is no event: some clients make an event without data of each one (`findings/sse-comment-event.sh`).
pub(crate) const HEARTBEAT: Bytes = Bytes::from_static(b":\n");

/// The last words of a process that stops.
pub(crate) const GOODBYE: Bytes = Bytes::from_static(b": this process stops, come back\n");

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> EventId {
        EventId::parse("paredao-01:r815-V1StGXR8_Z").expect("an id")
    }

    #[test]
    fn a_body_is_one_event_with_its_id() {
        let event = Event::of_body(1, id(), b"{\"revision\":815}", false);
        assert_eq!(
            event.whole,
            "id: paredao-01:r815-V1StGXR8_Z\ndata: {\"revision\":815}\n\n"
        );
    }

    #[test]
    fn a_body_of_several_lines_stays_one_event() {
        let event = Event::of_body(1, id(), b"{\n}", false);
        assert_eq!(
            event.whole,
            "id: paredao-01:r815-V1StGXR8_Z\ndata: {\ndata: }\n\n"
        );
    }

    #[test]
    fn changes_are_a_patch_from_the_body_before() {
        let (before, body) = (
            br#"{"a":1,"rows":[{"n":1},{"n":2}]}"#,
            br#"{"a":1,"rows":[{"n":1},{"n":3}]}"#,
        );
        let event = Event::of_body(2, id(), body, false)
            .with_changes(before, body)
            .expect("JSON");
        let changes = event.changes.expect("some");
        let text = std::str::from_utf8(&changes).expect("text");
        assert_eq!(
            text,
            "event: patch\nid: paredao-01:r815-V1StGXR8_Z\ndata: [{\"op\":\"replace\",\"path\":\"/rows/1/n\",\"value\":3}]\n\n"
        );
    }
}
