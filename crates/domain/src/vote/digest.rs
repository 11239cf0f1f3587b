//! Sixteen-byte digests that stand for an idempotency key or a voter, and the shard that follows from
//! them. What they stand for isn't kept anywhere.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::definition::slug::PollId;
use crate::vote::idempotency_key::IdempotencyKey;
use crate::vote::period::VotingPeriod;

macro_rules! digest {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, derive_more::Debug)]
        #[debug("{}({})", stringify!($name), HEXLOWER.encode(_0))]
        pub struct $name([u8; 16]);

        impl $name {
            /// The digest with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Which of so many shards the vote goes to, from 0; 0 where there are none.
            #[must_use]
            pub fn shard(self, shards: u16) -> u16 {
                shard(self.0, shards)
            }

            fn first_half(hash: &[u8]) -> Self {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&hash[..16]);
                Self(bytes)
            }
        }
    };
}

digest! {
    /// Stands for an idempotency key within a poll: the first half of a SHA-256.
    KeyDigest
}
digest! {
    /// Stands for a voter within a poll: the first half of a keyed HMAC-SHA-256, so that whoever sees
    /// it can't try identities against it.
    VoterDigest
}

impl KeyDigest {
    /// The digest of a key within a poll: of `idempotency`, the poll and the key, each ended by a zero
    /// byte but the last.
    #[must_use]
    pub fn new(poll: &PollId, key: &IdempotencyKey<'_>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"idempotency\0");
        hash.update(poll.as_str());
        hash.update(b"\0");
        hash.update(key.as_str());
        Self::first_half(&hash.finalize())
    }

    /// The digest of a key that a gateway gives: of `gateway`, the poll, the gateway's name and the key, each ended by a zero byte
    /// but the last. What gateways count their votes by is short and can be guessed: nobody else's key is the same.
    #[must_use]
    pub fn of_gateway(poll: &PollId, gateway: &str, key: &IdempotencyKey<'_>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"gateway\0");
        hash.update(poll.as_str());
        hash.update(b"\0");
        hash.update(gateway);
        hash.update(b"\0");
        hash.update(key.as_str());
        Self::first_half(&hash.finalize())
    }

    /// The digest that stands for a vote with a proof of work and no key: of `proof`, the poll and the nonce of the proof's
    /// challenge, each ended by a zero byte but the last. No key that a client chooses has it.
    #[must_use]
    pub fn of_proof(poll: &PollId, nonce: &[u8; 16]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"proof\0");
        hash.update(poll.as_str());
        hash.update(b"\0");
        hash.update(nonce);
        Self::first_half(&hash.finalize())
    }
}

impl VoterDigest {
    /// The digest of a voter within a poll, under a secret key. The same voter has another digest in
    /// another poll.
    #[must_use]
    pub fn new(key: &[u8; 32], poll: &PollId, subject: &str) -> Self {
        let mut mac = keyed(key);
        mac.update(b"voter\0");
        mac.update(poll.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(subject.as_bytes());
        Self::first_half(&mac.finalize().into_bytes())
    }

    /// The digest of a voter whom gateways know, under a secret key. `group` names the gateways that know the same voters. No
    /// subject of a token has it, whatever its text.
    #[must_use]
    pub fn of_gateway(key: &[u8; 32], poll: &PollId, group: &str, voter: &str) -> Self {
        let mut mac = keyed(key);
        mac.update(b"gateway-voter\0");
        mac.update(poll.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(group.as_bytes());
        mac.update(b"\0");
        mac.update(voter.as_bytes());
        Self::first_half(&mac.finalize().into_bytes())
    }

    /// What stands for the voter while votes are counted in an hour or a day: another one in each. Its first half is the
    /// voter's, so that the shard is the same in all of them, and a repeat finds its key on the other side of a border.
    #[must_use]
    pub fn in_period(self, period: VotingPeriod) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"voter-period\0");
        hash.update(self.0);
        hash.update(period.bytes());
        let mut digest = self;
        digest.0[8..].copy_from_slice(&hash.finalize()[..8]);
        digest
    }
}

/// An HMAC-SHA-256 with a key of 32 bytes.
pub(crate) fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // RFC 2104: a key shorter than the hash's block is followed by zeros.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::<Sha256>::new(&block.into())
}

fn shard(bytes: [u8; 16], shards: u16) -> u16 {
    let [a, b, c, d, e, f, g, h, ..] = bytes;
    let hash = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    // The remainder is below a u16.
    u16::try_from(hash % u64::from(shards.max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn poll(id: &str) -> PollId {
        PollId::parse(id).expect("legal")
    }

    #[test]
    fn digests_are_what_their_definition_says() {
        let key = IdempotencyKey::parse("abc").expect("legal");
        let digest = KeyDigest::new(&poll("paredao-01"), &key);
        // printf 'idempotency\0paredao-01\0abc' | sha256sum | cut -c1-32
        assert_eq!(
            format!("{digest:?}"),
            "KeyDigest(56d0ff5c70d27beb72e6f919608e1463)"
        );
        let proof = KeyDigest::of_proof(&poll("paredao-01"), b"0123456789abcdef");
        // printf 'proof\0paredao-01\0%s' 0123456789abcdef | sha256sum | cut -c1-32
        assert_eq!(
            format!("{proof:?}"),
            "KeyDigest(b432df752e6d1ae5c004d36e53ee3603)"
        );
        let voter = VoterDigest::new(&[7; 32], &poll("paredao-01"), "maria");
        // printf 'voter\0paredao-01\0maria' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…
        assert_eq!(
            format!("{voter:?}"),
            "VoterDigest(87c8ab8ed80ca548d58c41d469f0919c)"
        );
    }

    #[test]
    fn a_voter_is_another_one_in_another_poll_and_under_another_key() {
        let one = VoterDigest::new(&[7; 32], &poll("a"), "maria");
        assert_ne!(one, VoterDigest::new(&[7; 32], &poll("b"), "maria"));
        assert_ne!(one, VoterDigest::new(&[8; 32], &poll("a"), "maria"));
        assert_ne!(one, VoterDigest::new(&[7; 32], &poll("a"), "mario"));
    }

    #[test]
    fn what_a_gateway_gives_is_nobody_elses() {
        let (a, b) = (poll("a"), poll("b"));
        let text = IdempotencyKey::parse("1").expect("legal");
        let mut keys = vec![
            KeyDigest::new(&a, &text),
            KeyDigest::of_gateway(&a, "sms", &text),
            KeyDigest::of_gateway(&a, "telefone", &text),
            KeyDigest::of_gateway(&b, "sms", &text),
        ];
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 4);
        let mut voters = vec![
            VoterDigest::new(&[7; 32], &a, "maria"),
            VoterDigest::of_gateway(&[7; 32], &a, "sms", "maria"),
            VoterDigest::of_gateway(&[7; 32], &a, "telefone", "maria"),
            VoterDigest::of_gateway(&[7; 32], &b, "sms", "maria"),
            VoterDigest::of_gateway(&[8; 32], &a, "sms", "maria"),
            // A subject that is written as a gateway's voter would be.
            VoterDigest::new(&[7; 32], &a, "sms\0maria"),
        ];
        voters.sort();
        voters.dedup();
        assert_eq!(voters.len(), 6);
    }

    #[test]
    fn a_voter_is_another_one_in_each_period_and_stays_in_the_shard() {
        let voter = VoterDigest::new(&[7; 32], &poll("a"), "maria");
        let periods = [
            VotingPeriod::Hour(0),
            VotingPeriod::Hour(3_600),
            VotingPeriod::Day(0),
            VotingPeriod::Day(20_261_124),
        ];
        let mut digests: Vec<VoterDigest> = periods.map(|period| voter.in_period(period)).into();
        assert_eq!(digests[0], voter.in_period(periods[0]));
        for digest in &digests {
            for shards in 1..=256 {
                assert_eq!(digest.shard(shards), voter.shard(shards));
            }
        }
        digests.push(voter);
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 5);
    }

    #[test]
    fn shards_are_used_evenly() {
        let mut used = [0_u32; 7];
        for n in 0..7000 {
            let text = n.to_string();
            let key = IdempotencyKey::parse(&text).expect("legal");
            used[usize::from(KeyDigest::new(&poll("p"), &key).shard(7))] += 1;
        }
        assert!(used.iter().all(|&n| (850..1150).contains(&n)), "{used:?}");
    }

    proptest! {
        #[test]
        fn a_shard_exists(bytes in any::<[u8; 16]>(), shards in 1_u16..=256) {
            prop_assert!(KeyDigest::from_bytes(bytes).shard(shards) < shards);
            prop_assert_eq!(KeyDigest::from_bytes(bytes).shard(1), 0);
            prop_assert_eq!(VoterDigest::from_bytes(bytes).shard(0), 0);
        }
    }
}
