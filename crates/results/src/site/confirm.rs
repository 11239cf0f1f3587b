//! What a vote is for, once more, before it is cast: for browsers without scripts.

use std::io;

use askama::Template;
use vote_domain::{Candidate, Channel, Kind, Language, PollDefinition};
use vote_site::words::{Words, fill};

use crate::site::frame::Frame;

#[derive(Debug, Template)]
#[template(path = "confirm.html")]
struct ConfirmPage<'p> {
    frame: Frame,
    id: &'p str,
    ingest: &'p str,
    is_rehearsal: bool,
    what: String,
    by_channel: String,
    button: String,
    candidate: &'p str,
    channel: &'p str,
    direction: &'static str,
    language: &'static str,
    key: &'p str,
}

/// What a voter has chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice<'p> {
    pub(crate) definition: &'p PollDefinition,
    pub(crate) candidate: &'p Candidate,
    pub(crate) channel: &'p Channel,
    pub(crate) language: Language,
}

/// The page that asks, with the key under which the vote will be cast: sent twice, it counts once.
///
/// # Errors
/// Those of the template: none.
pub(crate) fn page(choice: Choice<'_>, key: &str, ingest: Option<&str>) -> io::Result<String> {
    let Choice {
        definition,
        candidate,
        channel,
        language,
    } = choice;
    let words = Words::of(language);
    let direction = definition.direction();
    let title = format!("{} – {}", words.confirm_title, definition.title());
    let page = ConfirmPage {
        frame: Frame::new(language, title, "").alone(),
        id: definition.id().as_str(),
        ingest: ingest.unwrap_or_default(),
        is_rehearsal: definition.kind() == Kind::Rehearsal,
        what: words.confirm(direction, &candidate.name),
        by_channel: fill(words.by_channel, "channel", channel.id.as_str()),
        button: words.confirm_do(direction, &candidate.name),
        candidate: candidate.id.as_str(),
        channel: channel.id.as_str(),
        direction: direction.as_str(),
        language: language.as_str(),
        key,
    };
    page.render().map_err(io::Error::other)
}
