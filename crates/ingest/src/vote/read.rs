//! Reads a vote: every rule that needs no store.

use std::borrow::Cow;

use jiff::Timestamp;
use vote_domain::{IdempotencyKey, KeyDigest, Poll};
use vote_http::form::{self, Field};
use vote_http::{Problem, ProblemCode, WriteHead};
use vote_proof::Proof;
use vote_store::VoteToCast;

use super::body::{self, CastVote};
use super::choice::{Choice, channel_named, choice};
use super::eligibility::{self, Checks, Known, Shown};
use super::key::idempotency_key;
use crate::judge::{self, LONGEST_RESPONSE};

/// A vote that was read, before it is known who casts it.
#[derive(Debug)]
pub struct ReadVote<'a> {
    /// What the lanes are given of it, without its voter.
    pub vote: VoteToCast,
    /// What an external judge can be asked with about it.
    pub(crate) response: Option<Cow<'a, str>>,
    /// Its proof, where that is for one voter's vote alone.
    pub(crate) proof: Option<Proof>,
}

/// Reads a vote for `poll` from the head and the body of its request. Who casts it is found later.
///
/// # Errors
/// A problem that names the field and the rule.
pub fn read_vote<'b>(
    head: &WriteHead<'_>,
    body: &'b [u8],
    poll: &Poll,
    received_at: Timestamp,
    checks: Checks<'_>,
) -> Result<ReadVote<'b>, Problem> {
    body::check_content_type(head.content_type)?;
    let key = idempotency_key(head.key, checks.key_required)?;
    vote_to_cast(body::parse(body)?, key.as_ref(), poll, received_at, checks)
}

/// Reads a vote for `poll` from the fields of a form. It always has a key, or a proof that may stand for one: a form is sent twice
/// by a second click.
///
/// # Errors
/// A problem that names the field and the rule.
pub(crate) fn read_form<'f>(
    fields: &'f [Field<'_>],
    poll: &Poll,
    received_at: Timestamp,
    checks: Checks<'_>,
) -> Result<ReadVote<'f>, Problem> {
    let proof = form::value(fields, "altcha").filter(|proof| !proof.is_empty());
    let key = match (form::value(fields, "key"), proof) {
        (None, Some(_)) if !checks.key_required => None,
        _ => Some(form::required(fields, "key")?),
    };
    let key = key.map(IdempotencyKey::parse).transpose();
    let key = key.map_err(|error| {
        Problem::new(ProblemCode::InvalidIdempotencyKey).detail(format!("key: {error}."))
    })?;
    let borrowed = |name| form::value(fields, name).map(Cow::Borrowed);
    let vote = CastVote {
        candidate: form::required(fields, "candidate")?.into(),
        channel: borrowed("channel"),
        direction: borrowed("direction"),
        proof: proof.map(Cow::Borrowed),
        judge_response: judge::response_of(fields).map(Cow::Borrowed),
    };
    let channel = channel_named(vote.channel.as_deref(), &poll.definition)?;
    eligibility::check_form(&poll.definition.channels()[channel])?;
    let read = vote_to_cast(vote, key.as_ref(), poll, received_at, checks)?;
    if read.vote.key.is_none() {
        // The channel asks for no proof, so that nothing would make a second click the same vote.
        form::required(fields, "key")?;
    }
    Ok(read)
}

/// What the lanes are given of a vote for `poll`.
fn vote_to_cast<'a>(
    vote: CastVote<'a>,
    key: Option<&IdempotencyKey<'_>>,
    poll: &Poll,
    received_at: Timestamp,
    checks: Checks<'_>,
) -> Result<ReadVote<'a>, Problem> {
    let definition = &poll.definition;
    let choice = choice(&vote, definition)?;
    let response = response(vote.judge_response)?;
    let shown = Shown {
        poll: definition.id(),
        channel: &definition.channels()[choice.channel],
        key: key.map(|key| KeyDigest::new(definition.id(), key)),
        proof: vote.proof.as_deref(),
        received_at,
    };
    let Known { key, proof } = eligibility::check(&shown, checks)?;
    let vote = of_choice(&choice, key, poll, received_at)?;
    Ok(ReadVote {
        vote,
        response,
        proof,
    })
}

/// What a judge can be asked with, if there is something. Looked at in each vote, so that nobody learns from the answer which is suspect.
fn response(sent: Option<Cow<'_, str>>) -> Result<Option<Cow<'_, str>>, Problem> {
    if sent
        .as_ref()
        .is_some_and(|sent| sent.len() > LONGEST_RESPONSE)
    {
        return Err(Problem::new(ProblemCode::MalformedBody).detail(format!(
            "judge_response: must have at most {LONGEST_RESPONSE} bytes."
        )));
    }
    Ok(sent.filter(|sent| !sent.is_empty()))
}

/// Reads a vote for `poll` that a gateway gives, whose token stands for whatever the channel asks for. Who casts it is found later.
///
/// # Errors
/// A problem that names the field and the rule.
pub(crate) fn read_gateway_vote(
    vote: &CastVote<'_>,
    key: KeyDigest,
    poll: &Poll,
    received_at: Timestamp,
) -> Result<VoteToCast, Problem> {
    let choice = choice(vote, &poll.definition)?;
    of_choice(&choice, Some(key), poll, received_at)
}

fn of_choice(
    choice: &Choice,
    key: Option<KeyDigest>,
    poll: &Poll,
    received_at: Timestamp,
) -> Result<VoteToCast, Problem> {
    let definition = &poll.definition;
    // A definition has at most 64 candidates and 8 channels.
    let index = |index: usize| u8::try_from(index).map_err(Problem::internal);
    Ok(VoteToCast {
        channel: index(choice.channel)?,
        candidate: index(choice.candidate)?,
        received_at_ms: received_at.as_millisecond(),
        key,
        voter: None,
        is_withdrawn: poll
            .withdrawn_at(&definition.candidates()[choice.candidate].id)
            .is_some(),
        quarantine: None,
        span: None,
    })
}
