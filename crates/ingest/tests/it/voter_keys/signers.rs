//! Who signs tokens by ES256, RS256 and PS256.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

/// For tests alone: the one that the tests of vote-voters sign with.
const RSA: &str = include_str!("../../../../voters/src/tests/rsa_2048.pkcs8.base64");

/// A key with the name of its algorithm, which is the key's name as well.
pub(super) struct Signer {
    name: &'static str,
    pair: Pair,
}

enum Pair {
    Ec(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
}

impl Signer {
    pub(super) fn all() -> [Self; 3] {
        let random = SystemRandom::new();
        let of_curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(of_curve, &random).expect("a key");
        let ec = EcdsaKeyPair::from_pkcs8(of_curve, pkcs8.as_ref(), &random).expect("a key");
        let rsa = || {
            let der = BASE64.decode(RSA.replace('\n', "").as_bytes());
            Box::new(RsaKeyPair::from_pkcs8(&der.expect("base64")).expect("a key"))
        };
        [
            ("ES256", Pair::Ec(Box::new(ec))),
            ("RS256", Pair::Rsa(rsa(), &RSA_PKCS1_SHA256)),
            ("PS256", Pair::Rsa(rsa(), &RSA_PSS_SHA256)),
        ]
        .map(|(name, pair)| Self { name, pair })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The public key.
    pub(super) fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (text(&point[1..33]), text(&point[33..]));
                json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
            }
            Pair::Rsa(pair, _) => {
                let key = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": text(&key.n), "e": text(&key.e) })
            }
        };
        jwk["kid"] = self.name.into();
        jwk["alg"] = self.name.into();
        jwk
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(self, claims)
    }

    /// A token that says to be of another key, which this one has signed.
    pub(super) fn sign_as(&self, named: &Self, claims: &Value) -> String {
        let header = json!({ "alg": named.name, "typ": "JWT", "kid": named.name });
        let part = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
        let message = format!("{}.{}", part(&header), part(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Ec(pair) => {
                let signature = pair.sign(&random, message.as_bytes());
                signature.expect("a signature").as_ref().to_vec()
            }
            Pair::Rsa(pair, padding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(*padding, &random, message.as_bytes(), &mut signature);
                signed.expect("a signature");
                signature
            }
        };
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}
