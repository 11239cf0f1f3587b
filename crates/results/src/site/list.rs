//! The page at `/`: the polls, the current one first.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use askama::Template;
use vote_domain::{Kind, Language, PollId};
use vote_site::words::{Words, fill};

use crate::pages::board::PollPages;
use crate::site::frame::Frame;
use crate::site::poll::{state_name, takes_votes_here};
use crate::site::times::shown;

#[derive(Debug, Template)]
#[template(path = "list.html")]
struct ListPage<'p> {
    frame: Frame,
    is_stale: bool,
    rows: Vec<Row<'p>>,
}

#[derive(Debug)]
struct Row<'p> {
    id: &'p str,
    title: &'p str,
    query: String,
    is_current: bool,
    is_rehearsal: bool,
    takes_votes: bool,
    state: &'static str,
    state_text: String,
    link: &'static str,
}

/// The page of all polls that are announced, in a language.
///
/// # Errors
/// Those of the template: none.
pub(crate) fn page(
    polls: &BTreeMap<PollId, Arc<PollPages>>,
    current: Option<&PollId>,
    is_stale: bool,
    language: Language,
) -> io::Result<Vec<u8>> {
    let words = Words::of(language);
    let announced = polls
        .iter()
        .filter(|(_, pages)| pages.snapshot.poll.is_announced());
    let mut listed: Vec<_> = announced.collect();
    // What takes votes comes first, then what opened last; the current poll before all.
    listed.sort_by_key(|(id, pages)| {
        let rank = match state_name(&pages.view) {
            "open" => 0,
            "paused" => 1,
            "not_open" => 2,
            _ => 3,
        };
        let opens_at = pages.snapshot.poll.definition.opens_at();
        (Some(*id) != current, rank, std::cmp::Reverse(opens_at))
    });
    let rows = listed
        .into_iter()
        .map(|(id, pages)| row(id, pages, current, language));
    let page = ListPage {
        frame: Frame::new(language, words.list_title.to_owned(), "/"),
        is_stale,
        rows: rows.collect(),
    };
    let text = page.render().map_err(io::Error::other)?;
    Ok(text.into_bytes())
}

fn row<'p>(
    id: &'p PollId,
    pages: &'p PollPages,
    current: Option<&PollId>,
    language: Language,
) -> Row<'p> {
    let words = Words::of(language);
    let poll = &pages.snapshot.poll;
    let definition = &poll.definition;
    let state = state_name(&pages.view);
    let at = |at| shown(definition, language, at).text;
    let (text, time) = match state {
        "not_open" => (words.short_not_open, at(definition.opens_at())),
        "open" => (words.short_open, at(poll.closes_at)),
        "paused" => (words.short_paused, String::new()),
        "final" => (words.short_final, String::new()),
        "void" => (words.short_void, String::new()),
        _ => (words.short_closed, at(poll.closes_at)),
    };
    let takes_votes = state == "open" && definition.channels().iter().any(takes_votes_here);
    let is_own = definition.language() == language;
    Row {
        id: id.as_str(),
        title: definition.title(),
        query: if is_own {
            String::new()
        } else {
            format!("?lang={language}")
        },
        is_current: Some(id) == current,
        is_rehearsal: definition.kind() == Kind::Rehearsal,
        takes_votes,
        state,
        state_text: fill(text, "time", &time),
        link: if takes_votes {
            words.list_vote
        } else {
            words.list_see
        },
    }
}
