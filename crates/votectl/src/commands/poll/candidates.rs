//! What production sees of a poll's candidates, and what it is warned of.

use std::collections::BTreeMap;
use vote_domain::{Poll, PollDefinition};

/// A line for each candidate: id, name, colour and photo, and since when it is out of the poll.
pub(super) fn lines(poll: &Poll) -> String {
    let definition = &poll.definition;
    let lines = definition.candidates().iter().map(|candidate| {
        let withdrawn_at = poll.withdrawn_at(&candidate.id);
        let parts = [
            Some(format!("{} {}", candidate.id, candidate.name)),
            candidate.color.clone(),
            candidate.image_url.clone(),
            withdrawn_at.map(|at| format!("withdrawn at {}", definition.shown(at))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        format!("  {:<11}{}\n", "candidate", parts.join("  "))
    });
    lines.collect()
}

/// What is allowed, and is most likely a mistake: two candidates whose names the audience can't tell apart, and photos
/// that pages served over HTTPS don't load.
pub(super) fn remarks(definition: &PollDefinition) -> Vec<String> {
    let id = definition.id();
    let mut first = BTreeMap::new();
    let mut remarks = Vec::new();
    for candidate in definition.candidates() {
        let earlier = *first
            .entry(as_read(&candidate.name))
            .or_insert(&candidate.id);
        if *earlier != candidate.id {
            remarks.push(format!(
                "poll {id}: candidates {earlier} and {} have the same name, {}",
                candidate.id, candidate.name
            ));
        }
        if let Some(url) = candidate
            .image_url
            .as_ref()
            .filter(|url| !url.starts_with("https://"))
        {
            remarks.push(format!(
                "poll {id}: the photo of {} is not https, pages that are do not show it: {url}",
                candidate.id
            ));
        }
    }
    remarks
}

/// A name without what tells no two names apart: case, blanks, and characters of no width.
fn as_read(name: &str) -> String {
    let no_width = ['\u{ad}', '\u{200b}', '\u{200c}', '\u{2060}', '\u{feff}'];
    let shown = name
        .chars()
        .filter(|c| !c.is_whitespace() && !no_width.contains(c));
    shown.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::{lines, remarks};
    use jiff::Timestamp;
    use vote_domain::{Poll, PollDefinition};

    fn poll(first: &str, second: &str, photo: &str) -> PollDefinition {
        let file = serde_json::json!({
            "id": "p", "title": "P", "direction": "save", "timezone": "America/Sao_Paulo",
            "opens_at": "2026-11-24T00:00:00Z", "closes_at": "2026-11-25T00:00:00Z",
            "candidates": [
                {"id": "a", "name": first, "image_url": photo, "color": "#ff8800"},
                {"id": "b", "name": second},
            ],
            "channels": [{"id": "c", "weight": 1, "eligibility": "open"}],
        });
        PollDefinition::parse_json(file.to_string().as_bytes()).expect("it is right")
    }

    #[test]
    fn names_that_read_the_same_are_said() {
        for second in ["Ana Lu", "ANA LU", "Ana\u{a0}Lu", "AnaLu", "Ana\u{200b} Lu"] {
            assert_eq!(
                remarks(&poll("Ana Lu", second, "https://x.example/a.png")),
                [format!(
                    "poll p: candidates a and b have the same name, {second}"
                )]
            );
        }
        for second in ["Ana Lú", "Bia"] {
            let poll = poll("Ana Lu", second, "https://x.example/a.png");
            assert!(remarks(&poll).is_empty(), "{second}");
        }
    }

    #[test]
    fn photos_and_colours_are_shown_and_a_photo_without_https_is_said() {
        let poll = poll("Ana", "Bia", "http://x.example/a.png");
        assert_eq!(
            lines(&Poll::draft(poll.clone(), Timestamp::UNIX_EPOCH, "ines")),
            "  candidate  a Ana  #ff8800  http://x.example/a.png\n  candidate  b Bia\n"
        );
        assert_eq!(
            remarks(&poll),
            [
                "poll p: the photo of a is not https, pages that are do not show it: http://x.example/a.png"
            ]
        );
    }
}
