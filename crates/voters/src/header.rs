//! What a token says of itself, before anything of it is believed.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::algorithm::Algorithm;

/// The head of a token.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
}

#[derive(Deserialize)]
struct Written {
    alg: String,
    kid: Option<String>,
    /// What has to be understood and is not: none of it is.
    crit: Option<IgnoredAny>,
}

impl Header {
    /// Reads it; `None` where it is none, names no algorithm of ours, or asks for what is not done here.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        let (head, rest) = token.split_once('.')?;
        let (_, signature) = rest.split_once('.')?;
        if signature.is_empty() || signature.contains('.') {
            return None;
        }
        let json = BASE64URL_NOPAD.decode(head.as_bytes()).ok()?;
        let written: Written = serde_json::from_slice(&json).ok()?;
        if written.crit.is_some() {
            return None;
        }
        Some(Self {
            algorithm: written.alg.parse().ok()?,
            kid: written.kid,
        })
    }
}
