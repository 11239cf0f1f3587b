//! What graphics show of a poll: one snapshot, from which every feed, the stream and the overlay are written.

use jiff::Timestamp;
use vote_domain::{
    CandidateId, Direction, HeldFigures, Kind, Language, Percent, PollDefinition, PollId,
    PollState, Release, Standing, Status,
};
use vote_store::PollSnapshot;

use crate::documents::standing::{Sight, standing_at};
use crate::documents::view::View;

/// What graphics show of a poll. Whatever may not be shown is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Feed {
    pub(crate) poll: PollId,
    pub(crate) title: String,
    pub(crate) kind: Kind,
    pub(crate) direction: Direction,
    pub(crate) language: Language,
    pub(crate) state: PollState,
    /// When the poll ends, or has ended. It is no figure, and so goes on through a hold: a countdown has to tell of an
    /// extension.
    pub(crate) closes_at: Timestamp,
    /// How far these figures can be relied on: of a poll that is held those at which it is.
    pub(crate) status: Status,
    pub(crate) as_of: Timestamp,
    /// The revision of the figures; `None` where it would tell how many votes there are.
    pub(crate) revision: Option<u64>,
    pub(crate) release: Release,
    /// Whether these figures may go on air: the one thing that a scene has to ask.
    pub(crate) on_air: bool,
    pub(crate) total_votes: Option<u128>,
    /// In the poll's order.
    pub(crate) candidates: Vec<FeedCandidate>,
}

/// How a candidate stands, as far as that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedCandidate {
    pub(crate) id: CandidateId,
    pub(crate) name: String,
    pub(crate) photo: Option<String>,
    pub(crate) color: Option<String>,
    pub(crate) is_withdrawn: bool,
    pub(crate) figures: CandidateFigures,
}

/// The figures of a candidate; none of them where none may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CandidateFigures {
    pub(crate) votes: Option<u128>,
    pub(crate) percent: Option<Percent>,
    /// None too before the first vote: nobody leads.
    pub(crate) rank: Option<u32>,
}

/// The figures of all candidates, in the poll's order.
#[derive(Debug, Default)]
struct Figures {
    total_votes: Option<u128>,
    candidates: Vec<CandidateFigures>,
}

impl Feed {
    /// The feed of a poll, with counts.
    pub(crate) fn new(snapshot: &PollSnapshot, view: &View) -> Self {
        let poll = &snapshot.poll;
        let definition = &poll.definition;
        let release = poll.release_state();
        let held = poll.held_figures();
        let mut status = view.status;
        let (mut as_of, mut revision) = (view.as_of, snapshot.revision);
        let mut figures = Figures::default();
        match (view.status, release) {
            // There is nothing to show, or it decides nothing.
            _ if !view.has_begun => {}
            (Status::Void, _) | (_, Release::Unreleased) => {}
            (_, Release::Released) => {
                let standing = standing_at(snapshot, view);
                revision = standing.revision.unwrap_or(revision);
                figures = Figures::live(&standing);
            }
            (_, Release::Held) => {
                if let Some(held) = held {
                    (status, as_of, revision) = (held.status, held.as_of, held.revision);
                    figures = Figures::held(held, definition);
                }
            }
        }
        let candidates = definition.candidates().iter().enumerate();
        Self {
            poll: definition.id().clone(),
            title: definition.title().to_owned(),
            kind: definition.kind(),
            direction: definition.direction(),
            language: definition.language(),
            state: view.state,
            closes_at: poll.closes_at,
            status,
            as_of,
            revision: Some(revision),
            release,
            on_air: poll.is_on_air(view.status),
            total_votes: figures.total_votes,
            candidates: candidates
                .map(|(index, candidate)| FeedCandidate {
                    id: candidate.id.clone(),
                    name: candidate.name.clone(),
                    photo: candidate.image_url.clone(),
                    color: candidate.color.clone(),
                    is_withdrawn: poll.withdrawn_at(&candidate.id).is_some(),
                    figures: figures.candidates.get(index).copied().unwrap_or_default(),
                })
                .collect(),
        }
    }

    /// The same as somebody sees it.
    #[must_use]
    pub(crate) fn seen(&self, sight: Sight) -> Self {
        let mut seen = self.clone();
        if sight == Sight::Percentages {
            seen.revision = None;
            seen.total_votes = None;
            for candidate in &mut seen.candidates {
                candidate.figures.votes = None;
            }
        }
        seen
    }
}

impl Figures {
    fn live(standing: &Standing) -> Self {
        let candidates = standing.candidates.iter().map(|one| CandidateFigures {
            votes: one.votes,
            percent: one.percent,
            rank: one.rank,
        });
        Self::ranked(standing.total_votes, candidates.collect())
    }

    fn held(held: &HeldFigures, definition: &PollDefinition) -> Self {
        let of = |id: &CandidateId| {
            let found = held.candidates.iter().find(|one| one.candidate == *id);
            found.map_or_else(CandidateFigures::default, |one| CandidateFigures {
                votes: Some(one.votes),
                percent: one.percent,
                rank: one.rank,
            })
        };
        let candidates = definition.candidates().iter();
        let candidates = candidates.map(|candidate| of(&candidate.id)).collect();
        Self::ranked(Some(held.total_votes), candidates)
    }

    /// Without ranks where there is no vote for anybody who is ranked: all of them would be the first.
    fn ranked(total_votes: Option<u128>, mut candidates: Vec<CandidateFigures>) -> Self {
        let ranked = candidates.iter().filter(|one| one.rank.is_some());
        if ranked.clone().all(|one| one.votes.unwrap_or(0) == 0) {
            for candidate in &mut candidates {
                candidate.rank = None;
            }
        }
        Self {
            total_votes,
            candidates,
        }
    }
}

#[cfg(test)]
mod tests;
