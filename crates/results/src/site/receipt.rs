//! The page of a receipt: whether its vote is in the figures, and what those are.

use std::io;

use askama::Template;
use vote_domain::{Kind, Language, PollState, Receipt, Status};
use vote_site::words::{Words, fill};

use crate::documents::words::Words as Numbers;
use crate::pages::board::PollPages;
use crate::site::bars::Bars;
use crate::site::frame::Frame;
use crate::site::page_words;
use crate::site::poll::{no_figures, state_beside, state_text};
use crate::site::times::shown;

#[derive(Debug, Template)]
#[template(path = "receipt.html")]
struct ReceiptPage<'p> {
    frame: Frame,
    id: &'p str,
    poll_title: &'p str,
    is_rehearsal: bool,
    receipt: &'p str,
    verdict: &'static str,
    verdict_text: &'static str,
    accepted: String,
    state_text: String,
    is_stale: bool,
    candidates: Vec<Row<'p>>,
    no_figures: Option<&'static str>,
    words_json: &'static str,
}

#[derive(Debug)]
struct Row<'p> {
    name: &'p str,
    color: Option<&'p str>,
    percent: String,
    length: String,
}

/// What a receipt proves now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The vote is in the figures.
    In,
    /// It is in the sealed result.
    Final,
    /// The figures don't have it yet.
    Waiting,
    /// The sealed result does not have it.
    Missing,
    /// The poll is void.
    Void,
}

impl Verdict {
    /// Of a genuine receipt of that poll.
    pub(crate) fn of(is_in_tally: bool, pages: &PollPages) -> Self {
        if pages.view.state == PollState::Void {
            return Self::Void;
        }
        match (is_in_tally, pages.view.status == Status::Final) {
            (true, true) => Self::Final,
            (true, false) => Self::In,
            (false, true) => Self::Missing,
            (false, false) => Self::Waiting,
        }
    }

    const fn text(self, words: &Words) -> (&'static str, &'static str) {
        match self {
            Self::In => ("in", words.receipt_in),
            Self::Final => ("final", words.receipt_final),
            Self::Waiting => ("waiting", words.receipt_waiting),
            Self::Missing => ("missing", words.receipt_missing),
            Self::Void => ("void", words.receipt_void),
        }
    }
}

/// The page of a receipt, whose text is `text`.
///
/// # Errors
/// Those of the template: none.
pub(crate) fn page(
    text: &str,
    receipt: &Receipt,
    verdict: Verdict,
    pages: &PollPages,
    language: Language,
) -> io::Result<String> {
    let words = Words::of(language);
    let poll = &pages.snapshot.poll;
    let definition = &poll.definition;
    let bars = Bars::new(&pages.snapshot, &pages.view);
    let at = |at| shown(definition, language, at);
    let (opens, closes) = (at(definition.opens_at()), at(poll.closes_at));
    let received = if receipt.is_repeat {
        words.receipt_repeated
    } else {
        words.receipt_at
    };
    let (verdict, verdict_text) = verdict.text(words);
    let path = format!("/polls/{}/receipts/{text}", definition.id());
    let title = format!("{} – {}", words.receipt_title, definition.title());
    let page = ReceiptPage {
        frame: Frame::new(language, title, &path).with_script(),
        id: definition.id().as_str(),
        poll_title: definition.title(),
        is_rehearsal: definition.kind() == Kind::Rehearsal,
        receipt: text,
        verdict,
        verdict_text,
        accepted: fill(received, "time", &at(receipt.at).text),
        state_text: state_text(words, state_beside(&bars, &pages.view), &opens, &closes),
        is_stale: pages.view.status == Status::Stale,
        candidates: rows(pages, &bars, language),
        no_figures: no_figures(words, &bars),
        words_json: page_words::json(language),
    };
    page.render().map_err(io::Error::other)
}

fn rows<'p>(pages: &'p PollPages, bars: &Bars, language: Language) -> Vec<Row<'p>> {
    let numbers = Numbers::of(language);
    let Some(figures) = bars.figures().filter(|figures| figures.is_any) else {
        return Vec::new();
    };
    let candidates = pages.snapshot.poll.definition.candidates().iter();
    let rows = candidates
        .zip(&figures.candidates)
        .filter_map(|(candidate, percent)| {
            let percent = (*percent)?;
            Some(Row {
                name: &candidate.name,
                color: candidate.color.as_deref(),
                percent: numbers.percent(percent),
                length: percent.to_string(),
            })
        });
    rows.collect()
}
