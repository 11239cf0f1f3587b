//! Makes tokens: for `make run`, for trials and tests. In production somebody else does, who knows the voters.

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The `iss` of tokens that are made here, where nobody names another.
pub const DEFAULT_ISSUER: &str = "votectl";

/// A key that tokens are signed with (Ed25519).
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: [u8; 32],
    kid: String,
}

/// A file holds no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no private key of Ed25519 as a JWK (RFC 8037)")]
pub struct NoKey;

/// A private key as it is in a file (RFC 8037).
#[derive(Serialize, Deserialize)]
struct PrivateJwk {
    kty: String,
    crv: String,
    kid: String,
    x: String,
    d: String,
}

impl SigningKey {
    /// The key of these random bytes.
    ///
    /// # Panics
    /// Never: any 32 bytes are a seed.
    #[must_use]
    #[expect(clippy::expect_used, reason = "any 32 bytes are a seed of Ed25519")]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes");
        let digest = Sha256::digest(pair.public_key().as_ref());
        let kid = BASE64URL_NOPAD.encode(&digest[..9]);
        Self { pair, seed, kid }
    }

    /// The key that a file holds, as [`Self::to_private_jwk`] writes it.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn from_private_jwk(json: &[u8]) -> Result<Self, NoKey> {
        let jwk: PrivateJwk = serde_json::from_slice(json).map_err(|_| NoKey)?;
        let seed = BASE64URL_NOPAD.decode(jwk.d.as_bytes()).ok();
        let seed = seed.and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        match seed {
            Some(seed) if jwk.kty == "OKP" && jwk.crv == "Ed25519" => Ok(Self {
                kid: jwk.kid,
                ..Self::from_seed(seed)
            }),
            _ => Err(NoKey),
        }
    }

    /// The key for a file that nobody else may read.
    #[must_use]
    pub fn to_private_jwk(&self) -> String {
        let mut jwk = self.public_jwk();
        jwk["d"] = BASE64URL_NOPAD.encode(&self.seed).into();
        jwk.to_string()
    }

    /// The set of keys by which its tokens are verified.
    #[must_use]
    pub fn public_jwks(&self) -> String {
        json!({ "keys": [self.public_jwk()] }).to_string()
    }

    /// The public key's 32 bytes.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// A token that claims this.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.kid });
        self.sign_parts(&header.to_string(), &claims.to_string())
    }

    /// A token of this header and these claims, whatever they say.
    #[must_use]
    pub fn sign_parts(&self, header: &str, claims: &str) -> String {
        let [header, claims] = [header, claims].map(|part| BASE64URL_NOPAD.encode(part.as_bytes()));
        let message = format!("{header}.{claims}");
        let signature = BASE64URL_NOPAD.encode(self.pair.sign(message.as_bytes()).as_ref());
        format!("{message}.{signature}")
    }

    fn public_jwk(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid,
            "x": BASE64URL_NOPAD.encode(self.public_key()),
        })
    }
}
