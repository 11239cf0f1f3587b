//! Channels that ask for a proof of work.

use vote_domain::{Channel, KeyDigest, PollId};
use vote_http::{Problem, ProblemCode};
use vote_proof::{ForVote, ProofError};

use super::checks::{ProofCheck, Shown};
use crate::proofs::Verdict;

/// What the vote is known by, if it has a proof that was made for it.
///
/// Verified where it is read, on the thread that serves the connection: it takes 3 µs.
pub(super) fn check(shown: &Shown<'_>, by: ProofCheck<'_>) -> Result<KeyDigest, Problem> {
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
        received_at: shown.received_at,
    };
    match proofs.verify(by.receipt_key, payload, &vote) {
        Ok(proof) => {
            note(Verdict::Valid);
            by.suspicion.note_proof(by.signs, &proof, shown.received_at);
            Ok(proof.identity)
        }
        Err(error) => {
            note(verdict(error));
            Err(refused(shown, error))
        }
    }
}

fn verdict(error: ProofError) -> Verdict {
    match error {
        ProofError::Invalid => Verdict::Invalid,
        ProofError::Expired => Verdict::Expired,
        ProofError::OtherPoll
        | ProofError::OtherChannel
        | ProofError::OtherKey
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
    Problem::new(ProblemCode::ProofRequired)
        .detail(format!(
            "channel: {} asks for a proof of work. Get a challenge by GET {path}, with the Idempotency-Key of the vote, solve it \
             (ALTCHA, version 2) and send the payload as `proof`; the vote was not recorded.",
            channel.id
        ))
        .member("eligibility", channel.eligibility.as_str())
        .member("challenge", path)
}

fn refused(shown: &Shown<'_>, error: ProofError) -> Problem {
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
        ProofError::Expired if shown.key.is_some() => (
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
        .member("challenge", challenge_path(shown.poll, shown.channel))
}

/// The problem of a vote whose proof was used for another one: there was no key, so the proof is what was used again.
pub(in crate::vote) fn used(poll: &PollId, channel: &Channel) -> Problem {
    Problem::new(ProblemCode::ProofUsed).member("challenge", challenge_path(poll, channel))
}
