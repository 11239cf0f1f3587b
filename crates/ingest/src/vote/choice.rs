//! What a vote is for, in its poll: a candidate, by a channel.

use vote_domain::{Direction, PollDefinition, UnknownName};
use vote_http::problem::echo;
use vote_http::{Problem, ProblemCode};

use super::body::CastVote;

/// Indexes in the poll's definition.
pub(super) struct Choice {
    pub(super) candidate: usize,
    pub(super) channel: usize,
}

/// Finds what a vote names. One that names no channel comes by the first.
pub(super) fn choice(vote: &CastVote<'_>, definition: &PollDefinition) -> Result<Choice, Problem> {
    let candidate = definition.candidate_index(&vote.candidate).ok_or_else(|| {
        Problem::new(ProblemCode::UnknownCandidate).detail(format!(
            "candidate: the poll has no candidate {}.",
            echo(&vote.candidate)
        ))
    })?;
    let channel = channel_named(vote.channel.as_deref(), definition)?;
    if let Some(direction) = &vote.direction {
        check_direction(direction, definition.direction())?;
    }
    Ok(Choice { candidate, channel })
}

/// The index of a channel; the first where none is named.
pub(crate) fn channel_named(
    id: Option<&str>,
    definition: &PollDefinition,
) -> Result<usize, Problem> {
    let Some(id) = id else {
        return Ok(0);
    };
    definition.channel_index(id).ok_or_else(|| {
        Problem::new(ProblemCode::UnknownChannel)
            .detail(format!("channel: the poll has no channel {}.", echo(id)))
    })
}

/// A client that names the direction has shown it to its user: it must be the poll's.
fn check_direction(named: &str, of_poll: Direction) -> Result<(), Problem> {
    let named: Direction = named.parse().map_err(|error: UnknownName| {
        Problem::new(ProblemCode::MalformedBody).detail(format!("direction: {error}."))
    })?;
    if named == of_poll {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::DirectionMismatch)
        .detail(format!(
            "direction: the vote says {named}, but in this poll a vote means to {of_poll}; \
             it was not recorded."
        ))
        .member("direction", of_poll.as_str()))
}
