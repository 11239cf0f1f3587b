//! Votes whose voter can't be noted, since the key of the digests is not known.

use vote_domain::PollState;
use vote_http::{Problem, ProblemCode};
use vote_store::{NoVoterKey, OpenPoll};

/// What becomes of a vote whose voter's digest can't be made.
///
/// # Errors
/// Its problem, unless the poll takes no vote in any case.
pub(super) fn without_key(open: &OpenPoll, error: NoVoterKey) -> Result<(), Problem> {
    match open.poll().state {
        // Such a poll takes no vote, whoever casts it.
        PollState::Draft | PollState::Sealed | PollState::Void => Ok(()),
        PollState::Closed if open.poll().has_forgotten_voters() => Err(Problem::new(
            ProblemCode::PollClosed,
        )
        .detail(
            "The poll has closed, and who has voted is forgotten: this request recorded nothing.",
        )),
        PollState::Open | PollState::Paused | PollState::Closed => {
            Err(Problem::new(ProblemCode::StoreUnavailable).because(error))
        }
    }
}
