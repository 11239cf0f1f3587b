//! Whether a vote that arrives now may be counted.

use crate::poll::phase::Phase;

/// Why a poll takes no vote at the moment, or not this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Voting hasn't begun.
    #[error("the poll isn't open yet")]
    NotOpenYet,
    /// Voting is interrupted, and goes on later.
    #[error("the poll is paused")]
    Paused,
    /// Voting is over: the vote is late.
    #[error("the poll is closed")]
    Closed,
    /// Voting is over, and the result is final.
    #[error("the poll is sealed")]
    Sealed,
    /// The poll was voided.
    #[error("the poll is void")]
    Void,
    /// The vote's candidate is out of the poll.
    #[error("the candidate is withdrawn")]
    Withdrawn,
}

/// Whether a poll in this phase takes a vote.
///
/// # Errors
/// Why it doesn't.
pub const fn admit(phase: Phase) -> Result<(), Refusal> {
    match phase {
        Phase::Open => Ok(()),
        Phase::NotOpen => Err(Refusal::NotOpenYet),
        Phase::Paused => Err(Refusal::Paused),
        Phase::Closed => Err(Refusal::Closed),
        Phase::Sealed => Err(Refusal::Sealed),
        Phase::Void => Err(Refusal::Void),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_open_poll_takes_a_vote() {
        let outcome: Vec<_> = Phase::ALL.iter().map(|&phase| admit(phase)).collect();
        assert_eq!(
            outcome,
            [
                Err(Refusal::NotOpenYet),
                Ok(()),
                Err(Refusal::Paused),
                Err(Refusal::Closed),
                Err(Refusal::Sealed),
                Err(Refusal::Void),
            ]
        );
    }
}
