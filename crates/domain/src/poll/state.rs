//! The states of a poll, and what leads from one to another.

use crate::names::wire_enum;

wire_enum! {
    /// The state that an operator has put a poll in.
    #[cfg_attr(feature = "openapi", schema(examples("open")))]
    pub enum PollState as "state" {
        /// Defined, and still freely changed.
        Draft = "draft",
        /// Takes votes from `opens_at` until `closes_at`.
        Open = "open",
        /// Takes no votes for the moment.
        Paused = "paused",
        /// Takes no votes any more.
        Closed = "closed",
        /// Its result is written and can't change any more.
        Sealed = "sealed",
        /// Voided: its votes decide nothing.
        Void = "void",
    }
}

wire_enum! {
    /// What an operator does to a poll.
    #[cfg_attr(feature = "openapi", schema(examples("pause")))]
    pub enum Transition as "transition" {
        /// Lets it take votes from `opens_at` on.
        Open = "open",
        /// Refuses votes for the moment.
        Pause = "pause",
        /// Takes votes again.
        Resume = "resume",
        /// Ends it, now if `closes_at` is still to come.
        Close = "close",
        /// Writes the final result.
        Seal = "seal",
        /// Declares that it decides nothing.
        Void = "void",
    }
}

/// A transition that doesn't lead from where the poll is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("can't {transition} a poll that is {from}: only one that is {}", legal_from(*transition))]
pub struct IllegalTransition {
    /// The state that the poll is in.
    pub from: PollState,
    /// What was to be done to it.
    pub transition: Transition,
}

fn legal_from(transition: Transition) -> String {
    let names: Vec<_> = PollState::ALL
        .iter()
        .filter(|state| state.apply(transition).is_ok())
        .map(|state| state.as_str())
        .collect();
    names.join(" or ")
}

impl PollState {
    /// Whether what its votes come to may still be corrected: it has been open, and is not over for good.
    pub(crate) const fn may_be_corrected(self) -> bool {
        matches!(self, Self::Open | Self::Paused | Self::Closed)
    }

    /// The state that a transition leads to.
    ///
    /// # Errors
    /// Where it leads nowhere from here; the error says from which states it does.
    pub const fn apply(self, transition: Transition) -> Result<Self, IllegalTransition> {
        match (self, transition) {
            (Self::Draft, Transition::Open) | (Self::Paused, Transition::Resume) => Ok(Self::Open),
            (Self::Open, Transition::Pause) => Ok(Self::Paused),
            (Self::Open | Self::Paused, Transition::Close) => Ok(Self::Closed),
            (Self::Closed, Transition::Seal) => Ok(Self::Sealed),
            (Self::Draft | Self::Open | Self::Paused | Self::Closed, Transition::Void) => {
                Ok(Self::Void)
            }
            (from, transition) => Err(IllegalTransition { from, transition }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_transition_leads_where_the_table_says() {
        use PollState as S;
        use Transition as T;
        let table = [
            (
                S::Draft,
                [Some(S::Open), None, None, None, None, Some(S::Void)],
            ),
            (
                S::Open,
                [
                    None,
                    Some(S::Paused),
                    None,
                    Some(S::Closed),
                    None,
                    Some(S::Void),
                ],
            ),
            (
                S::Paused,
                [
                    None,
                    None,
                    Some(S::Open),
                    Some(S::Closed),
                    None,
                    Some(S::Void),
                ],
            ),
            (
                S::Closed,
                [None, None, None, None, Some(S::Sealed), Some(S::Void)],
            ),
            (S::Sealed, [None; 6]),
            (S::Void, [None; 6]),
        ];
        assert_eq!(table.len(), S::ALL.len(), "every state is in the table");
        assert_eq!(
            T::ALL,
            [T::Open, T::Pause, T::Resume, T::Close, T::Seal, T::Void]
        );
        for (from, row) in table {
            for (&transition, to) in T::ALL.iter().zip(row) {
                assert_eq!(
                    from.apply(transition),
                    to.ok_or(IllegalTransition { from, transition }),
                    "{from} {transition}"
                );
            }
        }
    }

    #[test]
    fn an_illegal_transition_says_where_it_is_legal() {
        let error = PollState::Draft
            .apply(Transition::Close)
            .expect_err("illegal");
        assert_eq!(
            error.to_string(),
            "can't close a poll that is draft: only one that is open or paused"
        );
        let error = PollState::Open
            .apply(Transition::Seal)
            .expect_err("illegal");
        assert_eq!(
            error.to_string(),
            "can't seal a poll that is open: only one that is closed"
        );
    }
}
