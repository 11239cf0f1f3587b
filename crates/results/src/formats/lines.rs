//! Lines of text, for tests alone: a second format, which proves that a format is one file.

use std::io;

use crate::documents::Document;
use crate::formats::format::Format;

pub(crate) static LINES: Format = Format {
    content_type: "text/plain; charset=utf-8",
    write,
    lasting: |_document, _written| 0..0,
};

fn write(document: &Document<'_>) -> io::Result<Vec<u8>> {
    let lines: Vec<String> = match document {
        Document::List(list) => list.polls.iter().map(|poll| poll.id.to_string()).collect(),
        Document::Poll(poll) => poll
            .candidates
            .iter()
            .map(|candidate| candidate.candidate.name.clone())
            .collect(),
        Document::Standing(standing) => {
            let row = |candidate: &vote_domain::CandidateStanding| {
                let percent = candidate.percent.map(|percent| percent.to_string());
                format!("{} {}", candidate.id, percent.unwrap_or_default())
            };
            standing.candidates.iter().map(row).collect()
        }
        Document::Hourly(series) => series.hours.iter().map(|hour| hour.start.clone()).collect(),
        Document::Minutely(series) => series
            .minutes
            .iter()
            .map(|minute| minute.start.clone())
            .collect(),
    };
    Ok(lines.join("\n").into_bytes())
}
