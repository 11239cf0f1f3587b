//! The demo poll: open for two days from the first start, and a new one with the next number when it is over.

use crate::failure::Failure;
use jiff::{SignedDuration, Timestamp};
use serde_yaml_ng::Value;
use vote_domain::{Phase, Poll, PollDefinition, PollId, Transition, wire_time};
use vote_store::PollOperator;

/// The file of the demo poll, as it is in `deploy/polls`.
pub const DEMO_FILE: &str = include_str!("../../../../deploy/polls/demo.yaml");

/// Ids of demo polls are this and two digits or more.
const PREFIX: &str = "paredao-";

/// For how long a demo poll takes votes.
const OPEN_FOR: SignedDuration = SignedDuration::from_hours(48);

/// The demo poll of this start.
#[derive(Debug)]
pub(super) struct Demo {
    pub(super) poll: Poll,
    /// Whether it was opened just now.
    pub(super) new: bool,
}

/// Finds the demo poll that still runs, or opens the next.
pub(super) async fn ensure(
    operator: &PollOperator,
    now: Timestamp,
    by: &str,
) -> Result<Demo, Failure> {
    let polls = operator.list().await?;
    if let Some(poll) = running(&polls, now) {
        // Completes what an earlier start may have left half-way.
        operator.fence(poll).await?;
        return Ok(Demo {
            poll: poll.clone(),
            new: false,
        });
    }
    let ids = polls.iter().map(|poll| poll.definition.id());
    let definition = definition(next_number(ids), now)?;
    let draft = Poll::draft(definition, now, by);
    operator.save(&draft, 0).await?;
    let open = draft
        .transition(Transition::Open, now, by)
        .map_err(anyhow::Error::from)?;
    operator.save(&open, draft.revision).await?;
    Ok(Demo {
        poll: open,
        new: true,
    })
}

/// The latest demo poll, if it is not over yet. A draft counts as over: an operator has put it there.
fn running(polls: &[Poll], now: Timestamp) -> Option<&Poll> {
    let demos = polls
        .iter()
        .filter_map(|poll| Some((number(poll.definition.id())?, poll)));
    let (_, latest) = demos.max_by_key(|(number, _)| *number)?;
    let runs = match latest.phase(now) {
        Phase::Open | Phase::Paused => true,
        Phase::NotOpen => latest.state != vote_domain::PollState::Draft,
        Phase::Closed | Phase::Sealed | Phase::Void => false,
    };
    runs.then_some(latest)
}

/// The number in a demo poll's id.
fn number(id: &PollId) -> Option<u32> {
    let digits = id.as_str().strip_prefix(PREFIX)?;
    (digits.len() >= 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

fn next_number<'a>(ids: impl Iterator<Item = &'a PollId>) -> u32 {
    ids.filter_map(number)
        .max()
        .map_or(1, |last| last.saturating_add(1))
}

/// The demo poll of this number, open from `now` on.
fn definition(number: u32, now: Timestamp) -> Result<PollDefinition, Failure> {
    let mut file: Value = serde_yaml_ng::from_str(DEMO_FILE).map_err(anyhow::Error::from)?;
    let closes_at = now.checked_add(OPEN_FOR).map_err(anyhow::Error::from)?;
    for (field, value) in [
        ("id", format!("{PREFIX}{number:02}")),
        ("title", format!("Paredão {number}")),
        ("opens_at", wire_time::format(now)),
        ("closes_at", wire_time::format(closes_at)),
    ] {
        file[field] = value.into();
    }
    let text = serde_yaml_ng::to_string(&file).map_err(anyhow::Error::from)?;
    Ok(PollDefinition::parse_yaml(&text).map_err(anyhow::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::{DEMO_FILE, definition, next_number, running};
    use jiff::{SignedDuration, Timestamp};
    use vote_domain::{Poll, PollDefinition, PollId, Transition};

    fn at(hours: i64) -> Timestamp {
        "2026-11-24T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
    }

    fn open(number: u32, hours: i64) -> Poll {
        let draft = Poll::draft(definition(number, at(hours)).unwrap(), at(hours), "dev");
        draft
            .transition(Transition::Open, at(hours), "dev")
            .unwrap()
    }

    #[test]
    fn example_polls_are_right() {
        let demo = PollDefinition::parse_yaml(DEMO_FILE).unwrap();
        assert_eq!((demo.candidates().len(), demo.channels().len()), (4, 2));
        PollDefinition::parse_yaml(include_str!("../../../../deploy/polls/rehearsal.yaml"))
            .unwrap();
    }

    #[test]
    fn numbers_count_up_from_the_highest_and_pass_over_other_polls() {
        let next = |ids: &[&str]| {
            let ids: Vec<PollId> = ids.iter().map(|id| PollId::parse(id).unwrap()).collect();
            next_number(ids.iter())
        };
        assert_eq!(next(&[]), 1);
        assert_eq!(next(&["paredao-01", "paredao-09", "paredao-02"]), 10);
        assert_eq!(next(&["paredao-99"]), 100);
        assert_eq!(next(&["paredao-x", "final", "paredao-1", "paredao-"]), 1);
    }

    #[test]
    fn a_demo_poll_is_open_for_two_days_and_counted_in_its_title() {
        let poll = open(7, 0);
        assert_eq!(poll.definition.id().as_str(), "paredao-07");
        assert_eq!(poll.definition.title(), "Paredão 7");
        assert_eq!(
            (poll.definition.opens_at(), poll.closes_at),
            (at(0), at(48))
        );
    }

    #[test]
    fn the_latest_demo_poll_is_found_again_until_it_is_over() {
        let polls = [open(1, -100), open(2, 0)];
        assert_eq!(
            running(&polls, at(47)).unwrap().definition.id().as_str(),
            "paredao-02"
        );
        assert!(running(&polls, at(48)).is_none());
        let paused = [polls[1]
            .transition(Transition::Pause, at(1), "dev")
            .unwrap()];
        assert!(running(&paused, at(2)).is_some());
        let closed = [polls[1]
            .transition(Transition::Close, at(1), "dev")
            .unwrap()];
        assert!(running(&closed, at(2)).is_none());
    }
}
