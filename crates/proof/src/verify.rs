//! Verifies proofs: the signature first, and nothing of a payload is believed before it matches.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use vote_domain::{ChannelId, KeyDigest, PollId};

use crate::key::ChallengeKey;
use crate::payload::{decoded, hex, parse};

/// The vote that a proof came with.
#[derive(Debug, Clone)]
pub struct ForVote<'a> {
    /// In which poll.
    pub poll: &'a PollId,
    /// Through which channel.
    pub channel: &'a ChannelId,
    /// Under which Idempotency-Key, where it has one.
    pub key: Option<KeyDigest>,
    /// When it was received.
    pub received_at: Timestamp,
}

/// A proof that was verified for a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// What the vote is known by: its Idempotency-Key, or the nonce of the proof's challenge where it has none.
    pub identity: KeyDigest,
    /// Iterations for each try, as they were asked for.
    pub cost: u32,
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
    /// It is genuine, and came too late.
    #[error("the proof has expired")]
    Expired,
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
    let identity = match (&parameters.data.key, vote.key) {
        (None, None) => {
            let nonce = hex(&parameters.nonce).ok_or(ProofError::Invalid)?;
            KeyDigest::of_proof(vote.poll, &nonce)
        }
        (Some(bound), Some(key)) if *bound == HEXLOWER.encode(key.as_bytes()) => key,
        (Some(_), Some(_)) => return Err(ProofError::OtherKey),
        (None, Some(_)) => return Err(ProofError::NoKey),
        (Some(_), None) => return Err(ProofError::KeyMissing),
    };
    let expires_at =
        Timestamp::from_second(parameters.expires_at).map_err(|_| ProofError::Invalid)?;
    if vote.received_at > expires_at {
        return Err(ProofError::Expired);
    }
    Ok(Proof {
        identity,
        cost: parameters.cost,
        expires_at,
    })
}

#[cfg(test)]
mod tests;
