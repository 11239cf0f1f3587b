//! A poll as it is kept: its definition, its state, and who did what to it.

pub(crate) mod annulment;
pub(crate) mod journal;
pub(crate) mod key_seed;
pub(crate) mod phase;
pub(crate) mod quarantine;
pub(crate) mod reason;
pub(crate) mod redefine;
pub(crate) mod release;
pub(crate) mod release_order;
pub(crate) mod schedule;
pub(crate) mod state;
pub(crate) mod voters;
pub(crate) mod withdrawal;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definition::choices::Kind;
use crate::definition::poll_definition::PollDefinition;
use crate::poll::annulment::Annulment;
use crate::poll::journal::AuditEntry;
use crate::poll::key_seed::KeySeed;
use crate::poll::phase::Phase;
use crate::poll::reason::Reason;
use crate::poll::release_order::{Release, ReleaseOrder};
use crate::poll::state::{IllegalTransition, PollState, Transition};
use crate::poll::voters::FirstLimit;
use crate::poll::withdrawal::Withdrawal;
use crate::wire_time;

/// A poll: its definition, its state, and the trail of what was done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// What is voted on, by whom and when.
    pub definition: PollDefinition,
    /// The state that an operator has put it in.
    pub state: PollState,
    /// Grows by one with every change.
    pub revision: u64,
    /// When it really closes: the definition's instant, or an earlier one at which it was closed.
    #[serde(with = "wire_time")]
    pub closes_at: Timestamp,
    /// The candidates who are out of it, in the order of their leaving.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<Withdrawal>,
    /// The votes that were counted and are to count no more, in the order in which that was said, and what was taken back of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annulments: Vec<Annulment>,
    /// The channels that got a limit of each voter's votes after the poll was opened, in the order of that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limited: Vec<FirstLimit>,
    /// What production has said last of its figures on air; absent: nothing, so that the rule of its file holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseOrder>,
    /// By what its idempotency keys are spread in Redis; absent in one from before there were seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_seed: Option<KeySeed>,
    /// What was done to it, oldest first.
    pub log: Vec<AuditEntry>,
}

/// Why a poll can't be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It isn't a draft.
    #[error(transparent)]
    State(#[from] IllegalTransition),
    /// Its end has come: it would take no vote, and could be changed no more.
    #[error("can't open a poll whose end, {}, has come: apply it with a later closes_at", wire_time::format(*closes_at))]
    Ended {
        /// Its end.
        closes_at: Timestamp,
    },
}

/// Why a poll can't be deleted: it isn't a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("can't delete a poll that is {state}: only a draft, which was never opened")]
pub struct DeleteError {
    /// Its state.
    pub state: PollState,
}

/// What the log calls the removal of a draft.
const DELETE: &str = "delete";

impl Poll {
    /// Whether it is public that there is such a poll: since it was opened. Until then who is in it is production's
    /// own business, and stays so where it was declared void instead.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        match self.state {
            PollState::Draft => false,
            PollState::Open | PollState::Paused | PollState::Closed | PollState::Sealed => true,
            PollState::Void => self.has_seen(Transition::Open.as_str()),
        }
    }

    /// A new poll, in the state `draft`.
    #[must_use]
    pub fn draft(definition: PollDefinition, at: Timestamp, by: &str) -> Self {
        let entry = AuditEntry {
            at: wire_time::floor(at),
            action: "apply".to_owned(),
            by: by.to_owned(),
            detail: "created".to_owned(),
            reason: None,
        };
        Self {
            state: PollState::Draft,
            revision: 1,
            closes_at: definition.closes_at(),
            definition,
            withdrawn: Vec::new(),
            annulments: Vec::new(),
            limited: Vec::new(),
            release: None,
            key_seed: None,
            log: vec![entry],
        }
    }

    /// The draft with what its idempotency keys will be spread by. Without one, anybody can work out where a key goes.
    #[must_use]
    pub fn seeded(mut self, seed: KeySeed) -> Self {
        self.key_seed = Some(seed);
        self
    }

    /// The poll as an operator may show it to others.
    #[must_use]
    pub fn without_key_seed(&self) -> Self {
        Self {
            key_seed: None,
            ..self.clone()
        }
    }

    /// The poll opened: what [`Transition::Open`] leads to, where voters can still come.
    ///
    /// # Errors
    /// Where it isn't a draft, or its end has come.
    pub fn open(&self, now: Timestamp, by: &str) -> Result<Self, OpenError> {
        let open = self.transition(Transition::Open, now, by)?;
        if self.is_over(now) {
            return Err(OpenError::Ended {
                closes_at: self.closes_at,
            });
        }
        Ok(open)
    }

    /// The poll after a transition, as its state allows: whoever opens it for voters asks [`Self::open`], which looks
    /// at the clock too. `Close` brings `closes_at` forward to `now`, if it is still to come.
    ///
    /// # Errors
    /// Where the transition doesn't lead from the poll's state.
    pub fn transition(
        &self,
        transition: Transition,
        now: Timestamp,
        by: &str,
    ) -> Result<Self, IllegalTransition> {
        let state = self.state.apply(transition)?;
        let mut detail = format!("{} to {state}", self.state);
        let mut closes_at = self.closes_at;
        if transition == Transition::Close {
            closes_at = closes_at.min(wire_time::floor(now));
            detail = format!("{detail}, votes until {}", wire_time::format(closes_at));
        }
        let mut next = self.changed(now, transition.as_str(), by, detail);
        next.state = state;
        next.closes_at = closes_at;
        Ok(next)
    }

    /// The poll as it comes back from a backup: paused where it was open or paused, since votes that were cast
    /// after the backup are missing and a person has to decide how to go on; else as it was. For the same reason its
    /// figures are held where they were on air. `origin` says which backup, for the log.
    #[must_use]
    pub fn restored(&self, origin: &str, now: Timestamp, by: &str) -> Self {
        match self.state {
            PollState::Open | PollState::Paused => {
                let is_shown = self.definition.kind() == Kind::Live
                    && self.release_state() == Release::Released;
                let held = if is_shown { ", held" } else { "" };
                let detail = format!("{} to {}, {origin}{held}", self.state, PollState::Paused);
                let mut next = self.changed(now, "import", by, detail);
                next.state = PollState::Paused;
                if is_shown {
                    next.release = Some(ReleaseOrder::Held(None));
                }
                next
            }
            PollState::Draft | PollState::Closed | PollState::Sealed | PollState::Void => {
                self.clone()
            }
        }
    }

    /// The draft as it is kept while it is deleted: marked, so that nobody changes it meanwhile. The same poll where it is
    /// marked already.
    ///
    /// # Errors
    /// Where it isn't a draft: a poll that has been open may have votes.
    pub fn deleted(&self, now: Timestamp, by: &str) -> Result<Self, DeleteError> {
        if self.state != PollState::Draft {
            return Err(DeleteError { state: self.state });
        }
        if self.is_being_deleted() {
            return Ok(self.clone());
        }
        Ok(self.changed(now, DELETE, by, "to be removed".to_owned()))
    }

    /// Whether it was marked by [`Self::deleted`]: its removal has begun.
    #[must_use]
    pub fn is_being_deleted(&self) -> bool {
        self.log.iter().any(|entry| entry.action == DELETE)
    }

    /// When it was made: tells it from another poll that has its id after it was deleted.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        self.log.first().map(|entry| entry.at)
    }

    /// The poll with the reason for the newest entry of its log: for what has just been done to it, before it is kept.
    /// Without a reason it stays as it is.
    #[must_use]
    pub fn because(mut self, reason: Option<Reason>) -> Self {
        if let (Some(reason), Some(newest)) = (reason, self.log.last_mut()) {
            newest.reason = Some(reason);
        }
        self
    }

    /// Whether its end has come, whatever state it is in.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.closes_at
    }

    /// What the poll is to a voter at an instant.
    #[must_use]
    pub fn phase(&self, now: Timestamp) -> Phase {
        match self.state {
            PollState::Draft => Phase::NotOpen,
            PollState::Open | PollState::Paused if self.is_over(now) => Phase::Closed,
            PollState::Open | PollState::Paused if now < self.definition.opens_at() => {
                Phase::NotOpen
            }
            PollState::Open => Phase::Open,
            PollState::Paused => Phase::Paused,
            PollState::Closed => Phase::Closed,
            PollState::Sealed => Phase::Sealed,
            PollState::Void => Phase::Void,
        }
    }

    /// The state to show at an instant: `closed` from `closes_at` on, even before an operator closes it.
    #[must_use]
    pub fn effective_state(&self, now: Timestamp) -> PollState {
        match self.state {
            PollState::Open | PollState::Paused if self.is_over(now) => PollState::Closed,
            state => state,
        }
    }

    pub(super) fn changed(&self, now: Timestamp, action: &str, by: &str, detail: String) -> Self {
        let mut next = self.clone();
        next.revision += 1;
        next.log.push(AuditEntry {
            at: wire_time::floor(now),
            action: action.to_owned(),
            by: by.to_owned(),
            detail,
            reason: None,
        });
        next
    }

    /// Whether somebody has done this to it, by its name in the log.
    pub(super) fn has_seen(&self, action: &str) -> bool {
        self.log.iter().any(|entry| entry.action == action)
    }
}

#[cfg(test)]
mod tests;
