//! Keys of the other algorithms: those that only tests sign with.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
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

    /// The public key as it is handed around: as bytes (DER), as text (PEM, with and without its last end of line), and as what a
    /// set of keys has of it.
    pub(super) fn public_forms(&self) -> Vec<Vec<u8>> {
        // What stands before the key in an X.509 SubjectPublicKeyInfo (RFC 5280): its algorithm, and how long it is.
        let (prefix, key) = match self {
            Self::Ed(key) => ("302a300506032b6570032100", key.public_key().to_vec()),
            Self::Ec(pair) => (
                "3059301306072a8648ce3d020106082a8648ce3d030107034200",
                pair.public_key().as_ref().to_vec(),
            ),
            Self::Rsa(pair, _) => (
                "30820122300d06092a864886f70d01010105000382010f00",
                pair.public().as_ref().to_vec(),
            ),
        };
        let mut info = HEXLOWER.decode(prefix.as_bytes()).expect("digits");
        info.extend_from_slice(&key);
        let mut forms = vec![key.clone(), info.clone(), self.jwk("k").to_string().into()];
        let mut named = vec![("PUBLIC KEY", info)];
        if let Self::Rsa(..) = self {
            named.push(("RSA PUBLIC KEY", key));
        }
        for (name, der) in named {
            let text = BASE64.encode(&der);
            let lines: Vec<&str> = (0..text.len())
                .step_by(64)
                .map(|at| &text[at..text.len().min(at + 64)])
                .collect();
            let lines = lines.join("\n");
            let pem = format!("-----BEGIN {name}-----\n{lines}\n-----END {name}-----");
            forms.push(pem.clone().into_bytes());
            forms.push((pem + "\n").into_bytes());
        }
        forms
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
