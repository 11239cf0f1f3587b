//! Verifies proofs: the signature first, and nothing of a payload is believed before it matches.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use vote_domain::{ChannelId, KeyDigest, PollId};

use crate::key::ChallengeKey;
use crate::payload::{Parameters, decoded, hex, parse};
use crate::voter::VoterMark;

/// The vote that a proof came with.
#[derive(Debug, Clone)]
pub struct ForVote<'a> {
    /// In which poll.
    pub poll: &'a PollId,
    /// Through which channel.
    pub channel: &'a ChannelId,
    /// Under which Idempotency-Key, where it has one.
    pub key: Option<KeyDigest>,
    /// Whether its channel asks who votes: then the challenge must have been asked for by somebody. Who it was is compared later, by
    /// [`Proof::check_voter`], since to verify a token takes longer.
    pub asks_for_voter: bool,
    /// When it was received.
    pub received_at: Timestamp,
}

/// A proof that was verified for a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// What the vote is known by: its Idempotency-Key, or the nonce of the proof's challenge where it has none.
    pub identity: KeyDigest,
    /// Whose vote it is for, where its channel asks who votes.
    pub voter: Option<VoterMark>,
    /// Iterations for each try, as they were asked for.
    pub cost: u32,
    /// When its challenge was asked for, as [`Asked::asked_at`](crate::Asked::asked_at); `None` where the challenge does not say.
    pub asked_at: Option<Timestamp>,
    /// Until when it is taken.
    pub expires_at: Timestamp,
}

/// Why a text is no proof for a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is no payload, its challenge is not one of ours or was changed, or it is not solved.
    #[error("the proof is no solved challenge of this service")]
    Invalid,
    /// The challenge was for another poll.
    #[error("the proof's challenge was for another poll")]
    OtherPoll,
    /// The challenge was for another channel.
    #[error("the proof's challenge was for another channel")]
    OtherChannel,
    /// The challenge was asked for with an Idempotency-Key, which is not that of the vote.
    #[error("the proof's challenge was asked for with another Idempotency-Key")]
    OtherKey,
    /// The challenge was asked for without an Idempotency-Key, and the vote has one.
    #[error("the proof's challenge was asked for without an Idempotency-Key, and the vote has one")]
    NoKey,
    /// The challenge was asked for with an Idempotency-Key, and the vote has none.
    #[error("the proof's challenge was asked for with an Idempotency-Key, and the vote has none")]
    KeyMissing,
    /// The challenge was asked for without a voter's token, when its channel did not ask who votes yet.
    #[error(
        "the proof's challenge was asked for without a voter token, for which the channel asks now"
    )]
    NoVoter,
    /// The challenge was asked for by another voter.
    #[error("the proof's challenge was asked for with another voter's token")]
    OtherVoter,
    /// It is genuine, and came too late.
    #[error("the proof has expired")]
    Expired,
}

impl Proof {
    /// Whether the voter may use it.
    ///
    /// # Errors
    /// [`ProofError::OtherVoter`], where it is for somebody else's vote; [`ProofError::NoVoter`], where it is for nobody's.
    pub fn check_voter(&self, mark: VoterMark) -> Result<(), ProofError> {
        match self.voter {
            Some(voter) if voter == mark => Ok(()),
            Some(_) => Err(ProofError::OtherVoter),
            None => Err(ProofError::NoVoter),
        }
    }
}

/// Verifies that `payload` is a solved challenge of ours for this vote.
///
/// What was asked then is what counts, even if more would be asked now: the cost is signed.
///
/// # Errors
/// [`ProofError`], for the first of its reasons that holds.
pub fn verify(key: &ChallengeKey, payload: &str, vote: &ForVote<'_>) -> Result<Proof, ProofError> {
    let bytes = decoded(payload).ok_or(ProofError::Invalid)?;
    let payload = parse(&bytes).ok_or(ProofError::Invalid)?;
    let parameters = &payload.challenge.parameters;
    let signed = parameters.signed_text().ok_or(ProofError::Invalid)?;
    let signature = hex::<32>(&payload.challenge.signature).ok_or(ProofError::Invalid)?;
    if !key.has_signed(signed.as_bytes(), &signature) {
        return Err(ProofError::Invalid);
    }
    // From here on the parameters are ours.
    let solved = hex::<32>(&payload.solution.derived_key)
        .zip(hex::<32>(&parameters.key_signature))
        .is_some_and(|(derived, signature)| key.has_signed_key(&derived, &signature));
    if !solved {
        return Err(ProofError::Invalid);
    }
    if parameters.data.poll != vote.poll.as_str() {
        return Err(ProofError::OtherPoll);
    }
    if parameters.data.channel != vote.channel.as_str() {
        return Err(ProofError::OtherChannel);
    }
    let voter = match &parameters.data.voter {
        // A channel that does not ask has never asked: nothing is made softer while a poll takes votes.
        _ if !vote.asks_for_voter => None,
        Some(mark) => Some(VoterMark::from_bytes(hex(mark).ok_or(ProofError::Invalid)?)),
        None => return Err(ProofError::NoVoter),
    };
    let identity = identity(parameters, vote)?;
    let asked_at = match &parameters.data.asked {
        Some(millis) => Some(time(millis).ok_or(ProofError::Invalid)?),
        // Of a process from before challenges said so, or of one that did not know.
        None => None,
    };
    let expires_at =
        Timestamp::from_second(parameters.expires_at).map_err(|_| ProofError::Invalid)?;
    if vote.received_at > expires_at {
        return Err(ProofError::Expired);
    }
    Ok(Proof {
        identity,
        voter,
        cost: parameters.cost,
        asked_at,
        expires_at,
    })
}

/// A time in milliseconds since 1970.
fn time(millis: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis.parse().ok()?).ok()
}

/// What the vote is known by.
fn identity(parameters: &Parameters<'_>, vote: &ForVote<'_>) -> Result<KeyDigest, ProofError> {
    match (&parameters.data.key, vote.key) {
        (None, None) => {
            let nonce = hex(&parameters.nonce).ok_or(ProofError::Invalid)?;
            Ok(KeyDigest::of_proof(vote.poll, &nonce))
        }
        (Some(bound), Some(key)) if *bound == HEXLOWER.encode(key.as_bytes()) => Ok(key),
        (Some(_), Some(_)) => Err(ProofError::OtherKey),
        (None, Some(_)) => Err(ProofError::NoKey),
        (Some(_), None) => Err(ProofError::KeyMissing),
    }
}

#[cfg(test)]
mod tests;
