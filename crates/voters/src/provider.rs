//! The cryptography of the JWT library: ring, which TLS has already. The library's own back ends would be a second one; with
//! neither or both of them it panics at the first token, so this is installed and tried before any comes.

use std::sync::OnceLock;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::decode;
use jsonwebtoken::errors::{ErrorKind, Result as LibraryResult};
use jsonwebtoken::{Algorithm as LibraryAlgorithm, DecodingKey, DecodingKeyKind, Validation};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::de::IgnoredAny;

use crate::mint::SigningKey;

static PROVIDER: CryptoProvider = CryptoProvider {
    // Who makes tokens is somebody else; those of `make run` are made by `mint`.
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(ErrorKind::InvalidKeyFormat.into()),
        rsa_pub_components_from_public_key: |_| Err(ErrorKind::InvalidKeyFormat.into()),
        ec_pub_components_from_private_key: |_, _| Err(ErrorKind::InvalidKeyFormat.into()),
        ed_pub_components_from_private_key: |_, _| Err(ErrorKind::InvalidKeyFormat.into()),
        compute_digest: |_, _| Err(ErrorKind::InvalidKeyFormat.into()),
    },
};

/// The cryptography does not do what it must: no token may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a voter token that was made for a trial {0}: tokens can't be verified by this build")]
pub struct SelfTestFailed(&'static str);

/// Installs it for this process, and verifies a token of our own and a forged one.
pub(crate) fn install() -> Result<(), SelfTestFailed> {
    static TRIED: OnceLock<Result<(), SelfTestFailed>> = OnceLock::new();
    *TRIED.get_or_init(|| {
        // Where somebody else was first, the trial says whether theirs does it as well.
        let _other = PROVIDER.install_default();
        try_out()
    })
}

fn try_out() -> Result<(), SelfTestFailed> {
    let key = SigningKey::from_seed([7; 32]);
    let token = key.sign(&serde_json::json!({ "sub": "trial" }));
    let mut validation = Validation::new(LibraryAlgorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let is_taken = |key: &SigningKey| {
        let key = DecodingKey::from_ed_der(key.public_key());
        decode::<IgnoredAny>(&token, &key, &validation).is_ok()
    };
    if !is_taken(&key) {
        return Err(SelfTestFailed("was refused"));
    }
    if is_taken(&SigningKey::from_seed([8; 32])) {
        return Err(SelfTestFailed("was taken by another's key"));
    }
    Ok(())
}

/// One algorithm with one key.
struct RingVerifier {
    algorithm: LibraryAlgorithm,
    key: DecodingKey,
}

fn verifier(
    algorithm: &LibraryAlgorithm,
    key: &DecodingKey,
) -> LibraryResult<Box<dyn JwtVerifier>> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    Ok(Box::new(RingVerifier {
        algorithm: *algorithm,
        key: key.clone(),
    }))
}

impl RingVerifier {
    /// `None` where it does not verify, for whatever reason.
    fn is_good(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        let rsa = |parameters: &'static RsaParameters| match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => RsaPublicKeyComponents { n, e }
                .verify(parameters, message, signature)
                .ok(),
            DecodingKeyKind::SecretOrDer(_) => None,
        };
        match self.algorithm {
            LibraryAlgorithm::EdDSA => {
                let key = self.key.try_get_as_bytes().ok()?;
                let key = UnparsedPublicKey::new(&ED25519, key);
                key.verify(message, signature).ok()
            }
            LibraryAlgorithm::ES256 => {
                let key = self.key.try_get_as_bytes().ok()?;
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
                key.verify(message, signature).ok()
            }
            LibraryAlgorithm::RS256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
            LibraryAlgorithm::PS256 => rsa(&RSA_PSS_2048_8192_SHA256),
            _ => None,
        }
    }
}

impl signature::Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let is_good = self.is_good(message, signature);
        is_good.ok_or_else(signature::Error::new)
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> LibraryAlgorithm {
        self.algorithm
    }
}
