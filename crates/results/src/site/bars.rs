//! The figures of a poll as the public sees them on a page: the same as on the stream.

use jiff::Timestamp;
use vote_domain::{Percent, Release, Standing, Status};
use vote_store::PollSnapshot;

use crate::documents::standing::{Sight, standing_at};
use crate::documents::view::View;
use crate::pages::held::held_standing;
use crate::serve::access::Audience;

/// What is shown of the figures.
#[derive(Debug)]
pub(crate) enum Bars {
    /// Nothing yet, or nothing any more: a poll that is not open, or is void.
    None,
    /// They are not public.
    Hidden,
    /// Production holds them back.
    Held,
    /// These.
    Shown(Figures),
}

/// Figures that are shown.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Of the candidates, in the poll's order; none for who is withdrawn.
    pub(crate) candidates: Vec<Option<Percent>>,
    /// All votes, where counts are public.
    pub(crate) total: Option<u128>,
    pub(crate) as_of: Timestamp,
    /// Whether they are the result: those at which a poll is held may be older.
    pub(crate) is_final: bool,
    /// Whether there is any vote.
    pub(crate) is_any: bool,
}

impl Bars {
    /// Those of a poll.
    pub(crate) fn new(snapshot: &PollSnapshot, view: &View) -> Self {
        let poll = &snapshot.poll;
        if !view.has_begun || view.status == Status::Void {
            return Self::None;
        }
        let Ok(sight) = Audience::Public.standing(poll.definition.visibility()) else {
            return Self::Hidden;
        };
        let standing = match (poll.release_state(), poll.held_figures()) {
            (Release::Held, Some(held)) => held_standing(snapshot, view, held),
            (Release::Held, None) => return Self::Held,
            (Release::Released | Release::Unreleased, _) => standing_at(snapshot, view),
        };
        Self::Shown(Figures::of(&standing, sight))
    }

    /// The figures, where there are any.
    pub(crate) const fn figures(&self) -> Option<&Figures> {
        match self {
            Self::Shown(figures) => Some(figures),
            Self::None | Self::Hidden | Self::Held => None,
        }
    }
}

impl Figures {
    fn of(standing: &Standing, sight: Sight) -> Self {
        let percents = standing.candidates.iter().map(|one| one.percent);
        let candidates: Vec<_> = percents.collect();
        Self {
            // Percentages add up to 100, or are all 0 where there are no votes.
            is_any: candidates
                .iter()
                .flatten()
                .any(|percent| *percent > Percent::ZERO),
            candidates,
            total: match sight {
                Sight::Staff | Sight::All => standing.total_votes,
                Sight::Percentages => None,
            },
            as_of: standing.as_of,
            is_final: standing.status == Status::Final,
        }
    }
}
