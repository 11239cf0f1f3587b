//! JSON: the documents as they are.

use std::io;
use std::ops::Range;

use crate::documents::Document;
use crate::formats::format::Format;

pub(crate) static JSON: Format = Format {
    content_type: "application/json",
    write,
    lasting,
};

fn write(document: &Document<'_>) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(document)?)
}

/// What the first minute of a series is written after.
const MINUTES: &[u8] = b"\"minutes\":[";
/// What each minute begins with, before its date and hour.
const START: &[u8] = b"{\"start\":\"";
/// What stands after the hour, where a minute is the first of its hour.
const WHOLE_HOUR: &[u8] = b":00:00";
/// A date and an hour: `2026-11-27T19`.
const DATE_AND_HOUR: usize = 13;

/// The minutes of the hours that have ended.
fn lasting(document: &Document<'_>, written: &[u8]) -> Range<usize> {
    if !matches!(document, Document::Minutely(_)) {
        return 0..0;
    }
    let find = |place: &[u8]| place == MINUTES;
    let begin = written.windows(MINUTES.len()).position(find);
    let begin = begin.map_or(written.len(), |place| place + MINUTES.len());
    let minutes = &written[begin..];
    let hour = START.len() + DATE_AND_HOUR;
    let last = minutes
        .windows(hour + WHOLE_HOUR.len())
        .rposition(|place| place.starts_with(START) && place.ends_with(WHOLE_HOUR));
    begin..begin + last.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::documents::series::{SeriesPart, Step};
    use crate::documents::view::{View, tests_freshness};
    use crate::samples::{at, confirmed, opens_at, snapshot};

    /// What lasts of the minutes as of an instant, in a poll from 00:00 UTC on.
    fn lasting_at(as_of: &str, step: Step) -> String {
        let mut snapshot = snapshot(&[(0, 0, 3), (1, 0, 1)]);
        snapshot.received_at = Some(at(as_of));
        let confirmed = confirmed(snapshot, at(as_of));
        let view = View::new(&confirmed, at(as_of), tests_freshness());
        let part = SeriesPart::own(&confirmed.snapshot.poll.definition);
        let document = Document::series(&confirmed.snapshot, &view, step, &part);
        let written = write(&document).expect("written");
        let lasting = lasting(&document, &written);
        String::from_utf8(written[lasting].to_vec()).expect("text")
    }

    #[test]
    fn the_minutes_of_ended_hours_last() {
        let opens_at = opens_at();
        let after = |minutes: u64| {
            let at = opens_at + Duration::from_secs(60 * minutes);
            lasting_at(&at.to_string(), Step::Minute)
        };
        assert_eq!(after(0), "");
        assert_eq!(after(59), "");
        let hour = after(60);
        assert!(hour.starts_with("{\"start\":\""), "{hour}");
        assert!(hour.ends_with("},"), "{hour}");
        assert_eq!(hour.matches("\"start\"").count(), 60);
        assert_eq!(after(119), hour);
        let two = after(120);
        assert!(two.starts_with(&hour));
        assert_eq!(two.matches("\"start\"").count(), 120);
    }

    #[test]
    fn of_other_documents_nothing_lasts() {
        let at = opens_at() + Duration::from_secs(3 * 3600);
        assert_eq!(lasting_at(&at.to_string(), Step::Hour), "");
    }
}
