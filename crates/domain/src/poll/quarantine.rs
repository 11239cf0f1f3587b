//! What an operator decides of votes that were set aside as suspect: whole reasons, and whole minutes.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use crate::figures::minute::Minute;
use crate::figures::quarantine::{Fate, QuarantineReason};
use crate::poll::Poll;
use crate::poll::state::PollState;
use crate::wire_time;

/// Which of the votes that were set aside are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuarantineSelection {
    /// Those of these reasons.
    pub reasons: BTreeSet<QuarantineReason>,
    /// Those that were received in this minute, or later.
    pub from: Option<Minute>,
    /// Those that were received before this minute.
    pub until: Option<Minute>,
}

impl QuarantineSelection {
    /// Whether votes of a minute are meant.
    #[must_use]
    pub fn has_minute(&self, minute: Minute) -> bool {
        self.from.is_none_or(|from| minute >= from) && self.until.is_none_or(|until| minute < until)
    }

    /// Whether votes of a reason are meant.
    #[must_use]
    pub fn has_reason(&self, reason: QuarantineReason) -> bool {
        self.reasons.contains(&reason)
    }
}

impl fmt::Display for QuarantineSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<&str> = self.reasons.iter().map(|reason| reason.as_str()).collect();
        f.write_str(&reasons.join(", "))?;
        for (word, minute) in [("from", self.from), ("until", self.until)] {
            if let Some(minute) = minute {
                write!(f, " {word} {}", wire_time::format(minute.start()))?;
            }
        }
        Ok(())
    }
}

/// What can be decided of votes that were set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineDecision {
    /// They count.
    Release,
    /// They don't.
    Annul,
}

impl QuarantineDecision {
    /// What becomes of the votes.
    #[must_use]
    pub const fn fate(self) -> Fate {
        match self {
            Self::Release => Fate::Released,
            Self::Annul => Fate::Annulled,
        }
    }

    /// What it is called in the log.
    const fn action(self) -> &'static str {
        match self {
            Self::Release => "quarantine-release",
            Self::Annul => "quarantine-annul",
        }
    }
}

/// Why nothing can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "can't decide of votes in quarantine of a poll that is {state}: only of one that is open, paused or closed"
)]
pub struct QuarantineError {
    /// Its state.
    pub state: PollState,
}

impl Poll {
    /// The poll with a decision about votes that were set aside in its log: so many, as far as is known before.
    ///
    /// # Errors
    /// Where it never took votes, or is over for good.
    pub fn decide_quarantine(
        &self,
        decision: QuarantineDecision,
        selection: &QuarantineSelection,
        votes: u128,
        now: Timestamp,
        by: &str,
    ) -> Result<Self, QuarantineError> {
        if !self.state.may_be_corrected() {
            return Err(QuarantineError { state: self.state });
        }
        let detail = format!("{selection}: {votes} votes");
        Ok(self.changed(now, decision.action(), by, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, paredao};
    use crate::poll::state::Transition;

    fn minute(text: &str) -> Minute {
        Minute::from_timestamp(at(text))
    }

    fn selection() -> QuarantineSelection {
        QuarantineSelection {
            reasons: BTreeSet::from([QuarantineReason::DenyList, QuarantineReason::TokenAge]),
            from: Some(minute("2026-11-24T23:00:00Z")),
            until: Some(minute("2026-11-24T23:10:00Z")),
        }
    }

    #[test]
    fn a_window_has_its_first_minute_and_not_its_last() {
        let window = selection();
        for (time, is_in) in [
            ("2026-11-24T22:59:59Z", false),
            ("2026-11-24T23:00:00Z", true),
            ("2026-11-24T23:09:59Z", true),
            ("2026-11-24T23:10:00Z", false),
        ] {
            assert_eq!(window.has_minute(minute(time)), is_in, "{time}");
        }
        assert!(QuarantineSelection::default().has_minute(minute("1999-01-01T00:00:00Z")));
        assert!(!window.has_reason(QuarantineReason::FastProof));
    }

    #[test]
    fn what_was_decided_is_in_the_log_until_the_poll_is_over_for_good() {
        let now = at("2026-11-24T23:20:00Z");
        let draft = Poll::draft(paredao(), now, "test");
        let decide = |poll: &Poll| {
            let annul = QuarantineDecision::Annul;
            poll.decide_quarantine(annul, &selection(), 1_234, now, "ines")
        };
        let refused = decide(&draft).expect_err("a draft");
        assert_eq!(refused.state, PollState::Draft);
        let open = draft.open(now, "test").expect("legal");
        let decided = decide(&open).expect("it is open");
        assert_eq!(decided.revision, open.revision + 1);
        let newest = decided.log.last().expect("an entry");
        assert_eq!(newest.action, "quarantine-annul");
        let detail = "deny_list, token_age from 2026-11-24T23:00:00.000Z until 2026-11-24T23:10:00.000Z: 1234 votes";
        assert_eq!(newest.detail, detail);
        let closed = open.transition(Transition::Close, now, "test");
        let sealed = closed
            .expect("legal")
            .transition(Transition::Seal, now, "test");
        assert!(decide(&sealed.expect("legal")).is_err());
    }
}
