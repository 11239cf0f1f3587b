//! A feed as a table: a row for each candidate, and beside it what is said of the poll. Every format writes the same
//! names and values.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use vote_domain::{
    Direction, Kind, Language, Percent, PollId, PollState, Release, Status, wire_time,
};

use crate::documents::feed::{Feed, FeedCandidate};
use crate::documents::words::Words;

/// In which order the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Sort {
    /// That of the poll's file.
    #[default]
    Candidate,
    /// Most votes first; equals, and those without a rank at the end, in the poll's order.
    Rank,
}

impl Sort {
    /// All of them, with their names.
    pub(crate) const NAMED: [(&'static str, Self); 2] =
        [("candidate", Self::Candidate), ("rank", Self::Rank)];
}

/// How a feed is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Layout {
    /// So many rows exactly, blank ones at the end; `None`: one for each candidate.
    pub(crate) rows: Option<usize>,
    pub(crate) sort: Sort,
    /// In another language than the poll's.
    pub(crate) language: Option<Language>,
}

impl Layout {
    /// The same without what a feed is like anyway, so that it is not made twice.
    #[must_use]
    pub(crate) fn beside(mut self, feed: &Feed) -> Self {
        let is_all = |rows: &usize| *rows == feed.candidates.len();
        self.rows = self.rows.filter(|rows| !is_all(rows));
        self.language = self.language.filter(|language| *language != feed.language);
        self
    }
}

/// A value of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell<'f> {
    /// A text, or an empty one where there is none: a scene then shows nothing, and not `null`.
    Text(Cow<'f, str>),
    /// A number; `None` where there is none.
    Count(Option<u128>),
    Percent(Option<Percent>),
    Flag(bool),
}

impl<'f> Cell<'f> {
    fn text(text: Option<&'f str>) -> Self {
        Self::Text(Cow::Borrowed(text.unwrap_or_default()))
    }

    fn name(name: &'static str) -> Self {
        Self::Text(Cow::Borrowed(name))
    }

    fn owned(text: Option<String>) -> Self {
        Self::Text(Cow::Owned(text.unwrap_or_default()))
    }

    /// As text, for formats that know nothing else: numbers with a decimal point, percentages with both decimals, and an
    /// empty text where there is none.
    pub(crate) fn plain(&self) -> Cow<'_, str> {
        let owned = |text: Option<String>| Cow::Owned(text.unwrap_or_default());
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Count(count) => owned(count.map(|count| count.to_string())),
            Self::Percent(percent) => owned(percent.map(|percent| percent.to_string())),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        }
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Count(count) => count.serialize(serializer),
            Self::Percent(percent) => percent.serialize(serializer),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
        }
    }
}

/// Names and values, in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cells<'f>(pub(crate) Vec<(&'static str, Cell<'f>)>);

/// A feed as it is written.
#[derive(Debug)]
pub(crate) struct FeedTable<'f> {
    /// What is said of the poll.
    pub(crate) poll: Cells<'f>,
    /// A row for each candidate, and blank ones.
    pub(crate) rows: Vec<Cells<'f>>,
}

impl<'f> FeedTable<'f> {
    pub(crate) fn new(feed: &'f Feed, layout: Layout) -> Self {
        let language = layout.language.unwrap_or(feed.language);
        let words = Words::of(language);
        let mut candidates: Vec<&FeedCandidate> = feed.candidates.iter().collect();
        if layout.sort == Sort::Rank {
            // A stable sort: equals stay in the poll's order.
            candidates.sort_by_key(|one| one.figures.rank.unwrap_or(u32::MAX));
        }
        let rows = layout.rows.unwrap_or(candidates.len());
        let candidates = candidates.into_iter().map(Some);
        Self {
            poll: poll(feed, language, &words),
            rows: candidates
                .chain(std::iter::repeat(None))
                .take(rows)
                .map(|candidate| row(candidate, &words))
                .collect(),
        }
    }
}

fn poll<'f>(feed: &'f Feed, language: Language, words: &Words) -> Cells<'f> {
    let title = words.title(feed.kind, &feed.title);
    let total = feed.total_votes.map(|votes| words.count(votes));
    Cells(vec![
        ("poll", Cell::text(Some(feed.poll.as_str()))),
        ("title", Cell::owned(Some(title))),
        ("kind", Cell::name(feed.kind.as_str())),
        ("direction", Cell::name(feed.direction.as_str())),
        ("state", Cell::name(feed.state.as_str())),
        ("status", Cell::name(feed.status.as_str())),
        ("as_of", Cell::owned(Some(wire_time::format(feed.as_of)))),
        ("revision", Cell::Count(feed.revision.map(u128::from))),
        ("total_votes", Cell::Count(feed.total_votes)),
        ("total_votes_text", Cell::owned(total)),
        ("release", Cell::name(feed.release.as_str())),
        ("on_air", Cell::Flag(feed.on_air)),
        (
            "closes_at",
            Cell::owned(Some(wire_time::format(feed.closes_at))),
        ),
        ("language", Cell::name(language.as_str())),
    ])
}

fn row<'f>(candidate: Option<&'f FeedCandidate>, words: &Words) -> Cells<'f> {
    let figures = candidate.map(|one| one.figures).unwrap_or_default();
    let text = |of: fn(&FeedCandidate) -> Option<&str>| Cell::text(candidate.and_then(of));
    Cells(vec![
        ("id", text(|one| Some(one.id.as_str()))),
        ("name", text(|one| Some(&one.name))),
        ("rank", Cell::Count(figures.rank.map(u128::from))),
        ("votes", Cell::Count(figures.votes)),
        (
            "votes_text",
            Cell::owned(figures.votes.map(|votes| words.count(votes))),
        ),
        ("percent", Cell::Percent(figures.percent)),
        (
            "percent_text",
            Cell::owned(figures.percent.map(|percent| words.percent(percent))),
        ),
        ("photo", text(|one| one.photo.as_deref())),
        ("color", text(|one| one.color.as_deref())),
        (
            "withdrawn",
            Cell::Flag(candidate.is_some_and(|one| one.is_withdrawn)),
        ),
    ])
}

/// A row of `results.rows.json`: a candidate, or nobody, and what is said of the poll. This is the documentation of what
/// [`FeedTable`] makes; a test compares them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedRow {
    /// The candidate's id; empty in a blank row.
    #[schema(example = "ana")]
    id: String,
    /// Its name; empty in a blank row.
    #[schema(example = "Ana")]
    name: String,
    /// Its rank, 1 for most votes; equals share one. Null before the first vote, where it is withdrawn, and where there
    /// are no figures.
    #[schema(required = true, example = 1, minimum = 1)]
    rank: Option<u32>,
    /// Its votes; null where there are no figures, or counts are not public.
    #[schema(required = true, example = 1135)]
    votes: Option<u64>,
    /// The same in the poll's language; empty where `votes` is null.
    #[schema(example = "1.135")]
    votes_text: String,
    /// Its share; null where it is withdrawn, and where there are no figures.
    #[schema(required = true, value_type = Option<Percent>)]
    percent: Option<f64>,
    /// The same with two decimals in the poll's language; empty where `percent` is null.
    #[schema(example = "56,73 %")]
    percent_text: String,
    /// The address of its picture; empty where there is none.
    #[schema(example = "https://example.com/ana.png")]
    photo: String,
    /// Its colour, `#rrggbb`; empty where there is none.
    #[schema(example = "#e4572e")]
    color: String,
    /// Whether it has left the poll.
    #[schema(example = false)]
    withdrawn: bool,
    /// The poll's id: whose figures these are, where `current` was asked for.
    #[schema(value_type = PollId)]
    poll: String,
    /// The poll's title; that of a rehearsal begins with the word for it.
    #[schema(example = "Paredão 1")]
    title: String,
    /// Whether the poll counts.
    kind: Kind,
    /// What a vote means.
    direction: Direction,
    /// The poll's state.
    state: PollState,
    /// How far the figures can be relied on.
    status: Status,
    /// When the newest thing happened that the figures show.
    #[schema(format = DateTime, example = "2026-11-24T01:02:03.250Z")]
    as_of: String,
    /// The revision of the figures; null where counts are not public.
    #[schema(required = true, example = 815)]
    revision: Option<u64>,
    /// All votes; null where there are no figures, or counts are not public.
    #[schema(required = true, example = 2000)]
    total_votes: Option<u64>,
    /// The same in the poll's language; empty where `total_votes` is null.
    #[schema(example = "2.000")]
    total_votes_text: String,
    /// What production has said of the figures.
    release: Release,
    /// Whether the figures may go on air.
    #[schema(example = true)]
    on_air: bool,
    /// When voting ends, or has ended: also of a poll that is held, so that a countdown follows an extension.
    #[schema(format = DateTime, example = "2026-11-24T02:00:00.000Z")]
    closes_at: String,
    /// The language of the texts: the poll's, or the one that was asked for.
    language: Language,
}

#[cfg(test)]
mod tests;
