//! A set of keys (RFC 7517): which of them can verify tokens, and which are left out, and why.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::algorithm::Algorithm;

/// More keys are no set that somebody looks after.
const MOST_KEYS: usize = 64;

/// So many keys are tried for one token, where several could have signed it.
pub(crate) const MOST_TRIES: usize = 4;

/// Bits of an RSA modulus: fewer are weak, more cost more than a vote may.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The keys that can verify tokens.
#[derive(Debug)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
    /// Of the file as it was read: another one is another set.
    pub(crate) digest: [u8; 32],
    /// Which of its keys can't, from 1, and why.
    pub(crate) left_out: Vec<(usize, &'static str)>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Key {
    kid: Option<String>,
    /// What it may have signed with: of the settings, what fits its type and what is said of it.
    algorithms: Vec<Algorithm>,
    pub(crate) decoding: DecodingKey,
    /// Asks for the signature alone: what is claimed is looked at by us, with our clock.
    pub(crate) validation: Validation,
}

/// Why a set of keys is of no use.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwksError {
    #[error("they are no JSON Web Key Set (RFC 7517)")]
    NoSet,
    #[error("they are more than {MOST_KEYS}")]
    TooMany,
    #[error("none of {of} can verify a token{}", why(*.first))]
    None {
        of: usize,
        first: Option<&'static str>,
    },
}

fn why(first: Option<&'static str>) -> String {
    first.map_or(String::new(), |reason| format!(": the first {reason}"))
}

#[derive(Deserialize)]
struct WrittenSet {
    keys: Vec<Value>,
}

/// A key as it is written. What its numbers are is looked at once its type is known.
#[derive(Deserialize)]
struct Written {
    kty: String,
    kid: Option<Value>,
    r#use: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a set. One key that is of no use leaves the others as they are.
    pub(crate) fn parse(bytes: &[u8], allowed: &[Algorithm]) -> Result<Self, JwksError> {
        let written: WrittenSet = serde_json::from_slice(bytes).map_err(|_| JwksError::NoSet)?;
        let of = written.keys.len();
        if of > MOST_KEYS {
            return Err(JwksError::TooMany);
        }
        let (mut keys, mut left_out) = (Vec::new(), Vec::new());
        for (place, key) in written.keys.into_iter().enumerate() {
            match Key::parse(key, allowed) {
                Ok(key) => keys.push(key),
                Err(reason) => left_out.push((place + 1, reason)),
            }
        }
        if keys.is_empty() {
            let first = left_out.first().map(|(_, reason)| *reason);
            return Err(JwksError::None { of, first });
        }
        Ok(Self {
            keys,
            digest: Sha256::digest(bytes).into(),
            left_out,
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether one goes by that name.
    pub(crate) fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// The keys that may have signed a token: those of its `kid`, of which there may be several. One without a `kid` was
    /// signed by a key without one, or by the only one that there is.
    pub(crate) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &Key> {
        let is_only = self.keys.len() == 1 && kid.is_none();
        self.keys
            .iter()
            .filter(move |key| key.algorithms.contains(&algorithm))
            .filter(move |key| is_only || key.kid.as_deref() == kid)
            .take(MOST_TRIES)
    }
}

impl Key {
    fn parse(key: Value, allowed: &[Algorithm]) -> Result<Self, &'static str> {
        let written: Written =
            serde_json::from_value(key).map_err(|_| "has a field of another type")?;
        if written.kty == "oct" {
            return Err("is a shared secret, with which whoever verifies could sign");
        }
        if written.r#use.as_deref().is_some_and(|named| named != "sig") {
            return Err("is not for signatures (use)");
        }
        let may_verify = |ops: &Vec<String>| ops.iter().any(|op| op == "verify");
        if !written.key_ops.as_ref().is_none_or(may_verify) {
            return Err("is not to verify with (key_ops)");
        }
        let (decoding, fitting) = written.decoding()?;
        let algorithms: Vec<Algorithm> = fitting
            .iter()
            .copied()
            .filter(|one| allowed.contains(one))
            .filter(|one| {
                written
                    .alg
                    .as_ref()
                    .is_none_or(|alg| *alg == one.to_string())
            })
            .collect();
        let first = algorithms
            .first()
            .ok_or("is of an algorithm that the settings don't name")?;
        let mut validation = Validation::new(first.of_library());
        validation.algorithms = algorithms.iter().map(|one| one.of_library()).collect();
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let kid = match written.kid {
            None => None,
            Some(Value::String(kid)) => Some(kid),
            Some(_) => return Err("has a kid that is no text"),
        };
        Ok(Self {
            kid,
            algorithms,
            decoding,
            validation,
        })
    }
}

impl Written {
    /// The key itself, and what it could sign with.
    fn decoding(&self) -> Result<(DecodingKey, &'static [Algorithm]), &'static str> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => {
                let x = exactly_32(self.x.as_deref())?;
                Ok((DecodingKey::from_ed_der(&x), &[Algorithm::EdDsa]))
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (
                    exactly_32(self.x.as_deref())?,
                    exactly_32(self.y.as_deref())?,
                );
                let point = [&[4], &x[..], &y[..]].concat();
                Ok((DecodingKey::from_ec_der(&point), &[Algorithm::Es256]))
            }
            ("RSA", _) => {
                let (n, e) = (number(self.n.as_deref())?, number(self.e.as_deref())?);
                if !RSA_BITS.contains(&bits(&n)) {
                    return Err("is an RSA key of fewer than 2048 bits, or more than 4096");
                }
                let key = DecodingKey::from_rsa_raw_components(&n, &e);
                Ok((key, &[Algorithm::Rs256, Algorithm::Ps256]))
            }
            ("EC" | "OKP", _) => Err("is of another curve than Ed25519 and P-256"),
            _ => Err("is of a type that is not known here (kty)"),
        }
    }
}

/// The bytes of a field. Padding is not of the standard, and is met.
fn bytes(field: Option<&str>) -> Result<Vec<u8>, &'static str> {
    let text = field.ok_or("lacks one of its numbers")?;
    let decoded = BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes());
    decoded.map_err(|_| "has a number that is no base64url")
}

fn exactly_32(field: Option<&str>) -> Result<Vec<u8>, &'static str> {
    let bytes = bytes(field)?;
    let is_whole = bytes.len() == 32;
    is_whole
        .then_some(bytes)
        .ok_or("has a number that is not of 32 bytes")
}

/// A number without the zeros that some write before it.
fn number(field: Option<&str>) -> Result<Vec<u8>, &'static str> {
    let bytes = bytes(field)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes[zeros..].to_vec())
}

fn bits(number: &[u8]) -> usize {
    let of_first = number
        .first()
        .map_or(0, |byte| 8 - byte.leading_zeros() as usize);
    number.len().saturating_sub(1) * 8 + of_first
}
