//! Which poll a load is for where none is named.

use crate::context::no_such_poll;
use crate::failure::Failure;
use jiff::Timestamp;
use vote_domain::{Kind, Phase, Poll};
use vote_store::PollOperator;

/// The polls that can be read: others are none to put load on.
pub(super) async fn readable(operator: &PollOperator) -> Result<Vec<Poll>, Failure> {
    let listed = operator.listed().await?.into_iter();
    Ok(listed.filter_map(|one| one.poll.ok()).collect())
}

/// The one poll that takes votes at this instant: an open one whose time has not come or is over would refuse them all.
pub(super) fn the_open_poll(polls: &[Poll], now: Timestamp) -> Result<Poll, Failure> {
    if polls.is_empty() {
        return Err(no_such_poll("(any)", &[]));
    }
    let is_open = |poll: &&Poll| poll.phase(now) == Phase::Open;
    let (rehearsals, live): (Vec<&Poll>, Vec<&Poll>) = polls
        .iter()
        .filter(is_open)
        .partition(|poll| poll.definition.kind() == Kind::Rehearsal);
    match (&rehearsals[..], &live[..]) {
        ([poll], _) => Ok((*poll).clone()),
        ([], []) => {
            let there = polls
                .iter()
                .map(|poll| format!("{} ({})", poll.definition.id(), poll.phase(now)));
            Err(Failure::usage(format!(
                "--poll: no poll takes votes now; there are: {}",
                there.collect::<Vec<_>>().join(", ")
            )))
        }
        ([], live) => Err(Failure::usage(format!(
            "--poll: no rehearsal is open, and votes in a live poll count: open a rehearsal, or name the live poll \
             that is meant: {}",
            ids(live)
        ))),
        (rehearsals, _) => Err(Failure::usage(format!(
            "--poll: several rehearsals are open, name one of: {}",
            ids(rehearsals)
        ))),
    }
}

fn ids(polls: &[&Poll]) -> String {
    let ids: Vec<&str> = polls
        .iter()
        .map(|poll| poll.definition.id().as_str())
        .collect();
    ids.join(", ")
}

#[cfg(test)]
mod tests {
    use super::the_open_poll;
    use crate::built_in::DEMO_FILE;
    use vote_domain::{Poll, PollDefinition, Transition};
    use vote_testkit::fixtures::at;

    #[test]
    fn the_poll_that_is_meant_is_one_whose_time_has_come_and_is_not_over() {
        let opened = |id: &str, kind: &str| {
            let file = DEMO_FILE
                .replace("id: paredao-01", &format!("id: {id}"))
                .replace("kind: live", &format!("kind: {kind}"));
            let definition = PollDefinition::parse_yaml(&file).expect("the poll file is right");
            Poll::draft(definition, at("2026-11-01T00:00:00Z"), "ines")
                .transition(Transition::Open, at("2026-11-01T00:00:00Z"), "ines")
                .expect("one poll is open")
        };
        let polls = || {
            vec![
                opened("paredao-01", "rehearsal"),
                opened("final-01", "live"),
            ]
        };
        let poll = the_open_poll(&polls(), at("2026-11-24T00:00:00Z")).expect("one poll is open");
        assert_eq!(poll.definition.id().as_str(), "paredao-01");
        for (now, said) in [
            (
                "2026-11-23T23:59:59Z",
                "paredao-01 (not_open), final-01 (not_open)",
            ),
            (
                "2026-11-26T00:00:00Z",
                "paredao-01 (closed), final-01 (closed)",
            ),
        ] {
            let error = the_open_poll(&polls(), at(now)).expect_err("it is refused");
            assert!(error.to_string().ends_with(said), "{error}");
        }
        let three = ["a-01", "b-01", "c-01"].map(|id| opened(id, "rehearsal"));
        let three = three.to_vec();
        let error = the_open_poll(&three, at("2026-11-24T00:00:00Z")).expect_err("it is refused");
        assert!(error.to_string().ends_with(": a-01, b-01, c-01"), "{error}");
        let live = vec![opened("a-01", "live"), opened("b-01", "live")];
        for polls in [live.clone(), live[..1].to_vec()] {
            let error = the_open_poll(&polls, at("2026-11-24T00:00:00Z")).expect_err("votes count");
            assert!(error.to_string().contains("live poll count"), "{error}");
        }
    }
}
