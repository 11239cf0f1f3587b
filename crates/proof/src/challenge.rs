//! Makes challenges.

use std::collections::BTreeMap;

use altcha::CreateChallengeOptions;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use vote_domain::{ChannelId, KeyDigest, PollId};

use crate::key::ChallengeKey;
use crate::voter::VoterMark;
use crate::{ALGORITHM, COUNTERS, KEY_BYTES, LEAST_COUNTER};

/// The names in a challenge's `data`. Values are ASCII: of others the widget makes a payload that can't be verified.
pub(crate) const ASKED: &str = "asked";
pub(crate) const POLL: &str = "poll";
pub(crate) const CHANNEL: &str = "channel";
pub(crate) const KEY: &str = "key";
pub(crate) const VOTER: &str = "voter";

/// What a challenge is for.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// In which poll.
    pub poll: &'a PollId,
    /// Through which channel.
    pub channel: &'a ChannelId,
    /// Under which Idempotency-Key, where the client has one.
    pub key: Option<KeyDigest>,
    /// By whom, where the channel asks who votes.
    pub voter: Option<VoterMark>,
    /// Iterations of the key derivation for each try.
    pub cost: u32,
    /// When it is asked for, to the millisecond, by a clock that all processes agree on; `None` where there is none.
    pub asked_at: Option<Timestamp>,
    /// Until when a proof is taken, to the second.
    pub expires_at: Timestamp,
}

/// A challenge could not be made.
#[derive(Debug, thiserror::Error)]
#[error("a challenge could not be made: {0}")]
pub struct ChallengeError(String);

/// A signed challenge, as JSON for the client. Costs one derivation, which is 0.8 ms at a cost of 5,000: nothing
/// for a thread that others wait for.
///
/// `random` decides which of the tries succeeds; nobody may be able to predict it.
///
/// # Errors
/// [`ChallengeError`] where the cost is 0 or the time is before 1970; with others never.
pub fn challenge(
    key: &ChallengeKey,
    asked: &Asked<'_>,
    random: [u8; 2],
) -> Result<Vec<u8>, ChallengeError> {
    let expires_at = asked.expires_at.as_second();
    // The protocol takes 0 for "never", and no work for a cost of 0.
    if expires_at <= 0 || asked.cost == 0 {
        return Err(ChallengeError("no cost, or no end".to_owned()));
    }
    let mut data = BTreeMap::from([
        (POLL.to_owned(), asked.poll.as_str().into()),
        (CHANNEL.to_owned(), asked.channel.as_str().into()),
    ]);
    if let Some(asked_at) = asked.asked_at {
        // As text: a number that is large comes back from a browser as another one.
        let millis = asked_at.as_millisecond().to_string();
        data.insert(ASKED.to_owned(), millis.into());
    }
    if let Some(digest) = &asked.key {
        data.insert(KEY.to_owned(), HEXLOWER.encode(digest.as_bytes()).into());
    }
    if let Some(mark) = &asked.voter {
        data.insert(VOTER.to_owned(), mark.hex().into());
    }
    let made = altcha::create_challenge(CreateChallengeOptions {
        algorithm: ALGORITHM.to_owned(),
        counter: Some(counter(random)),
        cost: asked.cost,
        data: Some(data),
        expires_at: Some(expires_at),
        hmac_key_signature_secret: Some(key.derived.clone()),
        hmac_signature_secret: Some(key.challenge.clone()),
        key_length: KEY_BYTES,
        ..CreateChallengeOptions::default()
    });
    let made = made.map_err(|error| ChallengeError(error.to_string()))?;
    serde_json::to_vec(&made).map_err(|error| ChallengeError(error.to_string()))
}

/// The try that succeeds. Never one of the first: a proof that came within a few tries' time would be an honest client's luck as
/// often as not, and so nobody could be told from it to be too quick.
fn counter(random: [u8; 2]) -> u32 {
    // 65,536 is no multiple of the rest: the first 128 of them are likelier by less than a hundredth.
    LEAST_COUNTER + u32::from(u16::from_be_bytes(random)) % (COUNTERS - LEAST_COUNTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_tries_64_times_at_least_and_512_times_at_most() {
        let all = (0..=u16::MAX).map(|random| counter(random.to_be_bytes()));
        let (least, most) = (all.clone().min(), all.max());
        // The first is counter 0.
        assert_eq!((least, most), (Some(64), Some(511)));
    }
}
