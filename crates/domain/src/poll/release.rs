//! What of a poll may go on air: production releases its figures, and holds them.

use jiff::Timestamp;

use crate::definition::choices::{Kind, ReleaseRule};
use crate::figures::standing::Standing;
use crate::poll::Poll;
use crate::poll::phase::Status;
use crate::poll::redefine::RedefineError;
use crate::poll::release_order::{
    HOLD, HeldCandidate, HeldFigures, RELEASE, Release, ReleaseOrder,
};
use crate::poll::state::PollState;

impl HeldFigures {
    /// Those of a whole standing; `None` of one that hides its counts.
    #[must_use]
    pub fn of(standing: &Standing) -> Option<Self> {
        let candidates = standing.candidates.iter().map(|candidate| {
            Some(HeldCandidate {
                candidate: candidate.id.clone(),
                votes: candidate.votes?,
                percent: candidate.percent,
                rank: candidate.rank,
            })
        });
        Some(Self {
            revision: standing.revision?,
            as_of: standing.as_of,
            status: standing.status,
            total_votes: standing.total_votes?,
            candidates: candidates.collect::<Option<_>>()?,
        })
    }
}

impl Poll {
    /// What production has said of its figures: by a command, or else by the rule of its file.
    #[must_use]
    pub fn release_state(&self) -> Release {
        match (&self.release, self.definition.release_rule()) {
            (Some(ReleaseOrder::Released), _) | (None, ReleaseRule::Auto) => Release::Released,
            (Some(ReleaseOrder::Held(_)), _) => Release::Held,
            (None, ReleaseRule::Manual) => Release::Unreleased,
        }
    }

    /// The figures at which it is held, where there are any.
    #[must_use]
    pub fn held_figures(&self) -> Option<&HeldFigures> {
        match &self.release {
            Some(ReleaseOrder::Held(figures)) => figures.as_ref(),
            Some(ReleaseOrder::Released) | None => None,
        }
    }

    /// Whether figures of this status may go on air: those of a live poll that production has released, as long as they are
    /// fresh, there are any, and they decide something.
    #[must_use]
    pub fn is_on_air(&self, status: Status) -> bool {
        let tells = match status {
            Status::Provisional | Status::Final => true,
            Status::NotOpen | Status::Stale | Status::Void => false,
        };
        tells && self.definition.kind() == Kind::Live && self.release_state() == Release::Released
    }

    /// The poll with its figures released, in any state but void; the same poll, at the same revision, where they are.
    ///
    /// # Errors
    /// [`RedefineError::State`] where it is void.
    pub fn release(&self, now: Timestamp, by: &str) -> Result<Self, RedefineError> {
        let from = self.changeable_release()?;
        if from == Release::Released {
            return Ok(self.clone());
        }
        let detail = format!("{from} to {}", Release::Released);
        let mut next = self.changed(now, RELEASE, by, detail);
        next.release = Some(ReleaseOrder::Released);
        Ok(next)
    }

    /// The poll held, in any state but void; the same poll, at the same revision, where it is. `figures` gives what is
    /// known of the figures of the poll as it is after that; they are asked for only where there are some on air: what
    /// was never released is not frozen but stays away.
    ///
    /// # Errors
    /// [`RedefineError::State`] where it is void.
    pub fn hold(
        &self,
        figures: Option<HeldFigures>,
        now: Timestamp,
        by: &str,
    ) -> Result<Self, RedefineError> {
        let from = self.changeable_release()?;
        if from == Release::Held {
            return Ok(self.clone());
        }
        // A draft has none, and may still change its candidates.
        let has_any = from == Release::Released && self.state != PollState::Draft;
        let figures = figures.filter(|_| has_any);
        let at = figures.as_ref().map_or_else(
            || "without figures".to_owned(),
            |figures| format!("at revision {}", figures.revision),
        );
        let detail = format!("{from} to {} {at}", Release::Held);
        let mut next = self.changed(now, HOLD, by, detail);
        next.release = Some(ReleaseOrder::Held(figures));
        Ok(next)
    }

    /// What of its held figures no command could have made; `None` where nothing is.
    #[must_use]
    pub fn held_mistake(&self) -> Option<String> {
        let held = self.held_figures()?;
        let known = self.definition.candidates().iter().map(|one| &one.id);
        let named = held.candidates.iter().map(|one| &one.candidate);
        if !known.eq(named) {
            return Some("they are not those of the poll's candidates, in its order".to_owned());
        }
        let votes = held.candidates.iter().map(|one| one.votes);
        let votes = votes.fold(0_u128, u128::saturating_add);
        let total = held.total_votes;
        (votes != total).then(|| format!("the candidates have {votes} votes, all together {total}"))
    }

    fn changeable_release(&self) -> Result<Release, RedefineError> {
        if self.state == PollState::Void {
            return Err(RedefineError::State { state: self.state });
        }
        Ok(self.release_state())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::poll_definition::PollDefinition;
    use crate::figures::standing::standing;
    use crate::figures::tally::Tally;
    use crate::fixtures::{PAREDAO, at, poll_after};
    use crate::poll::state::Transition::{self, Close, Open, Pause, Seal, Void};

    const NOW: &str = "2026-11-25T00:00:00Z";

    fn defined(changes: &[(&str, &str)]) -> Poll {
        let text = changes.iter().fold(PAREDAO.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        let definition = PollDefinition::parse_yaml(&text).expect("legal");
        Poll::draft(definition, at("2026-11-23T00:00:00Z"), "ines")
    }

    fn figures(poll: &Poll) -> HeldFigures {
        let tally = Tally::from_rows(&[vec![3, 1], vec![0, 2]]).expect("even");
        let standing = standing(poll, &tally, at(NOW), 12, Status::Provisional);
        HeldFigures::of(&standing).expect("whole")
    }

    #[test]
    fn a_live_poll_waits_for_production_and_a_rehearsal_does_not() {
        let live = defined(&[]);
        assert_eq!(live.definition.release_rule(), ReleaseRule::Manual);
        assert_eq!(live.release_state(), Release::Unreleased);
        let rehearsal = defined(&[("kind: live", "kind: rehearsal")]);
        assert_eq!(rehearsal.release_state(), Release::Released);
        let auto = defined(&[("shards: 1", "shards: 1\nrelease: auto")]);
        assert_eq!(auto.release_state(), Release::Released);
        let manual = defined(&[
            ("kind: live", "kind: rehearsal"),
            ("shards: 1", "shards: 1\nrelease: manual"),
        ]);
        assert_eq!(manual.release_state(), Release::Unreleased);
        for poll in [live, rehearsal, auto, manual] {
            let json = serde_json::to_string(&poll).expect("JSON");
            assert_eq!(serde_json::from_str::<Poll>(&json).expect("reads"), poll);
        }
    }

    #[test]
    fn what_names_no_rule_is_written_as_before_there_were_rules() {
        for poll in [defined(&[]), defined(&[("kind: live", "kind: rehearsal")])] {
            let json = serde_json::to_string(&poll).expect("JSON");
            assert!(
                !json.contains("release") && !json.contains("language"),
                "{json}"
            );
        }
        // The kind's own rule, said aloud, is no other document, and so no change.
        let said = defined(&[("shards: 1", "shards: 1\nrelease: manual\nlanguage: pt")]);
        assert_eq!(said, defined(&[]));
    }

    #[test]
    fn only_fresh_released_figures_of_a_live_poll_are_on_air() {
        let live = defined(&[]).release(at(NOW), "ines").expect("legal");
        let on_air = |poll: &Poll| -> Vec<Status> {
            let all = Status::ALL.iter().copied();
            all.filter(|status| poll.is_on_air(*status)).collect()
        };
        assert_eq!(on_air(&live), [Status::Provisional, Status::Final]);
        assert_eq!(on_air(&defined(&[])), []);
        let held = live.hold(Some(figures(&live)), at(NOW), "ines");
        assert_eq!(on_air(&held.expect("legal")), []);
        for rule in ["auto", "manual"] {
            let rehearsal = defined(&[
                ("kind: live", "kind: rehearsal"),
                ("shards: 1", &format!("shards: 1\nrelease: {rule}")),
            ]);
            let released = rehearsal.release(at(NOW), "ines").expect("legal");
            assert_eq!(on_air(&released), [], "{rule}");
        }
    }

    #[test]
    fn figures_are_held_and_released_in_every_state_but_void() {
        for transitions in [
            &[][..],
            &[Open],
            &[Open, Pause],
            &[Open, Close],
            &[Open, Close, Seal],
        ] {
            let poll: Poll = poll_after(transitions);
            let released = poll.release(at(NOW), "ines").expect("legal");
            assert_eq!(released.release_state(), Release::Released);
            assert_eq!(released.revision, poll.revision + 1);
            assert_eq!(released.state, poll.state);
            let newest = released.log.last().expect("an entry");
            assert_eq!(
                (newest.action.as_str(), newest.detail.as_str()),
                ("release", "unreleased to released")
            );
            assert_eq!(released.release(at(NOW), "ines"), Ok(released.clone()));
            let frozen = figures(&released);
            let held = released
                .hold(Some(frozen.clone()), at(NOW), "ines")
                .expect("legal");
            let newest = held.log.last().expect("an entry");
            let (kept, said) = if transitions.is_empty() {
                (None, "without figures")
            } else {
                (Some(&frozen), "at revision 12")
            };
            assert_eq!(held.held_figures(), kept);
            assert_eq!(
                (newest.action.as_str(), &newest.detail),
                ("hold", &format!("released to held {said}"))
            );
            // Held again, the figures stay those at which it was held first.
            assert_eq!(held.hold(None, at(NOW), "ines"), Ok(held.clone()));
            let json = serde_json::to_string(&held).expect("JSON");
            assert_eq!(serde_json::from_str::<Poll>(&json).expect("reads"), held);
            let again = held.release(at(NOW), "ines").expect("legal");
            assert_eq!(
                (again.release_state(), again.held_figures()),
                (Release::Released, None)
            );
        }
        let void = poll_after(&[Open, Void]);
        assert!(void.release(at(NOW), "ines").is_err());
        assert!(void.hold(None, at(NOW), "ines").is_err());
    }

    #[test]
    fn what_was_never_released_is_held_without_figures() {
        let poll = poll_after(&[Open]);
        let held = poll
            .hold(Some(figures(&poll)), at(NOW), "ines")
            .expect("legal");
        assert_eq!(
            (held.release_state(), held.held_figures()),
            (Release::Held, None)
        );
        let newest = held.log.last().expect("an entry");
        assert_eq!(newest.detail, "unreleased to held without figures");
        // And so where they could not be read.
        let released = poll.release(at(NOW), "ines").expect("legal");
        let held = released.hold(None, at(NOW), "ines").expect("legal");
        assert_eq!(
            (held.release_state(), held.held_figures()),
            (Release::Held, None)
        );
    }

    #[test]
    fn what_no_command_makes_is_a_mistake() {
        let released = poll_after(&[Open]).release(at(NOW), "ines").expect("legal");
        let held = released.hold(Some(figures(&released)), at(NOW), "ines");
        let held = held.expect("legal");
        assert_eq!((released.held_mistake(), held.held_mistake()), (None, None));
        let wrong = |change: fn(&mut HeldFigures)| {
            let mut poll = held.clone();
            if let Some(ReleaseOrder::Held(Some(figures))) = &mut poll.release {
                change(figures);
            }
            poll.held_mistake().unwrap_or_default()
        };
        for said in [
            wrong(|figures| figures.candidates.clear()),
            wrong(|figures| figures.candidates.swap(0, 1)),
            wrong(|figures| figures.candidates.push(figures.candidates[0].clone())),
        ] {
            assert!(
                said.contains("not those of the poll's candidates"),
                "{said}"
            );
        }
        assert_eq!(
            wrong(|figures| figures.candidates[0].votes = u128::MAX),
            format!("the candidates have {} votes, all together 6", u128::MAX)
        );
    }

    #[test]
    fn a_command_outlives_the_rule_of_a_file() {
        let auto = defined(&[("shards: 1", "shards: 1\nrelease: auto")]);
        let held = auto.hold(None, at(NOW), "ines").expect("legal");
        assert_eq!(held.held().by_commands, ["release"]);
        let manual = auto.redefine(defined(&[]).definition, at(NOW), "ines");
        assert_eq!(manual.expect("legal").release_state(), Release::Unreleased);
        let kept = held.redefine(defined(&[]).definition, at(NOW), "ines");
        assert_eq!(kept.expect("legal").release_state(), Release::Held);
        let released = auto.release(at(NOW), "ines").expect("legal");
        assert_eq!(released.held().by_commands, Vec::<&str>::new(), "it was");
    }

    #[test]
    fn figures_of_a_backup_are_not_on_air_before_somebody_has_looked_at_them() {
        let released = |transitions: &[Transition]| {
            let poll = poll_after(transitions);
            poll.release(at(NOW), "ines").expect("legal")
        };
        for transitions in [&[Open][..], &[Open, Pause]] {
            let restored = released(transitions).restored("from a backup", at(NOW), "ines");
            assert_eq!(restored.release_state(), Release::Held);
            assert_eq!(restored.held_figures(), None);
            let newest = restored.log.last().expect("an entry");
            assert!(newest.detail.ends_with(", held"), "{}", newest.detail);
        }
        // What was settled is as good as it was.
        let closed = released(&[Open, Close]);
        assert_eq!(closed.restored("from a backup", at(NOW), "ines"), closed);
        // What was held stays at its figures, and nothing is held that was not on air.
        let held = released(&[Open]).hold(Some(figures(&closed)), at(NOW), "ines");
        let held = held.expect("legal");
        let restored = held.restored("from a backup", at(NOW), "ines");
        assert_eq!(restored.held_figures(), held.held_figures());
        let unreleased = poll_after(&[Open]).restored("from a backup", at(NOW), "ines");
        assert_eq!(unreleased.release_state(), Release::Unreleased);
    }
}
