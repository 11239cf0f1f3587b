//! The page of a poll.

use std::io;

use askama::Template;
use vote_domain::{Channel, Eligibility, Kind, Language, Poll, PollDefinition, PollState, Status};
use vote_site::words::{Words, fill};
use vote_store::PollSnapshot;

use crate::documents::view::View;
use crate::documents::words::Words as Numbers;
use crate::site::bars::Bars;
use crate::site::frame::Frame;
use crate::site::page_words;
use crate::site::times::{Shown, shown};

#[derive(Debug, Template)]
#[template(path = "poll.html")]
struct PollPage<'p> {
    frame: Frame,
    id: &'p str,
    poll_title: &'p str,
    is_rehearsal: bool,
    /// Its state, for style sheets and scripts.
    state: &'static str,
    state_text: String,
    is_stale: bool,
    takes_votes: bool,
    direction: &'static str,
    question: &'static str,
    meaning: &'static str,
    opens: Shown,
    closes: Shown,
    timezone: &'p str,
    visibility: &'static str,
    release: &'static str,
    ingest: &'p str,
    language: &'static str,
    /// Channels by which anybody may vote.
    channels: Vec<Offered<'p>>,
    /// All channels, each with what it asks for.
    asks: String,
    /// Why others can't be used here, or not without scripts.
    elsewhere: Vec<String>,
    candidates: Vec<Row<'p>>,
    /// Instead of figures.
    no_figures: Option<&'static str>,
    total: Option<String>,
    as_of: Option<Shown>,
    words_json: &'static str,
}

/// A channel by which one can vote on the page.
#[derive(Debug)]
struct Offered<'p> {
    id: &'p str,
    /// Scripts make the proof of work that it asks for.
    needs_script: bool,
    /// Whether it is chosen where nobody chooses.
    is_first: bool,
}

/// A candidate.
#[derive(Debug)]
struct Row<'p> {
    id: &'p str,
    name: &'p str,
    /// For who has no picture.
    initial: String,
    photo: Option<&'p str>,
    color: Option<&'p str>,
    is_withdrawn: bool,
    button: String,
    /// As it is read, and as a length.
    percent: Option<(String, String)>,
}

/// How a state is called on pages: what was opened ahead of its time is not open yet.
pub(crate) const fn state_name(view: &View) -> &'static str {
    match (view.state, view.status) {
        (PollState::Draft, _) | (PollState::Open | PollState::Paused, Status::NotOpen) => {
            "not_open"
        }
        (PollState::Open, _) => "open",
        (PollState::Paused, _) => "paused",
        (PollState::Sealed, Status::Final) => "final",
        (PollState::Closed | PollState::Sealed, _) => "closed",
        (PollState::Void, _) => "void",
    }
}

/// How the state is called beside these figures: only the result itself is final, and not what production holds.
pub(crate) const fn state_beside(bars: &Bars, view: &View) -> &'static str {
    let is_final = match bars {
        Bars::None | Bars::Hidden => true,
        Bars::Held => false,
        Bars::Shown(figures) => figures.is_final,
    };
    match view.state {
        PollState::Sealed if !is_final => "closed",
        _ => state_name(view),
    }
}

/// The page of a poll, in a language.
///
/// # Errors
/// Those of the template: none.
pub(crate) fn page(
    snapshot: &PollSnapshot,
    view: &View,
    language: Language,
    ingest: Option<&str>,
) -> io::Result<Vec<u8>> {
    let poll = &snapshot.poll;
    let definition = &poll.definition;
    let words = Words::of(language);
    let bars = Bars::new(snapshot, view);
    let state = state_beside(&bars, view);
    let opens = shown(definition, language, definition.opens_at());
    let closes = shown(definition, language, poll.closes_at);
    let path = format!("/polls/{}", definition.id());
    let channels = definition.channels();
    let numbers = Numbers::of(language);
    let page = PollPage {
        frame: Frame::new(language, title(poll, words), &path).with_script(),
        id: definition.id().as_str(),
        poll_title: definition.title(),
        is_rehearsal: definition.kind() == Kind::Rehearsal,
        state,
        state_text: state_text(words, state, &opens, &closes),
        is_stale: view.status == Status::Stale,
        takes_votes: state == "open" && definition.open_channel().is_some(),
        direction: definition.direction().as_str(),
        question: words.question(definition.direction()),
        meaning: words.meaning(definition.direction()),
        opens,
        closes,
        timezone: definition.timezone(),
        visibility: definition.visibility().as_str(),
        release: poll.release_state().as_str(),
        ingest: ingest.unwrap_or_default(),
        language: language.as_str(),
        elsewhere: elsewhere(words, channels),
        asks: asks(channels),
        channels: offered(definition),
        candidates: rows(poll, words, &bars, &numbers),
        no_figures: no_figures(words, &bars),
        total: bars.figures().and_then(|figures| {
            let total = figures.total.filter(|_| figures.is_any)?;
            Some(fill(words.total, "count", &numbers.count(total)))
        }),
        as_of: bars
            .figures()
            .map(|figures| as_of(words, shown(definition, language, figures.as_of))),
        words_json: page_words::json(language),
    };
    let text = page.render().map_err(io::Error::other)?;
    Ok(text.into_bytes())
}

/// The title of a poll's page.
pub(crate) fn title(poll: &Poll, words: &Words) -> String {
    let title = poll.definition.title();
    match poll.definition.kind() {
        Kind::Live => format!("{title} – {}", words.site),
        Kind::Rehearsal => format!("{title} – {}", words.rehearsal),
    }
}

/// What is said of a state.
pub(crate) fn state_text(words: &Words, state: &str, opens: &Shown, closes: &Shown) -> String {
    let (text, time) = match state {
        "not_open" => (words.state_not_open, &opens.text),
        "open" => (words.state_open, &closes.text),
        "paused" => (words.state_paused, &closes.text),
        "final" => (words.state_final, &closes.text),
        "void" => (words.state_void, &closes.text),
        _ => (words.state_closed, &closes.text),
    };
    fill(text, "time", time)
}

/// The instant of figures, as it is said of them.
fn as_of(words: &Words, at: Shown) -> Shown {
    Shown {
        text: fill(words.as_of, "time", &at.text),
        machine: at.machine,
    }
}

/// Whether one can vote by a channel on the page: where it asks for nothing, or for what scripts can give.
pub(crate) fn takes_votes_here(channel: &Channel) -> bool {
    matches!(
        channel.eligibility,
        Eligibility::Open | Eligibility::ProofOfWork
    )
}

/// Those channels.
fn offered(definition: &PollDefinition) -> Vec<Offered<'_>> {
    let open = definition.open_channel().map(|open| &open.id);
    let channels = definition.channels().iter();
    channels
        .filter(|channel| takes_votes_here(channel))
        .map(|channel| Offered {
            id: channel.id.as_str(),
            needs_script: channel.eligibility != Eligibility::Open,
            is_first: open == Some(&channel.id),
        })
        .collect()
}

/// What channels ask for, for the script: `torcida:open prova:proof_of_work`.
fn asks(channels: &[Channel]) -> String {
    let asks = channels
        .iter()
        .filter(|channel| channel.eligibility != Eligibility::Gateway)
        .map(|channel| format!("{}:{}", channel.id, channel.eligibility));
    asks.collect::<Vec<_>>().join(" ")
}

/// What is said of channels without scripts.
fn elsewhere(words: &Words, channels: &[Channel]) -> Vec<String> {
    if !channels.iter().any(takes_votes_here) {
        return vec![words.no_channel.to_owned()];
    }
    let said = |channel: &Channel| {
        let text = if !takes_votes_here(channel) {
            words.channel_elsewhere
        } else if channel.eligibility.asks_for_proof() {
            words.channel_script
        } else {
            return None;
        };
        Some(fill(text, "channel", channel.id.as_str()))
    };
    // No page votes by a channel of gateways, whoever asks for it.
    let for_people = channels
        .iter()
        .filter(|channel| channel.eligibility != Eligibility::Gateway);
    for_people.filter_map(said).collect()
}

/// What is said instead of figures.
pub(crate) fn no_figures(words: &Words, bars: &Bars) -> Option<&'static str> {
    match bars {
        Bars::None => None,
        Bars::Hidden => Some(words.hidden),
        Bars::Held => Some(words.held),
        Bars::Shown(figures) => (!figures.is_any).then_some(words.nobody),
    }
}

fn rows<'p>(poll: &'p Poll, words: &Words, bars: &Bars, numbers: &Numbers) -> Vec<Row<'p>> {
    let definition = &poll.definition;
    let percent = |index: usize| {
        let figures = bars.figures().filter(|figures| figures.is_any)?;
        let percent = (*figures.candidates.get(index)?)?;
        Some((numbers.percent(percent), percent.to_string()))
    };
    let candidates = definition.candidates().iter().enumerate();
    candidates
        .map(|(index, candidate)| Row {
            id: candidate.id.as_str(),
            name: &candidate.name,
            initial: candidate.name.chars().take(1).collect(),
            photo: candidate.image_url.as_deref(),
            color: candidate.color.as_deref(),
            is_withdrawn: poll.withdrawn_at(&candidate.id).is_some(),
            button: words.vote(definition.direction(), &candidate.name),
            percent: percent(index),
        })
        .collect()
}
