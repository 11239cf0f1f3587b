//! Reads a vote: every rule that needs no store.

use std::borrow::Cow;

use jiff::Timestamp;
use vote_domain::{IdempotencyKey, KeyDigest, Poll};
use vote_http::form::{self, Field};
use vote_http::{Problem, ProblemCode, WriteHead};
use vote_store::VoteToCast;

use super::body::{self, CastVote};
use super::choice::choice;
use super::eligibility;
use super::key::idempotency_key;

/// Reads a vote for `poll` from the head and the body of its request. Who casts it is found later.
///
/// # Errors
/// A problem that names the field and the rule.
pub fn read_vote(
    head: &WriteHead<'_>,
    body: &[u8],
    poll: &Poll,
    received_at: Timestamp,
    key_required: bool,
) -> Result<VoteToCast, Problem> {
    body::check_content_type(head.content_type)?;
    let key = idempotency_key(head.key, key_required)?;
    vote_to_cast(&body::parse(body)?, key.as_ref(), poll, received_at)
}

/// Reads a vote for `poll` from the fields of a form. It always has a key: a form is sent twice by a second click.
///
/// # Errors
/// A problem that names the field and the rule.
pub(crate) fn read_form(
    fields: &[Field<'_>],
    poll: &Poll,
    received_at: Timestamp,
) -> Result<VoteToCast, Problem> {
    let key = form::required(fields, "key")?;
    let key = IdempotencyKey::parse(key).map_err(|error| {
        Problem::new(ProblemCode::InvalidIdempotencyKey).detail(format!("key: {error}."))
    })?;
    let borrowed = |name| form::value(fields, name).map(Cow::Borrowed);
    let vote = CastVote {
        candidate: form::required(fields, "candidate")?.into(),
        channel: borrowed("channel"),
        direction: borrowed("direction"),
        proof: None,
    };
    let vote = vote_to_cast(&vote, Some(&key), poll, received_at)?;
    eligibility::check_form(&poll.definition.channels()[usize::from(vote.channel)])?;
    Ok(vote)
}

/// What the lanes are given of a vote for `poll`.
fn vote_to_cast(
    vote: &CastVote<'_>,
    key: Option<&IdempotencyKey<'_>>,
    poll: &Poll,
    received_at: Timestamp,
) -> Result<VoteToCast, Problem> {
    let definition = &poll.definition;
    let choice = choice(vote, definition)?;
    eligibility::check(&definition.channels()[choice.channel])?;
    // A definition has at most 64 candidates and 8 channels.
    let index = |index: usize| u8::try_from(index).map_err(Problem::internal);
    Ok(VoteToCast {
        channel: index(choice.channel)?,
        candidate: index(choice.candidate)?,
        received_at_ms: received_at.as_millisecond(),
        key: key.map(|key| KeyDigest::new(definition.id(), key)),
        voter: None,
        is_withdrawn: poll
            .withdrawn_at(&definition.candidates()[choice.candidate].id)
            .is_some(),
        span: None,
    })
}
