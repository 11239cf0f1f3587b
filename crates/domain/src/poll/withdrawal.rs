//! A candidate leaves the show: takes no more votes, keeps those that were cast, and is in no percentage and no rank.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definition::difference::join;
use crate::definition::poll_definition::Candidate;
use crate::definition::slug::CandidateId;
use crate::poll::Poll;
use crate::poll::state::PollState;
use crate::wire_time;

/// What [`Poll::withdraw`] is called in the log.
const WITHDRAW: &str = "withdraw";

/// What [`Poll::readmit`] is called there.
const READMIT: &str = "readmit";

/// A candidate who is out of the poll, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// Who.
    pub candidate: CandidateId,
    /// When it was said.
    #[serde(with = "wire_time")]
    pub at: Timestamp,
}

/// Why a candidate can't be withdrawn, or taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WithdrawError {
    /// It isn't decided by a withdrawal who is in a poll in this state.
    #[error("can't withdraw or readmit a candidate of a poll that is {state}{}", match state {
        PollState::Draft => ": take it out of the poll's file, and apply that",
        _ => "",
    })]
    State {
        /// Its state.
        state: PollState,
    },
    /// The poll has no such candidate.
    #[error("has no candidate {candidate}; it has {known}")]
    Unknown {
        /// Who was named.
        candidate: CandidateId,
        /// The candidates that there are.
        known: String,
    },
    /// Nobody would be left.
    #[error("{candidate} is the only candidate left: void or close the poll instead")]
    Last {
        /// Who was named.
        candidate: CandidateId,
    },
}

impl Poll {
    /// The poll without one of its candidates, until it is sealed; the same poll, at the same revision, where that was done
    /// before.
    ///
    /// # Errors
    /// Where it is a draft, sealed or void, has no such candidate, or would have none left.
    pub fn withdraw(
        &self,
        candidate: &CandidateId,
        now: Timestamp,
        by: &str,
    ) -> Result<Self, WithdrawError> {
        self.check_withdrawable(candidate)?;
        if self.withdrawn_at(candidate).is_some() {
            return Ok(self.clone());
        }
        if self.remaining_candidates().count() < 2 {
            let candidate = candidate.clone();
            return Err(WithdrawError::Last { candidate });
        }
        let mut next = self.changed(now, WITHDRAW, by, format!("candidate {candidate}"));
        next.withdrawn.push(Withdrawal {
            candidate: candidate.clone(),
            at: wire_time::floor(now),
        });
        Ok(next)
    }

    /// The poll with a withdrawn candidate back in it, votes and all, until it is sealed; the same poll, at the same revision,
    /// where it isn't withdrawn.
    ///
    /// # Errors
    /// Where it is a draft, sealed or void, or has no such candidate.
    pub fn readmit(
        &self,
        candidate: &CandidateId,
        now: Timestamp,
        by: &str,
    ) -> Result<Self, WithdrawError> {
        self.check_withdrawable(candidate)?;
        if self.withdrawn_at(candidate).is_none() {
            return Ok(self.clone());
        }
        let mut next = self.changed(now, READMIT, by, format!("candidate {candidate}"));
        next.withdrawn.retain(|other| other.candidate != *candidate);
        Ok(next)
    }

    /// Since when a candidate is out of the poll; `None` where it isn't.
    #[must_use]
    pub fn withdrawn_at(&self, candidate: &CandidateId) -> Option<Timestamp> {
        self.withdrawn
            .iter()
            .find(|withdrawal| withdrawal.candidate == *candidate)
            .map(|withdrawal| withdrawal.at)
    }

    /// The candidates who are out of the poll, and since when, as it is written on the wire.
    #[must_use]
    pub fn withdrawn_by_candidate(&self) -> BTreeMap<&str, String> {
        let withdrawn = self.withdrawn.iter();
        withdrawn
            .map(|one| (one.candidate.as_str(), wire_time::format(one.at)))
            .collect()
    }

    /// Its candidates who are not withdrawn, in its order, each with its index in the definition.
    pub fn remaining_candidates(&self) -> impl Iterator<Item = (usize, &Candidate)> {
        let candidates = self.definition.candidates().iter().enumerate();
        candidates.filter(|(_, candidate)| self.withdrawn_at(&candidate.id).is_none())
    }

    /// What of [`Self::withdrawn`] no command could have made; `None` where nothing is.
    #[must_use]
    pub fn withdrawal_mistake(&self) -> Option<String> {
        let candidates = self.definition.candidates();
        let mut seen = BTreeSet::new();
        for Withdrawal { candidate, at } in &self.withdrawn {
            if !candidates.iter().any(|known| known.id == *candidate) {
                return Some(format!("the poll has no candidate {candidate}"));
            }
            if !seen.insert(candidate) {
                return Some(format!("{candidate} is there twice"));
            }
            let is_logged = self
                .log
                .iter()
                .any(|entry| entry.action == WITHDRAW && entry.at == *at);
            if !is_logged {
                let at = wire_time::format(*at);
                return Some(format!(
                    "the log has no withdrawal at {at}, when {candidate} is said to have left"
                ));
            }
        }
        let is_nobody_left = seen.len() == candidates.len();
        is_nobody_left.then(|| "it leaves no candidate".to_owned())
    }

    fn check_withdrawable(&self, candidate: &CandidateId) -> Result<(), WithdrawError> {
        let state = self.state;
        if !state.may_be_corrected() {
            return Err(WithdrawError::State { state });
        }
        let candidates = self.definition.candidates();
        if candidates.iter().any(|known| known.id == *candidate) {
            return Ok(());
        }
        Err(WithdrawError::Unknown {
            candidate: candidate.clone(),
            known: join(candidates.iter().map(|known| known.id.as_str())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, poll_after};
    use crate::poll::state::Transition;

    const NOW: &str = "2026-11-25T00:00:00.1239Z";

    fn id(text: &str) -> CandidateId {
        CandidateId::parse(text).expect("an id")
    }

    #[test]
    fn a_candidate_is_out_until_it_is_taken_back() {
        let poll = poll_after(&[Transition::Open]);
        let out = poll.withdraw(&id("ana"), at(NOW), "ines").expect("legal");
        assert_eq!(out.revision, poll.revision + 1);
        assert_eq!(
            out.withdrawn_at(&id("ana")),
            Some(at("2026-11-25T00:00:00.123Z"))
        );
        assert_eq!(out.withdrawn_at(&id("bia")), None);
        let entry = out.log.last().expect("an entry");
        assert_eq!(
            (entry.action.as_str(), entry.detail.as_str()),
            ("withdraw", "candidate ana")
        );
        let again = out.withdraw(&id("ana"), at("2026-11-25T01:00:00Z"), "rui");
        assert_eq!(again.as_ref(), Ok(&out), "it keeps its time");

        let back = out.readmit(&id("ana"), at(NOW), "ines").expect("legal");
        assert_eq!((back.revision, back.withdrawn.len()), (out.revision + 1, 0));
        assert_eq!(
            back.log.last().map(|entry| entry.action.as_str()),
            Some("readmit")
        );
        assert_eq!(back.readmit(&id("ana"), at(NOW), "ines"), Ok(back));
    }

    #[test]
    fn it_is_so_in_every_state_in_which_the_figures_are_not_settled() {
        use Transition::{Close, Open, Pause, Seal, Void};
        for (transitions, is_legal) in [
            (&[][..], false),
            (&[Open][..], true),
            (&[Open, Pause], true),
            (&[Open, Close], true),
            (&[Open, Close, Seal], false),
            (&[Open, Void], false),
        ] {
            let poll = poll_after(transitions);
            for result in [
                poll.withdraw(&id("ana"), at(NOW), "ines"),
                poll.readmit(&id("ana"), at(NOW), "ines"),
            ] {
                assert_eq!(result.is_ok(), is_legal, "{}", poll.state);
            }
        }
    }

    #[test]
    fn somebody_is_left_and_a_name_that_is_none_is_told_the_right_ones() {
        let poll = poll_after(&[Transition::Open]);
        let unknown = poll.withdraw(&id("zoe"), at(NOW), "ines");
        assert_eq!(
            unknown.expect_err("no such candidate").to_string(),
            "has no candidate zoe; it has ana, bia"
        );
        let one = poll.withdraw(&id("ana"), at(NOW), "ines").expect("legal");
        let last = one.withdraw(&id("bia"), at(NOW), "ines");
        assert_eq!(
            last.expect_err("the last").to_string(),
            "bia is the only candidate left: void or close the poll instead"
        );
    }

    #[test]
    fn what_no_command_makes_is_a_mistake() {
        let poll = poll_after(&[Transition::Open]);
        let out = poll.withdraw(&id("ana"), at(NOW), "ines").expect("legal");
        assert_eq!(poll.withdrawal_mistake(), None);
        assert_eq!(out.withdrawal_mistake(), None);
        let with = |candidate: &str, when: &str| {
            let mut wrong = out.clone();
            let (candidate, at) = (id(candidate), wire_time::floor(at(when)));
            wrong.withdrawn.push(Withdrawal { candidate, at });
            wrong.withdrawal_mistake().unwrap_or_default()
        };
        assert_eq!(with("zoe", NOW), "the poll has no candidate zoe");
        assert_eq!(with("ana", NOW), "ana is there twice");
        assert!(with("bia", "2126-11-25T00:00:00Z").contains("no withdrawal at 2126"));
        assert_eq!(with("bia", NOW), "it leaves no candidate");
    }

    #[test]
    fn a_poll_without_withdrawals_is_written_as_ever() {
        let poll = poll_after(&[Transition::Open]);
        let json = serde_json::to_string(&poll).expect("serialises");
        assert!(!json.contains("withdrawn"), "{json}");
        assert_eq!(serde_json::from_str::<Poll>(&json).expect("reads"), poll);
        let out = poll.withdraw(&id("ana"), at(NOW), "ines").expect("legal");
        let json = serde_json::to_string(&out).expect("serialises");
        assert!(
            json.contains(r#""withdrawn":[{"candidate":"ana","at":"2026-11-25T00:00:00.123Z"}]"#)
        );
        assert_eq!(serde_json::from_str::<Poll>(&json).expect("reads"), out);
    }
}
