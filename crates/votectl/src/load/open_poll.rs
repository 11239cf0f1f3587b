//! Which poll a load is for where none is named.

use crate::context::no_such_poll;
use crate::failure::Failure;
use jiff::Timestamp;
use vote_domain::{Phase, Poll};

/// The one poll that takes votes at this instant: an open one whose time has not come or is over would refuse them all.
pub(super) fn the_open_poll(polls: Vec<Poll>, now: Timestamp) -> Result<Poll, Failure> {
    if polls.is_empty() {
        return Err(no_such_poll("(any)", &[]));
    }
    let (mut open, others): (Vec<Poll>, Vec<Poll>) = polls
        .into_iter()
        .partition(|poll| poll.phase(now) == Phase::Open);
    match (open.pop(), open.is_empty()) {
        (Some(poll), true) => Ok(poll),
        (Some(last), false) => {
            let ids: Vec<&str> = open
                .iter()
                .chain([&last])
                .map(|poll| poll.definition.id().as_str())
                .collect();
            Err(Failure::usage(format!(
                "--poll: several polls are open, name one of: {}",
                ids.join(", ")
            )))
        }
        (None, _) => {
            let there: Vec<String> = others
                .iter()
                .map(|poll| format!("{} ({})", poll.definition.id(), poll.phase(now)))
                .collect();
            Err(Failure::usage(format!(
                "--poll: no poll takes votes now; there are: {}",
                there.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::the_open_poll;
    use crate::built_in::DEMO_FILE;
    use vote_domain::{Poll, PollDefinition, Transition};
    use vote_testkit::fixtures::at;

    #[test]
    fn the_poll_that_is_meant_is_one_whose_time_has_come_and_is_not_over() {
        let opened = |id: &str| {
            let file = DEMO_FILE.replace("id: paredao-01", &format!("id: {id}"));
            let definition = PollDefinition::parse_yaml(&file).expect("the poll file is right");
            Poll::draft(definition, at("2026-11-01T00:00:00Z"), "ines")
                .transition(Transition::Open, at("2026-11-01T00:00:00Z"), "ines")
                .expect("one poll is open")
        };
        let polls = || vec![opened("paredao-01")];
        let poll = the_open_poll(polls(), at("2026-11-24T00:00:00Z")).expect("one poll is open");
        assert_eq!(poll.definition.id().as_str(), "paredao-01");
        for (now, said) in [
            ("2026-11-23T23:59:59Z", "paredao-01 (not_open)"),
            ("2026-11-26T00:00:00Z", "paredao-01 (closed)"),
        ] {
            let error = the_open_poll(polls(), at(now)).expect_err("it is refused");
            assert!(error.to_string().ends_with(said), "{error}");
        }
        let three = ["a-01", "b-01", "c-01"].map(opened).to_vec();
        let error = the_open_poll(three, at("2026-11-24T00:00:00Z")).expect_err("it is refused");
        assert!(error.to_string().ends_with(": a-01, b-01, c-01"), "{error}");
    }
}
