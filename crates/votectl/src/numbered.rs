//! Numbered polls: `show-01`, `show-02` and so on, made one after the other from one file, so that one of them is open.

use crate::failure::Failure;
use crate::new_poll::new_poll;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use vote_domain::{Phase, Poll, PollDefinition, PollState, Violations, wire_time};
use vote_store::{PollOperator, SaveError, Written};

/// For how long a new one takes votes, unless somebody asks for another time.
pub const OPEN_FOR: SignedDuration = SignedDuration::from_hours(48);

/// How often it is looked again when somebody else has changed the polls meanwhile, and after which pause.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// The polls that are made from one file.
#[derive(Debug, Clone)]
pub struct NumberedPolls {
    file: PollDefinition,
    /// What their ids begin with; two digits or more follow.
    prefix: String,
}

/// What is wanted of a series.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The time.
    pub now: Timestamp,
    /// For how long its poll still has to run; one that ends earlier is as good as over.
    pub at_least: SignedDuration,
    /// For how long a new one takes votes.
    pub open_for: SignedDuration,
    /// Who wants it, for the poll's log.
    pub by: &'a str,
}

/// The poll of a series that runs.
#[derive(Debug, Clone)]
pub struct RunningPoll {
    /// The poll.
    pub poll: Poll,
    /// Whether it was opened just now.
    pub new: bool,
    /// Where no replica has confirmed that.
    pub written: Written,
}

impl NumberedPolls {
    /// The series of a file: its id without a number at the end, and a number.
    #[must_use]
    pub fn of(file: PollDefinition) -> Self {
        let id = file.id().as_str();
        let name = match id.rsplit_once('-') {
            Some((name, number)) if is_number(number) => name,
            _ => id,
        };
        Self {
            prefix: format!("{name}-"),
            file,
        }
    }

    /// Finds the poll of the series that runs, or opens the next one from now on.
    ///
    /// A new poll is written open at once: of two that do this at the same time one opens it, and the other finds it.
    ///
    /// # Errors
    /// [`Failure::Usage`] where the number or the time makes the file a wrong one, or no vote could be cast in its poll; otherwise as [`PollOperator::save`].
    pub async fn ensure(
        &self,
        operator: &PollOperator,
        wanted: Wanted<'_>,
    ) -> Result<RunningPoll, Failure> {
        let mut last = None;
        for _ in 0..TRIES {
            if last.is_some() {
                tokio::time::sleep(PAUSE).await;
            }
            let attempt = self.attempt(operator, wanted).await?;
            match attempt {
                Ok(found) => return Ok(found),
                // Somebody else has changed it since it was read.
                Err(error @ (SaveError::Conflict { .. } | SaveError::Fence { .. })) => {
                    last = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(last.map_or_else(|| Failure::refused("no attempt was made"), Failure::from))
    }

    async fn attempt(
        &self,
        operator: &PollOperator,
        wanted: Wanted<'_>,
    ) -> Result<Result<RunningPoll, SaveError>, Failure> {
        let Wanted {
            now, open_for, by, ..
        } = wanted;
        let until = later(now, wanted.at_least)?;
        let listed = operator.listed().await?;
        // One that can't be read has its number all the same.
        let ids: Vec<String> = listed.iter().map(|poll| poll.id.clone()).collect();
        let polls: Vec<Poll> = listed.into_iter().filter_map(|one| one.poll.ok()).collect();
        if let Some(poll) = self.running(&polls, until) {
            // Completes what an earlier start may have left half-way.
            let completed = operator.fence(poll).await;
            return Ok(completed.map(|written| RunningPoll {
                poll: poll.clone(),
                new: false,
                written,
            }));
        }
        let definition = self.numbered(self.next_number(&ids), now, open_for)?;
        let draft = new_poll(definition, now, by)?;
        let open = draft.open(now, by).map_err(|error| {
            let id = draft.definition.id();
            Failure::usage(format!("poll `{id}`: {error}"))
        })?;
        match operator.save(&open, 0).await {
            Ok(written) => Ok(Ok(RunningPoll {
                poll: open,
                new: true,
                written,
            })),
            Err(conflict @ SaveError::Conflict { .. }) => {
                // One that is there and in no list: whoever makes it is about to list it, or has failed before.
                if let Some(there) = operator.get(open.definition.id()).await? {
                    let listed = operator.save(&there, there.revision).await;
                    return Ok(listed.and(Err(conflict)));
                }
                Ok(Err(conflict))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// The latest of them that is not over before `until`. A draft is passed over: an operator has put it there.
    fn running<'a>(&self, polls: &'a [Poll], until: Timestamp) -> Option<&'a Poll> {
        let runs = |poll: &Poll| match poll.phase(until) {
            Phase::Open | Phase::Paused => true,
            Phase::NotOpen => poll.state != PollState::Draft,
            Phase::Closed | Phase::Sealed | Phase::Void => false,
        };
        let ours = polls
            .iter()
            .filter_map(|poll| Some((self.number(poll.definition.id().as_str())?, poll)));
        ours.filter(|(_, poll)| runs(poll))
            .max_by_key(|(number, _)| *number)
            .map(|(_, poll)| poll)
    }

    /// The number in the id of one of them.
    fn number(&self, id: &str) -> Option<u32> {
        let digits = id.strip_prefix(&self.prefix)?;
        (digits.len() >= 2 && is_number(digits)).then(|| digits.parse().ok())?
    }

    fn next_number(&self, ids: &[String]) -> u32 {
        ids.iter()
            .filter_map(|id| self.number(id))
            .max()
            .map_or(1, |last| last.saturating_add(1))
    }

    /// The poll of this number, open from `now` on. A title that ends with a number gets this one.
    fn numbered(
        &self,
        number: u32,
        now: Timestamp,
        open_for: SignedDuration,
    ) -> Result<PollDefinition, Failure> {
        let closes_at = later(now, open_for)?;
        let title = self.file.title();
        let words = title.trim_end_matches(|c: char| c.is_ascii_digit());
        let title = if words.len() < title.len() {
            format!("{words}{number}")
        } else {
            title.to_owned()
        };
        let mut document = serde_json::to_value(&self.file)?;
        for (field, value) in [
            ("id", format!("{}{number:02}", self.prefix)),
            ("title", title),
            ("opens_at", wire_time::format(now)),
            ("closes_at", wire_time::format(closes_at)),
        ] {
            document[field] = value.into();
        }
        PollDefinition::parse_json(&serde_json::to_vec(&document)?).map_err(|error| unfit(&error))
    }
}

fn later(now: Timestamp, by: SignedDuration) -> Result<Timestamp, Failure> {
    now.checked_add(by)
        .map_err(|_| Failure::usage("a poll can't be open for so long: its end is too far away"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn unfit(violations: &Violations) -> Failure {
    let violations: Vec<String> = violations
        .as_slice()
        .iter()
        .map(ToString::to_string)
        .collect();
    Failure::usage(format!(
        "the file's next poll would break a rule: {}",
        violations.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::{NumberedPolls, OPEN_FOR};
    use crate::built_in::DEMO_FILE;
    use jiff::{SignedDuration, Timestamp};
    use vote_domain::{Poll, PollDefinition, Transition};

    fn at(hours: i64) -> Timestamp {
        "2026-11-24T00:00:00Z"
            .parse::<Timestamp>()
            .expect("it can be parsed")
            + SignedDuration::from_hours(hours)
    }

    fn series(id: &str) -> NumberedPolls {
        let file = DEMO_FILE.replace("id: paredao-01", &format!("id: {id}"));
        NumberedPolls::of(PollDefinition::parse_yaml(&file).expect("the poll file is right"))
    }

    fn draft(number: u32, hours: i64) -> Poll {
        let demo = series("paredao-01");
        let definition = demo
            .numbered(number, at(hours), OPEN_FOR)
            .expect("the poll can be made");
        Poll::draft(definition, at(hours), "dev")
    }

    fn after(poll: &Poll, transition: Transition, hours: i64) -> Poll {
        poll.transition(transition, at(hours), "dev")
            .expect("the poll can be made")
    }

    fn open(number: u32, hours: i64) -> Poll {
        after(&draft(number, hours), Transition::Open, hours)
    }

    #[test]
    fn the_ids_are_the_files_with_a_number() {
        for (id, prefix) in [
            ("paredao-01", "paredao-"),
            ("paredao-2026-7", "paredao-2026-"),
            ("ensaio", "ensaio-"),
            ("ensaio-geral", "ensaio-geral-"),
            ("ensaio-", "ensaio--"),
        ] {
            assert_eq!(series(id).prefix, prefix, "{id}");
        }
        let long = "x".repeat(64);
        let error = series(&long)
            .numbered(1, at(0), OPEN_FOR)
            .expect_err("it is refused");
        assert_eq!(error.code(), 2);
        assert!(error.to_string().contains("id"), "{error}");
    }

    #[test]
    fn numbers_count_up_from_the_highest_and_pass_over_other_polls() {
        let demo = series("paredao-01");
        let number = |id: &str| demo.number(id);
        assert_eq!(number("paredao-09"), Some(9));
        assert_eq!(number("paredao-100"), Some(100));
        for other in ["paredao-x", "final", "paredao-1", "paredao-", "paredao-1x"] {
            assert_eq!(number(other), None, "{other}");
        }
        assert_eq!(demo.next_number(&[]), 1);
        assert_eq!(
            demo.next_number(&["paredao-01", "paredao-99", "paredao-02"].map(str::to_owned)),
            100
        );
    }

    #[test]
    fn a_poll_is_open_from_now_on_and_counted_in_its_title() {
        let poll = open(7, 0);
        assert_eq!(poll.definition.id().as_str(), "paredao-07");
        assert_eq!(poll.definition.title(), "Paredão 7");
        assert_eq!(
            (poll.definition.opens_at(), poll.closes_at),
            (at(0), at(48))
        );
        assert_eq!(poll.definition.candidates().len(), 4);
        assert_eq!(poll.definition.channels().len(), 2);
        let forever = series("x").numbered(1, at(0), SignedDuration::from_hours(24 * 367));
        assert_eq!(forever.expect_err("it is refused").code(), 2);
    }

    #[test]
    fn the_latest_that_is_not_over_is_found() {
        let demo = series("paredao-01");
        let found = |polls: &[Poll], hours| {
            let found = demo.running(polls, at(hours));
            found.map(|poll| poll.definition.id().to_string())
        };
        let polls = [open(1, -100), open(2, 0), draft(3, 0)];
        assert_eq!(found(&polls, 47).as_deref(), Some("paredao-02"));
        assert_eq!(found(&polls, 48), None);
        let [paused, closed, void] = [Transition::Pause, Transition::Close, Transition::Void]
            .map(|transition| [after(&polls[1], transition, 1)]);
        assert!(found(&paused, 2).is_some());
        assert!(found(&closed, 2).is_none() && found(&void, 2).is_none());
        let both = [open(1, 0), after(&open(2, 0), Transition::Close, 1)];
        assert_eq!(found(&both, 2).as_deref(), Some("paredao-01"));
    }
}
