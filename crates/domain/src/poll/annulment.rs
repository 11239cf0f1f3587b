//! Votes that were counted and are to count no more: a window of minutes leaves the published result, and can come back
//! until the poll is sealed. The tally is never changed: what is annulled is worked out from the minutes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definition::difference::join;
use crate::definition::slug::{CandidateId, ChannelId};
use crate::figures::minute::Minute;
use crate::poll::Poll;
use crate::poll::reason::Reason;
use crate::poll::state::PollState;
use crate::wire_time;

/// What [`Poll::annul`] is called in the log.
const ANNUL: &str = "annul";

/// What [`Poll::take_back`] is called there.
const TAKE_BACK: &str = "take-back";

/// The most annulments that a poll keeps, those that were taken back among them.
const MOST: usize = 200;

/// Which votes are annulled: those of these minutes, where nothing else is named through all channels and for all candidates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Annulled {
    /// The beginning of the first minute.
    #[serde(with = "wire_time")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub from: Timestamp,
    /// The end of the last minute.
    #[serde(with = "wire_time")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub until: Timestamp,
    /// Only those that came through this channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    pub channel: Option<ChannelId>,
    /// Only those for this candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    pub candidate: Option<CandidateId>,
}

impl Annulled {
    /// Whether it has votes of that minute.
    pub(crate) fn has_minute(&self, minute: Minute) -> bool {
        (self.from..self.until).contains(&minute.start())
    }
}

/// An annulment, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Annulment {
    /// Its number, from 1.
    pub number: u32,
    /// Which votes.
    pub votes: Annulled,
    /// Why.
    pub reason: Reason,
    /// When it was said.
    #[serde(with = "wire_time")]
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// When it was taken back; absent where it stands.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "wire_time::optional"
    )]
    pub taken_back_at: Option<Timestamp>,
}

/// Why votes can't be annulled, or an annulment not be taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnulError {
    /// There are no votes yet, or the result is final.
    #[error("can't annul votes of a poll that is {state}, nor take that back{}", match state {
        PollState::Sealed => ": its result is final",
        PollState::Draft => ": it has none",
        _ => "",
    })]
    State {
        /// Its state.
        state: PollState,
    },
    /// The window is empty.
    #[error("the window is empty: it begins at {} and ends at {}", wire_time::format(*from), wire_time::format(*until))]
    Empty {
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        until: Timestamp,
    },
    /// Votes are counted by the minute.
    #[error(
        "votes are counted by the minute, and {} is within one: {} or {} would be right",
        wire_time::format(*at), wire_time::format(Minute::from_timestamp(*at).start()),
        wire_time::format(Minute::from_timestamp(*at).next().start())
    )]
    WithinMinute {
        /// The instant.
        at: Timestamp,
    },
    /// The poll took no votes then.
    #[error(
        "the poll takes votes from {} until {}: the window has none of that",
        wire_time::format(*opens_at), wire_time::format(*closes_at)
    )]
    Outside {
        /// When it opens.
        opens_at: Timestamp,
        /// When it closes.
        closes_at: Timestamp,
    },
    /// Votes that nobody has cast yet are not annulled, but refused.
    #[error(
        "{} is still to come: annul what has come, and pause the poll, or withdraw the candidate, against more",
        wire_time::format(*until)
    )]
    ToCome {
        /// The end of the window.
        until: Timestamp,
    },
    /// The poll has no such channel.
    #[error("has no channel {channel}; it has {known}")]
    UnknownChannel {
        /// Which was named.
        channel: ChannelId,
        /// The channels that there are.
        known: String,
    },
    /// The poll has no such candidate.
    #[error("has no candidate {candidate}; it has {known}")]
    UnknownCandidate {
        /// Who was named.
        candidate: CandidateId,
        /// The candidates that there are.
        known: String,
    },
    /// There are too many.
    #[error("has {MOST} annulments already, which is the most")]
    TooMany,
    /// There is no such annulment.
    #[error("has no annulment {number}{}", match last { 0 => ": none was made".to_owned(), last => format!("; its last one is {last}") })]
    UnknownNumber {
        /// Which was named.
        number: u32,
        /// The last that there is; 0 where there is none.
        last: u32,
    },
}

impl Poll {
    /// The poll with these votes annulled, until it is sealed; the same poll, at the same revision, where just these are
    /// annulled already.
    ///
    /// # Errors
    /// Where it is a draft, sealed or void, the window is not of whole minutes that have begun and in which it takes votes,
    /// or it has no such channel or candidate.
    pub fn annul(
        &self,
        votes: Annulled,
        reason: Reason,
        now: Timestamp,
        by: &str,
    ) -> Result<Self, AnnulError> {
        self.check_annullable()?;
        self.check_window(&votes, now)?;
        self.check_named(&votes)?;
        if self.standing_annulments().any(|other| other.votes == votes) {
            return Ok(self.clone());
        }
        if self.annulments.len() >= MOST {
            return Err(AnnulError::TooMany);
        }
        let number = self.last_number() + 1;
        let mut next = self.changed(now, ANNUL, by, format!("annulment {number}: {votes}"));
        next.annulments.push(Annulment {
            number,
            votes,
            reason: reason.clone(),
            at: wire_time::floor(now),
            by: by.to_owned(),
            taken_back_at: None,
        });
        Ok(next.because(Some(reason)))
    }

    /// The poll with the votes of an annulment counting again, until it is sealed; the same poll, at the same revision, where it
    /// was taken back before.
    ///
    /// # Errors
    /// Where it is a draft, sealed or void, or has no such annulment.
    pub fn take_back(
        &self,
        number: u32,
        reason: Reason,
        now: Timestamp,
        by: &str,
    ) -> Result<Self, AnnulError> {
        self.check_annullable()?;
        let place = self.annulments.iter().position(|one| one.number == number);
        let Some(place) = place else {
            let last = self.last_number();
            return Err(AnnulError::UnknownNumber { number, last });
        };
        let annulment = &self.annulments[place];
        if annulment.taken_back_at.is_some() {
            return Ok(self.clone());
        }
        let detail = format!("annulment {number}: {}", annulment.votes);
        let mut next = self.changed(now, TAKE_BACK, by, detail);
        next.annulments[place].taken_back_at = Some(wire_time::floor(now));
        Ok(next.because(Some(reason)))
    }

    /// The annulments that were not taken back, the oldest first.
    pub fn standing_annulments(&self) -> impl Iterator<Item = &Annulment> {
        let annulments = self.annulments.iter();
        annulments.filter(|one| one.taken_back_at.is_none())
    }

    /// Whether votes of the poll are annulled, if it has any of them.
    #[must_use]
    pub fn has_annulments(&self) -> bool {
        self.standing_annulments().next().is_some()
    }

    /// What of [`Self::annulments`] no command could have made; `None` where nothing is.
    #[must_use]
    pub fn annulment_mistake(&self) -> Option<String> {
        for (place, one) in self.annulments.iter().enumerate() {
            let number = one.number;
            if usize::try_from(number) != Ok(place + 1) {
                return Some(format!("its annulment {} is numbered {number}", place + 1));
            }
            if let Err(error) = self.check_named(&one.votes) {
                return Some(format!("annulment {number}: the poll {error}"));
            }
            if let Err(error) = is_of_minutes(&one.votes) {
                return Some(format!("annulment {number}: {error}"));
            }
            let said = [(ANNUL, Some(one.at)), (TAKE_BACK, one.taken_back_at)];
            for (action, at) in said {
                let is_logged = |at| {
                    let mut log = self.log.iter();
                    log.any(|entry| entry.action == action && entry.at == at)
                };
                if let Some(at) = at.filter(|at| !is_logged(*at)) {
                    let at = wire_time::format(at);
                    return Some(format!(
                        "the log has no {action} at {at}, when annulment {number} is said to have had it"
                    ));
                }
            }
        }
        None
    }

    fn last_number(&self) -> u32 {
        self.annulments.last().map_or(0, |last| last.number)
    }

    fn check_annullable(&self) -> Result<(), AnnulError> {
        let state = self.state;
        if state.may_be_corrected() {
            Ok(())
        } else {
            Err(AnnulError::State { state })
        }
    }

    fn check_window(&self, votes: &Annulled, now: Timestamp) -> Result<(), AnnulError> {
        is_of_minutes(votes)?;
        let (opens_at, closes_at) = (self.definition.opens_at(), self.closes_at);
        if votes.until <= opens_at || votes.from >= closes_at {
            return Err(AnnulError::Outside {
                opens_at,
                closes_at,
            });
        }
        // The minute that runs is one that has begun; the rest of it counts as well once it has come.
        let until = votes.until;
        if until > Minute::from_timestamp(now).next().start() {
            return Err(AnnulError::ToCome { until });
        }
        Ok(())
    }

    fn check_named(&self, votes: &Annulled) -> Result<(), AnnulError> {
        let (channels, candidates) = (self.definition.channels(), self.definition.candidates());
        if let Some(channel) = &votes.channel
            && !channels.iter().any(|known| known.id == *channel)
        {
            return Err(AnnulError::UnknownChannel {
                channel: channel.clone(),
                known: join(channels.iter().map(|known| known.id.as_str())),
            });
        }
        if let Some(candidate) = &votes.candidate
            && !candidates.iter().any(|known| known.id == *candidate)
        {
            return Err(AnnulError::UnknownCandidate {
                candidate: candidate.clone(),
                known: join(candidates.iter().map(|known| known.id.as_str())),
            });
        }
        Ok(())
    }
}

/// Whether a window is one of whole minutes, and not empty.
fn is_of_minutes(votes: &Annulled) -> Result<(), AnnulError> {
    let (from, until) = (votes.from, votes.until);
    for at in [from, until] {
        if Minute::from_timestamp(at).start() != at {
            return Err(AnnulError::WithinMinute { at });
        }
    }
    if from >= until {
        return Err(AnnulError::Empty { from, until });
    }
    Ok(())
}

impl std::fmt::Display for Annulled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, until) = (wire_time::format(self.from), wire_time::format(self.until));
        write!(f, "votes from {from} until {until}")?;
        if let Some(channel) = &self.channel {
            write!(f, ", channel {channel}")?;
        }
        if let Some(candidate) = &self.candidate {
            write!(f, ", candidate {candidate}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
