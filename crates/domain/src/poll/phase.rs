//! What a poll is to a voter at an instant, and how far its figures can be relied on.

use crate::names::wire_enum;

wire_enum! {
    /// What a poll is to a voter at an instant: its state and the clock together.
    #[cfg_attr(feature = "openapi", schema(examples("open")))]
    pub enum Phase as "phase" {
        /// A draft, or opened but before `opens_at`.
        NotOpen = "not_open",
        /// Takes votes.
        Open = "open",
        /// Takes none for the moment.
        Paused = "paused",
        /// Takes none any more: it was closed, or `closes_at` has come.
        Closed = "closed",
        /// Its result is final.
        Sealed = "sealed",
        /// It was voided.
        Void = "void",
    }
}

impl Phase {
    /// How far the figures of a poll in this phase can be relied on. Never [`Status::Stale`]: that
    /// depends on the age of the figures, which only their reader knows.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::NotOpen => Status::NotOpen,
            // Closed is still provisional: votes in flight are confirmed until it is sealed.
            Self::Open | Self::Paused | Self::Closed => Status::Provisional,
            Self::Sealed => Status::Final,
            Self::Void => Status::Void,
        }
    }
}

wire_enum! {
    /// How far the figures of a standing can be relied on.
    #[cfg_attr(feature = "openapi", schema(examples("provisional")))]
    pub enum Status as "status" {
        /// Voting hasn't begun.
        NotOpen = "not_open",
        /// Votes are, or may still be, coming in.
        Provisional = "provisional",
        /// The figures are those of `as_of`; newer ones can't be read at the moment.
        Stale = "stale",
        /// Sealed: the figures can't change any more.
        Final = "final",
        /// The poll was voided: its figures decide nothing.
        Void = "void",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_its_status() {
        let status: Vec<_> = Phase::ALL
            .iter()
            .map(|phase| phase.status().as_str())
            .collect();
        assert_eq!(
            status,
            [
                "not_open",
                "provisional",
                "provisional",
                "provisional",
                "final",
                "void"
            ]
        );
    }
}
