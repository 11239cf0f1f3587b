//! Channels that ask for a proof of work.

use jiff::Timestamp;
use vote_domain::{Channel, PollId};
use vote_http::{Problem, ProblemCode};
use vote_proof::{ForVote, Proof, ProofError};

use super::checks::{ProofCheck, Shown};
use crate::proofs::Verdict;

/// The vote's proof, if it has one that was made for it. Whose vote it is made for is to be compared yet ([`check_voter`]).
///
/// Verified where it is read, on the thread that serves the connection: it takes 3 µs.
pub(super) fn check(shown: &Shown<'_>, by: ProofCheck<'_>) -> Result<Proof, Problem> {
    let proofs = by.proofs;
    let note = |verdict| proofs.note(shown.poll, shown.channel, verdict, shown.received_at);
    let Some(payload) = shown.proof else {
        note(Verdict::Missing);
        return Err(missing(shown.poll, shown.channel));
    };
    let vote = ForVote {
        poll: shown.poll,
        channel: &shown.channel.id,
        key: shown.key,
        asks_for_voter: shown.channel.eligibility.asks_for_voter(),
        received_at: shown.received_at,
    };
    match proofs.verify(by.receipt_key, payload, &vote) {
        Ok(proof) => {
            let taken = proofs.taken(&proof, shown.received_at);
            by.suspicion.note_proof(by.signs, taken, proof.cost);
            // The others are noted when it is known who votes; where that does not become known, nothing is said of the proof.
            if proof.voter.is_none() {
                note(Verdict::Valid);
            }
            Ok(proof)
        }
        Err(error) => {
            note(verdict(error));
            Err(refused(
                shown.poll,
                shown.channel,
                shown.key.is_some(),
                error,
            ))
        }
    }
}

/// A vote of somebody, with a proof that is to be of the same.
pub(super) struct OfVoter<'a> {
    pub(super) poll: &'a PollId,
    pub(super) channel: &'a Channel,
    pub(super) subject: &'a str,
    pub(super) proof: &'a Proof,
    pub(super) received_at: Timestamp,
}

/// Refuses a vote whose proof is for somebody else's.
pub(super) fn check_voter(vote: &OfVoter<'_>, by: ProofCheck<'_>) -> Result<(), Problem> {
    let mark = by.proofs.mark(by.receipt_key, vote.poll, vote.subject);
    let checked = vote.proof.check_voter(mark);
    let verdict = checked.map_or_else(verdict, |()| Verdict::Valid);
    by.proofs
        .note(vote.poll, vote.channel, verdict, vote.received_at);
    checked.map_err(|error| refused(vote.poll, vote.channel, true, error))
}

fn verdict(error: ProofError) -> Verdict {
    match error {
        ProofError::Invalid => Verdict::Invalid,
        // Without a voter it is from before the channel asked for one: an honest client's, and late.
        ProofError::Expired | ProofError::NoVoter => Verdict::Expired,
        ProofError::OtherPoll
        | ProofError::OtherChannel
        | ProofError::OtherKey
        | ProofError::OtherVoter
        | ProofError::NoKey
        | ProofError::KeyMissing => Verdict::Mismatch,
    }
}

/// Where a client gets a challenge for a channel.
fn challenge_path(poll: &PollId, channel: &Channel) -> String {
    format!("/v1/polls/{poll}/challenge?channel={}", channel.id)
}

fn missing(poll: &PollId, channel: &Channel) -> Problem {
    let path = challenge_path(poll, channel);
    let token = if channel.eligibility.asks_for_voter() {
        " and the voter's token"
    } else {
        ""
    };
    Problem::new(ProblemCode::ProofRequired)
        .detail(format!(
            "channel: {} asks for a proof of work. Get a challenge by GET {path}, with the Idempotency-Key of the vote{token}, solve it \
             (ALTCHA, version 2) and send the payload as `proof`; the vote was not recorded.",
            channel.id
        ))
        .member("eligibility", channel.eligibility.as_str())
        .member("challenge", path)
}

fn refused(poll: &PollId, channel: &Channel, has_key: bool, error: ProofError) -> Problem {
    let (code, todo) = match error {
        ProofError::Invalid => (
            ProblemCode::ProofInvalid,
            "get a new challenge and solve it",
        ),
        ProofError::OtherPoll | ProofError::OtherChannel => (
            ProblemCode::ProofMismatch,
            "get a challenge for the channel of the vote",
        ),
        ProofError::OtherKey => (
            ProblemCode::ProofMismatch,
            "get a challenge with the Idempotency-Key of the vote",
        ),
        ProofError::NoKey => (
            ProblemCode::ProofMismatch,
            "get the challenge with that header, or send the vote without it: then the proof itself stands for the key",
        ),
        ProofError::KeyMissing => (ProblemCode::ProofMismatch, "send the vote with that header"),
        ProofError::NoVoter => (
            ProblemCode::ProofMismatch,
            "get a challenge with the token and the Idempotency-Key of the vote",
        ),
        ProofError::OtherVoter => (
            ProblemCode::ProofMismatch,
            "get a challenge with the token of the vote",
        ),
        ProofError::Expired if has_key => (
            ProblemCode::ProofExpired,
            "get a new challenge with the same Idempotency-Key, and send the vote again with that key: it counts once",
        ),
        ProofError::Expired => (
            ProblemCode::ProofExpired,
            "get a new challenge. Whether an earlier attempt with this proof was recorded is not known here; with an \
             Idempotency-Key it would be",
        ),
    };
    Problem::new(code)
        .detail(format!(
            "proof: {error}; this request recorded nothing: {todo}."
        ))
        .member("challenge", challenge_path(poll, channel))
}

/// The problem of a vote whose proof was used for another one: there was no key, so the proof is what was used again.
pub(in crate::vote) fn used(poll: &PollId, channel: &Channel) -> Problem {
    Problem::new(ProblemCode::ProofUsed).member("challenge", challenge_path(poll, channel))
}
