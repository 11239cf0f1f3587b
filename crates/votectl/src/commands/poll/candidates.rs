//! What production sees of a poll's candidates, and what it is warned of.

use unicode_security::skeleton;
use vote_domain::{Candidate, Poll, PollDefinition};

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
    let mut earlier: Vec<(&Candidate, AsSeen)> = Vec::new();
    let mut remarks = Vec::new();
    for candidate in definition.candidates() {
        let name = AsSeen::of(&candidate.name);
        // One remark for each: the first that it is like says enough.
        if let Some((other, alike)) = earlier
            .iter()
            .find_map(|(other, seen)| Some((other, seen.alike(&name)?)))
        {
            remarks.push(format!(
                "poll {id}: candidates {} and {} {}",
                other.id,
                candidate.id,
                match alike {
                    Alike::Same => format!("have the same name, {}", candidate.name),
                    Alike::Confusable => format!(
                        "have names that look the same, {} and {}: one is spelt with other characters",
                        other.name, candidate.name
                    ),
                }
            ));
        }
        earlier.push((candidate, name));
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

/// How two names are taken for one.
enum Alike {
    /// By their letters.
    Same,
    /// By their looks alone: an `А` of the Cyrillic letters for an `A`, a small `l` for a capital `I`.
    Confusable,
}

/// A name as the audience sees it.
struct AsSeen {
    read: String,
    /// What Unicode takes it for by its looks (UTS #39, skeleton): as it is written, since `I` looks like `l` and `i`
    /// doesn't, and in small letters, since `ANA` is read as `Ana`.
    looks: [String; 2],
}

impl AsSeen {
    fn of(name: &str) -> Self {
        let read = as_read(name);
        let written: String = name.chars().filter(|c| !c.is_whitespace()).collect();
        let looks = [&written, &read].map(|name| skeleton(name).collect());
        Self { read, looks }
    }

    fn alike(&self, other: &Self) -> Option<Alike> {
        if self.read == other.read {
            return Some(Alike::Same);
        }
        let mut looks = self.looks.iter().zip(&other.looks);
        looks.any(|(a, b)| a == b).then_some(Alike::Confusable)
    }
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
    fn names_that_look_the_same_in_other_letters_are_said() {
        for (first, second) in [
            ("Ana", "\u{410}na"),
            ("ANA", "\u{410}na"),
            ("Ana", "\u{ff21}na"),
            ("Ana", "\u{391}na"),
            ("Rosa", "R\u{43e}s\u{430}"),
            ("Dupla I", "Dupla l"),
            ("Jo\u{e3}o", "J\u{43e}\u{e3}o"),
            ("Jo\u{e3}o", "Joa\u{303}o"),
        ] {
            assert_eq!(
                remarks(&poll(first, second, "https://x.example/a.png")),
                [format!(
                    "poll p: candidates a and b have names that look the same, {first} and {second}: \
                     one is spelt with other characters"
                )]
            );
        }
        for (first, second) in [
            ("Ana", "Anna"),
            ("Jo\u{e3}o", "Joao"),
            ("\u{410}\u{43d}\u{43d}\u{430}", "Anna"),
            ("Dupla 1", "Dupla 2"),
        ] {
            let poll = poll(first, second, "https://x.example/a.png");
            assert!(remarks(&poll).is_empty(), "{first} {second}");
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
