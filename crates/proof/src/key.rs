//! What challenges are signed with.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use vote_domain::PollId;

use crate::voter::VoterMark;

/// The secrets of challenges; `Debug` shows nothing of them.
///
/// The protocol's libraries take texts, so each secret is one. The MACs' states after the key are held beside them, so that
/// verifying costs no key schedule.
#[derive(Clone, derive_more::Debug)]
#[debug("ChallengeKey([secret])")]
pub struct ChallengeKey {
    pub(crate) challenge: String,
    pub(crate) derived: String,
    challenge_mac: Hmac<Sha256>,
    derived_mac: Hmac<Sha256>,
    voter_mac: Hmac<Sha256>,
}

impl ChallengeKey {
    /// The secrets made of these bytes, which are to be random, and the same in all processes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let of = |label: &[u8]| {
            let mut mac = keyed(secret);
            mac.update(label);
            HEXLOWER.encode(&mac.finalize().into_bytes())
        };
        // No label is the beginning of another.
        let (challenge, derived) = (of(b"challenge"), of(b"derived key"));
        Self {
            challenge_mac: of_text(&challenge),
            derived_mac: of_text(&derived),
            voter_mac: of_text(&of(b"voter")),
            challenge,
            derived,
        }
    }

    /// What stands for a voter in the challenges of a poll.
    #[must_use]
    pub fn mark(&self, poll: &PollId, subject: &str) -> VoterMark {
        let mut mac = self.voter_mac.clone();
        // No poll's id has a zero byte.
        mac.update(poll.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(subject.as_bytes());
        VoterMark::first_half(&mac.finalize().into_bytes())
    }

    /// Whether that is the signature of a challenge's parameters; compared in constant time.
    pub(crate) fn has_signed(&self, parameters: &[u8], signature: &[u8]) -> bool {
        let mut mac = self.challenge_mac.clone();
        mac.update(parameters);
        mac.verify_slice(signature).is_ok()
    }

    /// Whether that is the signature of the key which the client had to find; compared in constant time.
    pub(crate) fn has_signed_key(&self, derived: &[u8], signature: &[u8]) -> bool {
        let mut mac = self.derived_mac.clone();
        mac.update(derived);
        mac.verify_slice(signature).is_ok()
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // RFC 2104: a key shorter than the hash's block is followed by zeros.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::<Sha256>::new(&block.into())
}

/// The MAC under a secret of 64 characters, which is the length of the hash's block.
fn of_text(secret: &str) -> Hmac<Sha256> {
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(secret.bytes()) {
        *to = from;
    }
    Hmac::<Sha256>::new(&block.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secrets_differ_and_never_show() {
        let key = ChallengeKey::new(&[7; 32]);
        assert_eq!((key.challenge.len(), key.derived.len()), (64, 64));
        assert_ne!(key.challenge, key.derived);
        assert_ne!(key.challenge, ChallengeKey::new(&[8; 32]).challenge);
        assert_eq!(format!("{key:?}"), "ChallengeKey([secret])");
    }
}
