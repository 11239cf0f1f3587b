//! Keys of the other algorithms: those that only tests sign with.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use crate::Algorithm;
use crate::mint::SigningKey;

/// For tests alone.
const RSA: &str = include_str!("rsa_2048.pkcs8.base64");

/// A key of one algorithm.
pub(super) enum Signer {
    Ed(Box<SigningKey>),
    Ec(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>, Algorithm),
}

impl Signer {
    pub(super) fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::EdDsa => Self::Ed(Box::new(SigningKey::from_seed([1; 32]))),
            Algorithm::Es256 => {
                let random = SystemRandom::new();
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
                let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random);
                Self::Ec(Box::new(pair.expect("a key")))
            }
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let der = BASE64
                    .decode(RSA.replace('\n', "").as_bytes())
                    .expect("base64");
                let pair = RsaKeyPair::from_pkcs8(&der).expect("a key");
                Self::Rsa(Box::new(pair), algorithm)
            }
        }
    }

    /// The public key, without `alg` and `use`.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        match self {
            Self::Ed(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": text(key.public_key()) })
            }
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (text(&point[1..33]), text(&point[33..]));
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y })
            }
            Self::Rsa(pair, _) => {
                let key = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                let (n, e) = (text(&key.n), text(&key.e));
                json!({ "kty": "RSA", "kid": kid, "n": n, "e": e })
            }
        }
    }

    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Ed(key) => return key.sign_parts(&header.to_string(), &claims.to_string()),
            Self::Ec(pair) => {
                let signature = pair.sign(&random, message.as_bytes());
                signature.expect("a signature").as_ref().to_vec()
            }
            Self::Rsa(pair, algorithm) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let padding: &'static dyn ring::signature::RsaEncoding = match algorithm {
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let signed = pair.sign(padding, &random, message.as_bytes(), &mut signature);
                signed.expect("a signature");
                signature
            }
        };
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}
