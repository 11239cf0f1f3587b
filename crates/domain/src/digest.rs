//! Sixteen-byte digests that stand for an idempotency key or a voter, and the shard that follows from
//! them. What they stand for isn't kept anywhere.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::slug::PollId;

/// The longest idempotency key, in characters.
const MAX_KEY_CHARS: usize = 255;

/// Why the value of an `Idempotency-Key` header isn't a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdempotencyKeyError {
    /// It is empty.
    #[error("Idempotency-Key must not be empty")]
    Empty,
    /// It is longer than 255 characters.
    #[error("Idempotency-Key must have at most {MAX_KEY_CHARS} characters")]
    TooLong,
    /// It has characters that a key can't have.
    #[error("Idempotency-Key must hold only visible ASCII characters")]
    Character,
    /// It begins as a structured-field string and doesn't end as one.
    #[error(
        "Idempotency-Key must be one string in double quotes, in which only `\\\"` and `\\\\` are escapes"
    )]
    Quoting,
    /// It isn't in quotes, but holds a quote or a comma: more than one header was given, or half a string.
    #[error(
        "Idempotency-Key must be given once, and in double quotes if it holds a quote or a comma"
    )]
    Bare,
}

/// An idempotency key: what makes a vote that is sent twice the same vote.
///
/// 1 to 255 visible ASCII characters. The header's value is a string of RFC 8941 in double quotes
/// (draft-ietf-httpapi-idempotency-key-header); a value without quotes is taken as it stands, and is the
/// same key as in quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads the value of the header.
    ///
    /// # Errors
    /// Where it isn't a key; the error says why, and never repeats it.
    pub fn parse(value: &str) -> Result<Self, IdempotencyKeyError> {
        let value = value.trim_matches([' ', '\t']);
        let key = match value.strip_prefix('"') {
            Some(rest) => unquote(rest)?,
            None if value.contains(['"', ',']) => return Err(IdempotencyKeyError::Bare),
            None => value.to_owned(),
        };
        if key.is_empty() {
            Err(IdempotencyKeyError::Empty)
        } else if !key.bytes().all(|b| b.is_ascii_graphic()) {
            Err(IdempotencyKeyError::Character)
        } else if key.len() > MAX_KEY_CHARS {
            Err(IdempotencyKeyError::TooLong)
        } else {
            Ok(Self(key))
        }
    }

    /// The key itself, without quotes and escapes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The content of a string whose opening quote has been read.
fn unquote(rest: &str) -> Result<String, IdempotencyKeyError> {
    let mut content = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next() {
            Some('"') => break,
            Some('\\') => match chars.next() {
                Some(escaped @ ('"' | '\\')) => content.push(escaped),
                _ => return Err(IdempotencyKeyError::Quoting),
            },
            Some(c) => content.push(c),
            None => return Err(IdempotencyKeyError::Quoting),
        }
    }
    if chars.next().is_some() {
        return Err(IdempotencyKeyError::Quoting);
    }
    Ok(content)
}

macro_rules! digest {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), HEXLOWER.encode(&self.0))
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
    pub fn new(poll: &PollId, key: &IdempotencyKey) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"idempotency\0");
        hash.update(poll.as_str());
        hash.update(b"\0");
        hash.update(key.as_str());
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
    fn a_key_is_the_same_with_and_without_quotes() {
        let uuid = "8e03978e-40d5-43dd-bc93-6894a57f9324";
        let bare = IdempotencyKey::parse(uuid).expect("bare");
        let quoted = IdempotencyKey::parse(&format!("\"{uuid}\"")).expect("quoted");
        assert_eq!(bare, quoted);
        assert_eq!(bare.as_str(), uuid);
        assert_eq!(
            IdempotencyKey::parse(r#""a\"b\\c""#)
                .expect("escapes")
                .as_str(),
            r#"a"b\c"#
        );
        assert_eq!(
            IdempotencyKey::parse("AZ+/az09==")
                .expect("base64")
                .as_str(),
            "AZ+/az09=="
        );
        assert_eq!(
            IdempotencyKey::parse(&"k".repeat(255))
                .expect("longest")
                .as_str()
                .len(),
            255
        );
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_reason() {
        use IdempotencyKeyError as E;
        let long = "k".repeat(1000);
        let long_quoted = format!("\"{}\"", "k".repeat(256));
        for (value, error) in [
            ("", E::Empty),
            ("   ", E::Empty),
            (r#""""#, E::Empty),
            (long.as_str(), E::TooLong),
            (long_quoted.as_str(), E::TooLong),
            ("chave-é", E::Character),
            ("a b", E::Character),
            ("\"a b\"", E::Character),
            ("a\0b", E::Character),
            ("\"\u{7f}\"", E::Character),
            ("\"open", E::Quoting),
            (r#""a\n""#, E::Quoting),
            (r#""a\"#, E::Quoting),
            (r#""a"; x=1"#, E::Quoting),
            (r#""a", "b""#, E::Quoting),
            (r#"a"b"#, E::Bare),
            ("a,b", E::Bare),
        ] {
            assert_eq!(IdempotencyKey::parse(value), Err(error), "{value:?}");
        }
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
    fn shards_are_used_evenly() {
        let mut used = [0_u32; 7];
        for n in 0..7000 {
            let key = IdempotencyKey::parse(&n.to_string()).expect("legal");
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

        #[test]
        fn any_key_survives_its_quoting(key in "[!-~]{1,255}") {
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            let parsed = IdempotencyKey::parse(&quoted).expect("legal");
            prop_assert_eq!(parsed.as_str(), key);
        }

        #[test]
        fn no_value_panics(value in ".{0,300}") {
            let _ = IdempotencyKey::parse(&value);
        }
    }
}
