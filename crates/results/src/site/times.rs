//! Instants as a page writes them: in the poll's time zone, for a machine beside it.

use jiff::Timestamp;
use vote_domain::{Language, PollDefinition, wire_time};

/// An instant for `<time>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// As people read it.
    pub(crate) text: String,
    /// RFC 3339, in UTC.
    pub(crate) machine: String,
}

/// An instant of a poll.
pub(crate) fn shown(definition: &PollDefinition, language: Language, at: Timestamp) -> Shown {
    let zoned = at.to_zoned_datetime(definition.zone().clone());
    let format = match language {
        Language::Pt => "%d/%m/%Y às %H:%M (UTC%:z)",
        Language::En => "%-d %B %Y at %H:%M (UTC%:z)",
        Language::Es => "%d/%m/%Y a las %H:%M (UTC%:z)",
    };
    Shown {
        text: zoned.strftime(format).to_string(),
        machine: wire_time::format(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{at, definition};

    #[test]
    fn an_instant_is_written_in_the_zone_of_the_poll_in_each_language() {
        let definition = definition(vote_domain::Visibility::Public);
        let text = |language| shown(&definition, language, at("2026-11-24T01:02:03Z")).text;
        assert_eq!(text(Language::Pt), "23/11/2026 às 22:02 (UTC-03:00)");
        assert_eq!(text(Language::En), "23 November 2026 at 22:02 (UTC-03:00)");
        assert_eq!(text(Language::Es), "23/11/2026 a las 22:02 (UTC-03:00)");
        let shown = shown(&definition, Language::Pt, at("2026-11-24T01:02:03Z"));
        assert_eq!(shown.machine, "2026-11-24T01:02:03.000Z");
    }
}
