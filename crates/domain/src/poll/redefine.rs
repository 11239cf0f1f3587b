//! A poll under another definition: what its file may still change, and what only a command does.

use jiff::Timestamp;

use crate::definition::choices::Visibility;
use crate::definition::difference::Difference;
use crate::definition::poll_definition::PollDefinition;
use crate::definition::reapplied::Held;
use crate::poll::Poll;
use crate::poll::release_order::RELEASE;
use crate::poll::schedule::RescheduleError;
use crate::poll::state::PollState;
use crate::poll::voters::FirstLimit;
use crate::wire_time;

/// What [`Poll::show`] is called in the log.
const VISIBILITY: &str = "visibility";

/// Why a poll can't be defined anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedefineError {
    /// A change that its state doesn't allow.
    #[error("can't change {} of a poll that is {state} (from {} to {}){}",
        difference.field, difference.from, difference.to,
        if difference.field == "closes_at" { ": extend, reschedule or close it" } else { "" })]
    Frozen {
        /// Its state.
        state: PollState,
        /// The first change that isn't allowed.
        difference: Difference,
    },
    /// It is sealed or void: nothing of it changes any more.
    #[error("can't change a poll that is {state}")]
    State {
        /// Its state.
        state: PollState,
    },
    /// Its beginning can't be moved there.
    #[error(transparent)]
    Opening(#[from] RescheduleError),
}

impl Poll {
    /// The poll with another definition; the same poll, at the same revision, where nothing differs.
    ///
    /// A draft may change in all but `id` and `kind`; once opened only its title, its visibility, its release rule, its
    /// language, its candidates' names, pictures and colours may, what a channel asks for where it becomes more, the first limit of a
    /// channel's voters until the poll is over, and its beginning until that comes; once sealed only its
    /// visibility and release rule, so that a result can still be shown. The sealed result itself stays as it is.
    ///
    /// # Errors
    /// Where the change isn't allowed in the poll's state.
    pub fn redefine(
        &self,
        newer: PollDefinition,
        now: Timestamp,
        by: &str,
    ) -> Result<Self, RedefineError> {
        let differences = self.definition.differences(&newer);
        if differences.is_empty() {
            return Ok(self.clone());
        }
        let state = self.state;
        let refused = match state {
            PollState::Void => return Err(RedefineError::State { state }),
            PollState::Sealed => differences
                .iter()
                .find(|difference| !difference.may_follow_sealing())
                .cloned(),
            PollState::Draft => differences
                .iter()
                .find(|difference| matches!(difference.field.as_str(), "id" | "kind"))
                .cloned(),
            PollState::Open | PollState::Paused
                if newer.opens_at() != self.definition.opens_at()
                    && now < self.definition.opens_at() =>
            {
                self.check_opening(newer.opens_at(), now)?;
                let opens_at = Some(newer.opens_at());
                let moved = self.definition.with_times(opens_at, None);
                moved
                    .unwrap_or_else(|_| newer.clone())
                    .frozen_difference(&newer, true)
            }
            PollState::Open | PollState::Paused | PollState::Closed => self
                .definition
                .frozen_difference(&newer, !self.is_over(now)),
        };
        if let Some(difference) = refused {
            return Err(RedefineError::Frozen { state, difference });
        }
        let detail: Vec<String> = differences.iter().map(ToString::to_string).collect();
        let mut next = self.changed(now, "apply", by, detail.join("; "));
        if state == PollState::Draft {
            next.closes_at = newer.closes_at();
        } else {
            let since = wire_time::floor(now);
            let limited = self.definition.first_limits(&newer).into_iter();
            next.limited.extend(limited.map(|channel| FirstLimit {
                channel: channel.id.clone(),
                since,
            }));
        }
        next.definition = newer;
        Ok(next)
    }

    /// What of it a file leaves alone that is applied now.
    #[must_use]
    pub fn held(&self) -> Held {
        let moved = self.has_seen("reschedule");
        let by_commands = [
            ("opens_at", moved),
            ("closes_at", moved || self.has_seen("extend")),
            (VISIBILITY, self.has_seen(VISIBILITY)),
            (RELEASE, self.release.is_some()),
        ];
        Held {
            by_commands: by_commands
                .into_iter()
                .filter_map(|(field, held)| held.then_some(field))
                .collect(),
            unnamed: self.state != PollState::Draft,
        }
    }

    /// The poll with another visibility, in any state but void; the same poll, at the same revision, where it has that.
    ///
    /// # Errors
    /// [`RedefineError::State`] where it is void.
    pub fn show(
        &self,
        visibility: Visibility,
        now: Timestamp,
        by: &str,
    ) -> Result<Self, RedefineError> {
        let from = self.definition.visibility();
        if self.state == PollState::Void {
            return Err(RedefineError::State { state: self.state });
        }
        if from == visibility {
            return Ok(self.clone());
        }
        let detail = format!("{VISIBILITY} from {from} to {visibility}");
        let mut next = self.changed(now, VISIBILITY, by, detail);
        next.definition = self.definition.with_visibility(visibility);
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, paredao_with, poll_after};
    use crate::poll::state::Transition;

    const NOW: &str = "2026-11-25T00:00:00Z";

    #[test]
    fn a_visibility_changes_in_every_state_but_void_and_is_held_against_files() {
        use Transition::{Close, Open, Pause, Seal, Void};
        for transitions in [
            &[][..],
            &[Open],
            &[Open, Pause],
            &[Open, Close],
            &[Open, Close, Seal],
        ] {
            let poll = poll_after(transitions);
            let embargoed = poll
                .show(Visibility::Embargoed, at(NOW), "ines")
                .expect("legal");
            assert_eq!(embargoed.definition.visibility(), Visibility::Embargoed);
            assert_eq!(embargoed.revision, poll.revision + 1);
            assert_eq!(embargoed.state, poll.state);
            assert_eq!(embargoed.held().by_commands, ["visibility"]);
            assert_eq!(embargoed.held().unnamed, !transitions.is_empty());
            assert_eq!(poll.show(Visibility::Public, at(NOW), "ines"), Ok(poll));
        }
        let void = poll_after(&[Open, Void]);
        assert!(void.show(Visibility::Public, at(NOW), "ines").is_err());
    }

    #[test]
    fn what_was_moved_by_a_command_is_held_against_files() {
        let open = poll_after(&[Transition::Open]);
        assert_eq!(open.held().by_commands, Vec::<&str>::new());
        let later = at("2026-11-26T04:00:00Z");
        let extended = open.extend(later, at(NOW), "ines").expect("legal");
        assert_eq!(extended.held().by_commands, ["closes_at"]);
        let moved = open
            .reschedule(None, Some(later), at(NOW), "ines")
            .expect("legal");
        assert_eq!(moved.held().by_commands, ["opens_at", "closes_at"]);
    }

    #[test]
    fn a_file_moves_the_beginning_until_it_comes() {
        let open = poll_after(&[Transition::Open]);
        let newer = |line: &str| {
            PollDefinition::parse_yaml(&paredao_with("opens_at", line)).expect("a poll file")
        };
        let before = at("2026-11-23T20:00:00Z");
        let moved = open.redefine(newer("opens_at: 2026-11-23T22:00:00Z"), before, "ines");
        assert_eq!(
            moved.expect("legal").definition.opens_at(),
            at("2026-11-23T22:00:00Z")
        );
        let error = open
            .redefine(newer("opens_at: 2026-11-25T22:00:00Z"), at(NOW), "ines")
            .expect_err("it is open");
        assert!(
            error.to_string().contains("can't change opens_at"),
            "{error}"
        );
        let past = open
            .redefine(newer("opens_at: 2026-11-23T19:00:00Z"), before, "ines")
            .expect_err("it has passed");
        assert!(
            past.to_string()
                .contains("must be 2026-11-23T20:00:10.000Z or later"),
            "{past}"
        );
        let two = paredao_with("opens_at", "opens_at: 2026-11-23T22:00:00Z")
            .replace("direction: eliminate", "direction: save");
        let error = open
            .redefine(
                PollDefinition::parse_yaml(&two).expect("a poll file"),
                before,
                "ines",
            )
            .expect_err("the direction is frozen");
        assert!(error.to_string().contains("direction"), "{error}");
    }
}
