//! What is left of a poll's voters once it is over: nothing that names anybody.

use jiff::Timestamp;

use crate::poll::Poll;
use crate::poll::state::PollState;

/// What [`Poll::forget_voters`] is called in the log.
const FORGET_VOTERS: &str = "forget-voters";

/// Why a poll's voters can't be forgotten: it still tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "can't forget the voters of a poll that is {state}: only of one that is closed, sealed or void"
)]
pub struct ForgetVotersError {
    /// Its state.
    pub state: PollState,
}

impl Poll {
    /// Whether a channel counts the votes of each voter: then voters have digests, and those a key.
    #[must_use]
    pub fn counts_voters(&self) -> bool {
        let mut channels = self.definition.channels().iter();
        channels
            .any(|channel| channel.eligibility.knows_voters() && channel.votes_per_voter.is_some())
    }

    /// The poll with its voters forgotten: from now on no process makes a key for their digests, or puts one back. The same
    /// poll, at the same revision, where they are.
    ///
    /// # Errors
    /// Where it takes votes still, or will.
    pub fn forget_voters(&self, now: Timestamp, by: &str) -> Result<Self, ForgetVotersError> {
        match self.state {
            PollState::Draft | PollState::Open | PollState::Paused => {
                return Err(ForgetVotersError { state: self.state });
            }
            PollState::Closed | PollState::Sealed | PollState::Void => {}
        }
        if self.has_forgotten_voters() {
            return Ok(self.clone());
        }
        let detail = "the key of their digests is destroyed".to_owned();
        Ok(self.changed(now, FORGET_VOTERS, by, detail))
    }

    /// Whether its voters were forgotten.
    #[must_use]
    pub fn has_forgotten_voters(&self) -> bool {
        self.has_seen(FORGET_VOTERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, paredao};
    use crate::poll::state::Transition;

    #[test]
    fn voters_are_forgotten_once_and_only_of_a_poll_that_is_over() {
        let now = at("2026-11-24T01:00:00Z");
        let draft = Poll::draft(paredao(), now, "test");
        assert!(draft.counts_voters());
        let open = draft.open(now, "test").expect("legal");
        for poll in [&draft, &open] {
            let refused = poll.forget_voters(now, "test").expect_err("not over");
            assert_eq!(refused.state, poll.state);
        }
        let closed = open
            .transition(Transition::Close, now, "test")
            .expect("legal");
        assert!(!closed.has_forgotten_voters());
        let forgotten = closed.forget_voters(now, "maria").expect("legal");
        assert!(forgotten.has_forgotten_voters());
        assert_eq!(forgotten.revision, closed.revision + 1);
        let newest = forgotten.log.last().expect("an entry");
        assert_eq!(
            (newest.action.as_str(), newest.by.as_str()),
            ("forget-voters", "maria")
        );
        assert_eq!(forgotten.forget_voters(now, "joao"), Ok(forgotten));
    }
}
