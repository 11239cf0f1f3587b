//! When a poll opens and closes, and how that may still be moved.

use jiff::{SignedDuration, Timestamp};

use crate::definition::violation::Violations;
use crate::poll::Poll;
use crate::poll::state::PollState;
use crate::wire_time;

/// How far ahead a time must be to be moved, or to be moved to. Every process knows of a change within seconds, and
/// clocks differ; what was accepted by the old times until then must not fall outside the new ones.
pub const NOTICE: SignedDuration = SignedDuration::from_secs(10);

/// Why a poll's end can't be put off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtendError {
    /// It is in a state that has no end to come.
    #[error("can't extend a poll that is {state}: only one that is open or paused")]
    State {
        /// Its state.
        state: PollState,
    },
    /// Its end has come: whoever was refused since would have been refused wrongly.
    #[error("can't extend a poll whose end has come: it closed at {}", wire_time::format(*closed_at))]
    Ended {
        /// When it closed.
        closed_at: Timestamp,
    },
    /// The new end isn't later than the present one.
    #[error("closes_at: must be later than {}", wire_time::format(*current))]
    NotLater {
        /// The present end.
        current: Timestamp,
    },
    /// The new end breaks a rule of the definition.
    #[error(transparent)]
    Invalid(#[from] Violations),
}

/// Why a poll can't be rescheduled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RescheduleError {
    /// A draft's times are its file's; a poll that is over has none to move.
    #[error("can't reschedule a poll that is {state}: only one that is open or paused{}",
        if *state == PollState::Draft { "; a draft's times are those of its file: `votectl poll apply` it again" } else { "" })]
    State {
        /// The state that it is in.
        state: PollState,
    },
    /// Its end has come.
    #[error("can't reschedule a poll whose end has come: it closed at {}", wire_time::format(*closed_at))]
    Ended {
        /// When.
        closed_at: Timestamp,
    },
    /// It takes votes already, or is about to.
    #[error("opens_at: can't be moved any more, the poll {}", when_it_opens(*opens_at, *opened))]
    Opened {
        /// When it opened, or opens.
        opens_at: Timestamp,
        /// Whether it has.
        opened: bool,
    },
    /// A new time has come, or comes before all processes know of it.
    #[error("{field}: must be {} or later, for votes are accepted by the old time until all processes know of the new one", wire_time::format(*earliest))]
    TooSoon {
        /// The field.
        field: &'static str,
        /// The earliest time that it could be moved to now.
        earliest: Timestamp,
    },
    /// Its times would break a rule.
    #[error(transparent)]
    Invalid(#[from] Violations),
}

fn when_it_opens(opens_at: Timestamp, opened: bool) -> String {
    let at = wire_time::format(opens_at);
    if opened {
        return format!("opened at {at}");
    }
    format!(
        "opens at {at}, and all processes must know of another time {} s before",
        NOTICE.as_secs()
    )
}

impl Poll {
    /// The poll with its end put off.
    ///
    /// # Errors
    /// Where it is neither open nor paused, its end has come, or the new end isn't later.
    pub fn extend(
        &self,
        new_closes_at: Timestamp,
        now: Timestamp,
        by: &str,
    ) -> Result<Self, ExtendError> {
        if !matches!(self.state, PollState::Open | PollState::Paused) {
            return Err(ExtendError::State { state: self.state });
        }
        if self.is_over(now) {
            return Err(ExtendError::Ended {
                closed_at: self.closes_at,
            });
        }
        let new_closes_at = wire_time::floor(new_closes_at);
        if new_closes_at <= self.closes_at {
            return Err(ExtendError::NotLater {
                current: self.closes_at,
            });
        }
        let definition = self.definition.with_times(None, Some(new_closes_at))?;
        let detail = format!(
            "closes_at from {} to {}",
            wire_time::format(self.closes_at),
            wire_time::format(new_closes_at)
        );
        let mut next = self.changed(now, "extend", by, detail);
        next.definition = definition;
        next.closes_at = new_closes_at;
        Ok(next)
    }

    /// The poll with other times; the same poll, at the same revision, where nothing differs. Its beginning can be moved
    /// until shortly before it comes, its end to any time that is still [`NOTICE`] ahead: so no vote that was accepted falls
    /// out.
    ///
    /// # Errors
    /// Where it is neither open nor paused, its end has come, its beginning can't be moved any more, or a new time is too
    /// soon or breaks a rule.
    pub fn reschedule(
        &self,
        opens_at: Option<Timestamp>,
        closes_at: Option<Timestamp>,
        now: Timestamp,
        by: &str,
    ) -> Result<Self, RescheduleError> {
        let state = self.state;
        if !matches!(state, PollState::Open | PollState::Paused) {
            return Err(RescheduleError::State { state });
        }
        if self.is_over(now) {
            return Err(RescheduleError::Ended {
                closed_at: self.closes_at,
            });
        }
        let definition = &self.definition;
        let differs =
            |at: Option<Timestamp>, from| at.map(wire_time::floor).filter(|at| *at != from);
        let opens_at = differs(opens_at, definition.opens_at());
        let closes_at = differs(closes_at, self.closes_at);
        if let Some(to) = opens_at {
            self.check_opening(to, now)?;
        }
        check_notice("closes_at", closes_at, now)?;
        let detail: Vec<String> = [
            ("opens_at", definition.opens_at(), opens_at),
            ("closes_at", self.closes_at, closes_at),
        ]
        .into_iter()
        .filter_map(|(field, from, to)| {
            let to = wire_time::format(to?);
            Some(format!("{field} from {} to {to}", wire_time::format(from)))
        })
        .collect();
        if detail.is_empty() {
            return Ok(self.clone());
        }
        let definition = definition.with_times(opens_at, closes_at)?;
        let mut next = self.changed(now, "reschedule", by, detail.join("; "));
        next.closes_at = closes_at.unwrap_or(self.closes_at);
        next.definition = definition;
        Ok(next)
    }

    /// Whether its beginning may be moved there.
    pub(super) fn check_opening(
        &self,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<(), RescheduleError> {
        let opens_at = self.definition.opens_at();
        if now.duration_until(opens_at) < NOTICE {
            let opened = now >= opens_at;
            return Err(RescheduleError::Opened { opens_at, opened });
        }
        check_notice("opens_at", Some(to), now)
    }
}

fn check_notice(
    field: &'static str,
    to: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), RescheduleError> {
    match to {
        Some(to) if now.duration_until(to) < NOTICE => Err(RescheduleError::TooSoon {
            field,
            earliest: now.saturating_add(NOTICE).unwrap_or(Timestamp::MAX),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, poll_after};
    use crate::poll::state::Transition;

    const BEFORE: &str = "2026-11-23T20:00:00Z";
    const DURING: &str = "2026-11-25T00:00:00Z";

    fn open() -> Poll {
        poll_after(&[Transition::Open])
    }

    fn to(
        poll: &Poll,
        opens_at: Option<&str>,
        closes_at: Option<&str>,
        now: &str,
    ) -> Result<Poll, String> {
        poll.reschedule(opens_at.map(at), closes_at.map(at), at(now), "ines")
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_end_can_be_put_off_and_brought_forward_again() {
        let extended = open()
            .extend(at("2026-11-26T04:00:00Z"), at(DURING), "ines")
            .expect("legal");
        let shorter = to(&extended, None, Some("2026-11-26T02:00:00Z"), DURING).expect("legal");
        assert_eq!(shorter.closes_at, at("2026-11-26T02:00:00Z"));
        assert_eq!(shorter.definition.closes_at(), shorter.closes_at);
        assert_eq!(shorter.revision, extended.revision + 1);
        let entry = shorter.log.last().expect("an entry");
        assert_eq!(
            (entry.action.as_str(), entry.detail.as_str()),
            (
                "reschedule",
                "closes_at from 2026-11-26T04:00:00.000Z to 2026-11-26T02:00:00.000Z"
            )
        );
        let again = to(&shorter, None, Some("2026-11-26T02:00:00Z"), DURING);
        assert_eq!(again, Ok(shorter));
    }

    #[test]
    fn no_time_is_moved_to_where_accepted_votes_could_be() {
        let soon = "2026-11-25T00:00:09.999Z";
        let error = to(&open(), None, Some(soon), DURING).expect_err("too soon");
        assert!(
            error.starts_with("closes_at: must be 2026-11-25T00:00:10.000Z or later"),
            "{error}"
        );
        assert!(to(&open(), None, Some("2026-11-25T00:00:10Z"), DURING).is_ok());
        let error = to(&open(), Some(soon), None, "2026-11-23T23:59:55Z").expect_err("it opens");
        assert!(
            error.contains("can't be moved any more, the poll opens at"),
            "{error}"
        );
        let error =
            to(&open(), Some("2026-11-25T01:00:00Z"), None, DURING).expect_err("it is open");
        assert!(
            error.contains("the poll opened at 2026-11-24T00:00:00.000Z"),
            "{error}"
        );
    }

    #[test]
    fn a_beginning_moves_until_it_comes() {
        let moved = to(&open(), Some("2026-11-23T22:00:00Z"), None, BEFORE).expect("legal");
        assert_eq!(moved.definition.opens_at(), at("2026-11-23T22:00:00Z"));
        assert_eq!(moved.closes_at, open().closes_at);
        let error =
            to(&open(), Some("2026-11-27T00:00:00Z"), None, BEFORE).expect_err("after its end");
        assert!(error.contains("must be after opens_at"), "{error}");
    }

    #[test]
    fn only_a_poll_that_is_to_take_votes_has_times_to_move() {
        for (transitions, said) in [
            (&[][..], "apply"),
            (&[Transition::Open, Transition::Close], "closed"),
            (&[Transition::Void], "void"),
        ] {
            let error = to(
                &poll_after(transitions),
                None,
                Some("2026-11-26T03:00:00Z"),
                DURING,
            )
            .expect_err("refused");
            assert!(error.contains(said), "{error}");
        }
        let error = to(
            &open(),
            None,
            Some("2026-11-28T00:00:00Z"),
            "2026-11-26T02:00:00Z",
        )
        .expect_err("over");
        assert!(
            error.contains("closed at 2026-11-26T02:00:00.000Z"),
            "{error}"
        );
    }
}
