//! What the domain says of a poll, as production reads it: with times in the poll's zone.

use crate::failure::Failure;
use std::fmt::Display;
use vote_domain::{PollDefinition, wire_time};

/// The length of an instant on the wire.
const INSTANT: usize = "2026-11-26T02:00:00.000Z".len();

/// A refusal, and which poll it is about.
pub(crate) fn refused(definition: &PollDefinition, why: impl Display) -> Failure {
    let why = in_zone(&why.to_string(), definition);
    Failure::refused(format!("poll `{}`: {why}", definition.id()))
}

/// The text with each instant in the poll's zone, and UTC beside it.
pub(super) fn in_zone(text: &str, definition: &PollDefinition) -> String {
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(from) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, here) = rest.split_at(from);
        said.push_str(before);
        let instant = here.get(..INSTANT).filter(|text| text.ends_with('Z'));
        if let Some(at) = instant.and_then(|text| wire_time::parse(text).ok()) {
            said.push_str(&definition.shown(at));
            rest = &here[INSTANT..];
            continue;
        }
        let digits = here.find(|c: char| !c.is_ascii_digit());
        let (number, after) = here.split_at(digits.unwrap_or(here.len()));
        said.push_str(number);
        rest = after;
    }
    said.push_str(rest);
    said
}

#[cfg(test)]
mod tests {
    use super::in_zone;
    use vote_testkit::fixtures::demo_poll;

    #[test]
    fn instants_are_told_in_the_polls_zone_and_all_else_stays() {
        let definition = demo_poll().definition();
        let said = |text: &str| in_zone(text, &definition);
        assert_eq!(
            said("closes_at: must be later than 2026-11-26T02:00:00.000Z, not 3"),
            "closes_at: must be later than 2026-11-25 23:00 America/Sao_Paulo (2026-11-26T02:00:00.000Z), not 3"
        );
        for text in [
            "",
            "é 12",
            "2026-11-26",
            "2026-11-26T02:00:00.000",
            "2026-13-26T02:00:00.000Z é",
        ] {
            assert_eq!(said(text), text);
        }
    }
}
