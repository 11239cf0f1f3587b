//! The algorithms that tokens may be signed with.

use std::str::FromStr;

/// An algorithm of signatures (RFC 7518, RFC 8037), by the name that tokens have it under. None of them has a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, derive_more::Display)]
pub enum Algorithm {
    /// Ed25519. The newer name, `Ed25519` (RFC 9864), is not read.
    #[display("EdDSA")]
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    #[display("ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[display("RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    #[display("PS256")]
    Ps256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::EdDsa, Self::Es256, Self::Rs256, Self::Ps256];

    /// The same for the library.
    pub(crate) const fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
        }
    }
}

/// A text names no algorithm that can be used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of EdDSA, ES256, RS256, PS256")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        let named = Self::ALL.into_iter().find(|one| one.to_string() == text);
        named.ok_or(UnknownAlgorithm)
    }
}
