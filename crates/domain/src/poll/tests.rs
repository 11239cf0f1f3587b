//! A poll over its life: transitions, its end, new definitions, and what voters see when.

use crate::fixtures::{PAREDAO, at, paredao, paredao_with, poll_after};
use crate::{
    DeleteError, ExtendError, IllegalTransition, OpenError, Phase, Poll, PollDefinition, PollState,
    Reason, RedefineError, Status, Transition, Visibility, admit,
};

const OPENS: &str = "2026-11-24T00:00:00Z";
const CLOSES: &str = "2026-11-26T02:00:00Z";

#[test]
fn every_change_counts_a_revision_and_leaves_a_trail() {
    let draft = Poll::draft(paredao(), at("2026-11-23T12:00:00.123Z"), "ines");
    assert_eq!((draft.state, draft.revision), (PollState::Draft, 1));
    let open = draft
        .transition(Transition::Open, at("2026-11-23T13:00:00Z"), "joao")
        .expect("legal");
    assert_eq!((open.state, open.revision), (PollState::Open, 2));
    assert_eq!(
        serde_json::to_string(&open.log).expect("serialises"),
        concat!(
            r#"[{"at":"2026-11-23T12:00:00.123Z","action":"apply","by":"ines","detail":"created"},"#,
            r#"{"at":"2026-11-23T13:00:00.000Z","action":"open","by":"joao","detail":"draft to open"}]"#,
        )
    );
    let refused = draft.transition(Transition::Seal, at(OPENS), "joao");
    assert_eq!(
        refused,
        Err(IllegalTransition {
            from: PollState::Draft,
            transition: Transition::Seal
        })
    );
}

#[test]
fn a_reason_stays_in_the_log_and_a_log_without_reasons_is_read_as_ever() {
    let open = Poll::draft(paredao(), at(OPENS), "ines")
        .transition(Transition::Open, at(OPENS), "joao")
        .expect("legal");
    assert_eq!(open.clone().because(None), open);
    let rain = Reason::parse("rain on the studio's roof").expect("it is one");
    let paused = open
        .transition(Transition::Pause, at(OPENS), "joao")
        .expect("legal")
        .because(Some(rain.clone()));
    let resumed = paused
        .transition(Transition::Resume, at(OPENS), "joao")
        .expect("legal");
    let reasons: Vec<_> = resumed
        .log
        .iter()
        .map(|entry| entry.reason.clone())
        .collect();
    assert_eq!(reasons, [None, None, Some(rain), None]);
    let text = serde_json::to_string(&resumed).expect("serialises");
    assert_eq!(text.matches(r#""reason""#).count(), 1, "{text}");
    let read: Poll = serde_json::from_str(&text).expect("it can be read");
    assert_eq!(read, resumed);
}

#[test]
fn only_a_draft_is_deleted() {
    let draft = Poll::draft(paredao(), at(OPENS), "ines");
    let deleted = draft.deleted(at(OPENS), "joao").expect("it is a draft");
    assert_eq!((deleted.state, deleted.revision), (PollState::Draft, 2));
    assert!(deleted.is_being_deleted() && !draft.is_being_deleted());
    assert_eq!(deleted.created_at(), draft.created_at());
    assert_eq!(deleted.deleted(at(CLOSES), "ines"), Ok(deleted));
    for transitions in [
        &[Transition::Open][..],
        &[Transition::Open, Transition::Pause],
        &[Transition::Open, Transition::Close],
        &[Transition::Open, Transition::Close, Transition::Seal],
        &[Transition::Void],
    ] {
        let poll = poll_after(transitions);
        let state = poll.state;
        assert_eq!(poll.deleted(at(OPENS), "joao"), Err(DeleteError { state }));
    }
}

#[test]
fn a_poll_whose_end_has_come_is_not_opened() {
    let draft = poll_after(&[]);
    let last = at("2026-11-26T01:59:59.999Z");
    assert_eq!(
        draft.open(last, "ines"),
        Ok(draft
            .transition(Transition::Open, last, "ines")
            .expect("legal"))
    );
    let refused = draft
        .open(at(CLOSES), "ines")
        .expect_err("its end has come");
    assert_eq!(
        refused,
        OpenError::Ended {
            closes_at: at(CLOSES)
        }
    );
    assert_eq!(
        refused.to_string(),
        "can't open a poll whose end, 2026-11-26T02:00:00.000Z, has come: apply it with a later closes_at"
    );
    // A poll that is open already is refused for its state, whatever the time.
    let open = poll_after(&[Transition::Open]);
    assert_eq!(
        open.open(at(CLOSES), "ines"),
        Err(OpenError::State(IllegalTransition {
            from: PollState::Open,
            transition: Transition::Open
        }))
    );
}

#[test]
fn a_poll_is_opened_whatever_its_channels_ask_for() {
    for eligibility in ["open", "proof_of_work", "voter", "[voter, proof_of_work]"] {
        let channel = format!("  - {{ id: torcida, weight: 30, eligibility: {eligibility} }}");
        let file = paredao_with("- { id: torcida", &channel);
        let file = file.replace("voter, votes_per_voter: 1", eligibility);
        let definition = PollDefinition::parse_yaml(&file).expect("the file is right");
        let draft = Poll::draft(definition, at(OPENS), "ines");
        assert!(draft.open(at(OPENS), "ines").is_ok(), "{eligibility}");
    }
}

#[test]
fn reads_back_as_it_was_written() {
    let poll = poll_after(&[Transition::Open, Transition::Pause]);
    let json = serde_json::to_string(&poll).expect("serialises");
    assert!(
        json.starts_with(r#"{"definition":{"id":"paredao-01","#),
        "{json}"
    );
    assert!(
        json.contains(
            r#""state":"paused","revision":3,"closes_at":"2026-11-26T02:00:00.000Z","log":["#
        ),
        "{json}"
    );
    assert_eq!(serde_json::from_str::<Poll>(&json).expect("reads"), poll);
}

#[test]
fn closing_brings_the_end_forward_and_never_puts_it_off() {
    let open = poll_after(&[Transition::Open]);
    let now = at("2026-11-24T20:00:00.5Z");
    let closed = open
        .transition(Transition::Close, now, "ines")
        .expect("legal");
    assert_eq!((closed.state, closed.closes_at), (PollState::Closed, now));
    assert_eq!(
        closed.definition.closes_at(),
        at(CLOSES),
        "what was defined stays"
    );
    assert_eq!(
        closed.log.last().expect("one").detail,
        "open to closed, votes until 2026-11-24T20:00:00.500Z"
    );
    let late = open
        .transition(Transition::Close, at("2026-11-27T00:00:00Z"), "ines")
        .expect("legal");
    assert_eq!(late.closes_at, at(CLOSES));
}

#[test]
fn the_phase_is_the_state_and_the_clock_together() {
    use Transition as T;
    let (before, opens) = (at("2026-11-23T23:59:59.999Z"), at(OPENS));
    let (last, closes) = (at("2026-11-26T01:59:59.999Z"), at(CLOSES));
    for (transitions, phases) in [
        (&[][..], [Phase::NotOpen; 4]),
        (
            &[T::Open],
            [Phase::NotOpen, Phase::Open, Phase::Open, Phase::Closed],
        ),
        (
            &[T::Open, T::Pause],
            [Phase::NotOpen, Phase::Paused, Phase::Paused, Phase::Closed],
        ),
        (&[T::Open, T::Close], [Phase::Closed; 4]),
        (&[T::Open, T::Close, T::Seal], [Phase::Sealed; 4]),
        (&[T::Void], [Phase::Void; 4]),
    ] {
        let poll = poll_after(transitions);
        for (now, phase) in [before, opens, last, closes].into_iter().zip(phases) {
            assert_eq!(poll.phase(now), phase, "{transitions:?} at {now}");
            assert_eq!(admit(poll.phase(now)).is_ok(), phase == Phase::Open);
        }
    }
}

#[test]
fn the_state_shown_is_closed_once_the_end_has_come() {
    let open = poll_after(&[Transition::Open]);
    assert_eq!(
        open.effective_state(at("2026-11-23T00:00:00Z")),
        PollState::Open
    );
    assert_eq!(
        open.phase(at("2026-11-23T00:00:00Z")).status(),
        Status::NotOpen
    );
    assert_eq!(open.effective_state(at(CLOSES)), PollState::Closed);
    assert_eq!(
        poll_after(&[]).effective_state(at(CLOSES)),
        PollState::Draft
    );
    let void = poll_after(&[Transition::Open, Transition::Void]);
    assert_eq!(void.effective_state(at(CLOSES)), PollState::Void);
}

#[test]
fn the_end_can_be_put_off_until_it_has_come() {
    let (now, later) = (at("2026-11-24T12:00:00Z"), at("2026-11-26T03:00:00Z"));
    for transitions in [
        &[Transition::Open][..],
        &[Transition::Open, Transition::Pause],
    ] {
        let poll = poll_after(transitions);
        let extended = poll.extend(later, now, "ines").expect("legal");
        assert_eq!(extended.closes_at, later);
        assert_eq!(extended.definition.closes_at(), later);
        assert_eq!(extended.revision, poll.revision + 1);
        assert_eq!(
            extended.log.last().expect("one").detail,
            "closes_at from 2026-11-26T02:00:00.000Z to 2026-11-26T03:00:00.000Z"
        );
        assert_eq!(
            poll.extend(at(CLOSES), now, "ines"),
            Err(ExtendError::NotLater {
                current: at(CLOSES)
            })
        );
        assert_eq!(
            poll.extend(later, at(CLOSES), "ines"),
            Err(ExtendError::Ended {
                closed_at: at(CLOSES)
            })
        );
    }
    for transitions in [
        &[][..],
        &[Transition::Open, Transition::Close],
        &[Transition::Open, Transition::Close, Transition::Seal],
        &[Transition::Void],
    ] {
        let poll = poll_after(transitions);
        assert_eq!(
            poll.extend(later, now, "ines"),
            Err(ExtendError::State { state: poll.state })
        );
    }
}

#[test]
fn a_draft_changes_in_all_but_id_and_kind() {
    let draft = poll_after(&[]);
    let newer = PAREDAO
        .replace("direction: eliminate", "direction: save")
        .replace("closes_at: 2026-11-26T02", "closes_at: 2026-11-26T05")
        .replace("id: bia", "id: caio");
    let newer = PollDefinition::parse_yaml(&newer).expect("legal");
    let redefined = draft
        .redefine(newer.clone(), at(OPENS), "ines")
        .expect("legal");
    assert_eq!(redefined.definition, newer);
    assert_eq!(redefined.closes_at, at("2026-11-26T05:00:00Z"));
    assert_eq!(redefined.revision, 2);
    assert_eq!(
        redefined.log.last().expect("one").detail,
        "direction from eliminate to save; closes_at from 2026-11-26T02:00:00.000Z to \
         2026-11-26T05:00:00.000Z; candidates from ana, bia to ana, caio"
    );
    for (beginning, line, message) in [
        (
            "kind",
            "kind: rehearsal",
            "can't change kind of a poll that is draft (from live to rehearsal)",
        ),
        (
            "id: p",
            "id: other",
            "can't change id of a poll that is draft (from paredao-01 to other)",
        ),
    ] {
        let newer = PollDefinition::parse_yaml(&paredao_with(beginning, line)).expect("legal");
        let error = draft
            .redefine(newer, at(OPENS), "ines")
            .expect_err("frozen");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn applying_the_same_definition_again_changes_nothing() {
    for transitions in [&[][..], &[Transition::Open], &[Transition::Void]] {
        let poll = poll_after(transitions);
        assert_eq!(poll.redefine(paredao(), at(OPENS), "ines"), Ok(poll));
    }
}

#[test]
fn an_opened_poll_changes_only_in_what_is_shown_and_a_sealed_one_only_in_who_sees_it() {
    let title = PollDefinition::parse_yaml(&paredao_with("title", "title: Final")).expect("legal");
    let end = PollDefinition::parse_yaml(&paredao_with(
        "closes_at",
        "closes_at: 2026-11-26T05:00:00Z",
    ));
    let end = end.expect("legal");
    for transitions in [
        &[Transition::Open][..],
        &[Transition::Open, Transition::Pause],
        &[Transition::Open, Transition::Close],
    ] {
        let poll = poll_after(transitions);
        let redefined = poll
            .redefine(title.clone(), at(OPENS), "ines")
            .expect("allowed");
        assert_eq!(redefined.definition.title(), "Final");
        assert_eq!(redefined.closes_at, poll.closes_at, "an early end stays");
        let error = poll
            .redefine(end.clone(), at(OPENS), "ines")
            .expect_err("frozen");
        assert!(
            error
                .to_string()
                .ends_with(": extend, reschedule or close it"),
            "{error}"
        );
    }
    let void = poll_after(&[Transition::Void]);
    assert_eq!(
        void.redefine(title.clone(), at(OPENS), "ines"),
        Err(RedefineError::State { state: void.state })
    );
    let sealed = poll_after(&[Transition::Open, Transition::Close, Transition::Seal]);
    let refused = sealed.redefine(title, at(OPENS), "ines");
    assert!(
        matches!(&refused, Err(RedefineError::Frozen { difference, .. }) if difference.field == "title"),
        "{refused:?}"
    );
    let embargoed =
        PollDefinition::parse_yaml(&paredao_with("visibility", "visibility: embargoed"))
            .expect("legal");
    let hidden = sealed
        .redefine(embargoed, at(OPENS), "ines")
        .expect("who sees it may change");
    assert_eq!(hidden.state, sealed.state);
    assert_eq!(hidden.definition.visibility(), Visibility::Embargoed);
}

#[test]
fn from_a_backup_a_poll_comes_back_paused_where_it_could_go_on_and_else_as_it_was() {
    use Transition::{Close, Open, Pause, Seal, Void};
    for transitions in [&[Open][..], &[Open, Pause]] {
        let poll = poll_after(transitions);
        let restored = poll.restored("from the backup", at(CLOSES), "rita");
        assert_eq!(restored.state, PollState::Paused);
        assert_eq!(restored.revision, poll.revision + 1);
        assert_eq!(restored.closes_at, poll.closes_at);
        let last = restored.log.last().expect("a line");
        let detail = format!("{} to paused, from the backup", poll.state);
        assert_eq!(
            (last.action.as_str(), last.by.as_str(), &last.detail),
            ("import", "rita", &detail)
        );
    }
    for transitions in [&[][..], &[Open, Close], &[Open, Close, Seal], &[Void]] {
        let poll = poll_after(transitions);
        assert_eq!(poll.restored("x", at(CLOSES), "rita"), poll);
    }
}
