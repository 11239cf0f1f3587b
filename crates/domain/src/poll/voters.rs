//! A poll's voters: since when their votes are counted, and what is left of them once it is over, which is nothing that names
//! anybody.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definition::slug::ChannelId;
use crate::poll::Poll;
use crate::poll::state::PollState;
use crate::wire_time;

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

/// A channel whose voters' votes are counted since a moment of the open poll: votes from before are nobody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstLimit {
    /// Which channel.
    pub channel: ChannelId,
    /// When it was said. Processes know it a moment later.
    #[serde(with = "wire_time")]
    pub since: Timestamp,
}

impl Poll {
    /// Since when a channel counts the votes of each voter, where it did not from the beginning.
    #[must_use]
    pub fn limited_since(&self, channel: &ChannelId) -> Option<Timestamp> {
        let mut limited = self.limited.iter();
        let found = limited.find(|limit| limit.channel == *channel);
        found.map(|limit| limit.since)
    }

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
    use crate::definition::poll_definition::PollDefinition;
    use crate::fixtures::{PAREDAO, at, paredao};
    use crate::poll::redefine::RedefineError;
    use crate::poll::state::Transition;

    #[test]
    fn a_first_limit_is_in_the_log_and_has_its_moment_and_comes_before_the_end() {
        let hard = PAREDAO.replace(
            "weight: 30, eligibility: open",
            "weight: 30, eligibility: voter, votes_per_voter: 10, per: hour",
        );
        let hard = PollDefinition::parse_yaml(&hard).expect("legal");
        let (before, now) = (at("2026-11-24T01:00:00Z"), at("2026-11-25T00:00:00.250Z"));
        let draft = Poll::draft(paredao(), before, "test");
        let torcida = draft.definition.channels()[0].id.clone();
        // Until it is opened, no vote was ever nobody's.
        let drafted = draft.redefine(hard.clone(), now, "ines").expect("legal");
        assert_eq!(drafted.limited_since(&torcida), None);

        let open = draft.open(before, "test").expect("legal");
        assert_eq!(open.limited_since(&torcida), None);
        let limited = open.redefine(hard.clone(), now, "ines").expect("tighter");
        assert_eq!(limited.limited_since(&torcida), Some(now));
        let newest = limited.log.last().expect("an entry");
        assert_eq!((newest.by.as_str(), newest.at), ("ines", now));
        assert_eq!(
            newest.detail,
            "channels[0].eligibility from open to voter; channels[0].votes_per_voter from - to 10; \
             channels[0].per from poll to hour"
        );
        // The other one has had its own from the beginning.
        let unico = &limited.definition.channels()[1].id;
        assert_eq!(limited.limited_since(unico), None);
        let json = serde_json::to_string(&limited).expect("serialises");
        assert_eq!(serde_json::from_str::<Poll>(&json).expect("read"), limited);
        assert!(
            !serde_json::to_string(&open)
                .expect("serialises")
                .contains("limited")
        );

        let over = [
            open.transition(Transition::Close, now, "test")
                .expect("legal"),
            open,
        ];
        for poll in over {
            let refused = poll.redefine(hard.clone(), at("2026-11-27T00:00:00Z"), "ines");
            let Err(RedefineError::Frozen { difference, .. }) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(difference.field, "channels[0].votes_per_voter");
        }
    }

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
