//! Reads what a client sends for a proof: bytes that anybody may have made.

use std::borrow::Cow;
use std::fmt::Write as _;

use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;

use crate::{ALGORITHM, KEY_BYTES};

/// The longest payload that is looked at, in characters; a genuine one has some 1,200 at most.
pub const MAX_PAYLOAD: usize = 2_048;
/// Room for the parameters of any challenge of ours.
const ROOM: usize = 640;

/// What the base64 of a payload holds. Fields that are not known are skipped here and in the solution, since none is used; in
/// the parameters, which are signed, there are none.
#[derive(Deserialize)]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    pub(crate) challenge: Challenge<'a>,
    #[serde(borrow)]
    pub(crate) solution: Solution<'a>,
}

#[derive(Deserialize)]
pub(crate) struct Challenge<'a> {
    #[serde(borrow)]
    pub(crate) parameters: Parameters<'a>,
    #[serde(borrow)]
    pub(crate) signature: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Parameters<'a> {
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    pub(crate) cost: u32,
    #[serde(borrow)]
    pub(crate) data: Data<'a>,
    pub(crate) expires_at: i64,
    key_length: usize,
    #[serde(borrow)]
    key_prefix: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) key_signature: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) nonce: Cow<'a, str>,
    #[serde(borrow)]
    salt: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data<'a> {
    #[serde(borrow, default)]
    pub(crate) asked: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) poll: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) channel: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) voter: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Solution<'a> {
    #[serde(borrow)]
    pub(crate) derived_key: Cow<'a, str>,
}

/// The bytes that the text of a payload stands for, if it may be one.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || text.len() > MAX_PAYLOAD {
        return None;
    }
    BASE64.decode(text.as_bytes()).ok()
}

/// Reads those bytes.
pub(crate) fn parse(bytes: &[u8]) -> Option<Payload<'_>> {
    serde_json::from_slice(bytes).ok()
}

impl Parameters<'_> {
    /// What is signed of them: their JSON, with sorted keys. `None` where they can't be of a challenge of ours.
    ///
    /// Texts are written as they are, so none may have what JSON escapes: else parameters that differ could be the same bytes.
    pub(crate) fn signed_text(&self) -> Option<String> {
        let data = &self.data;
        let texts = [
            &self.key_prefix,
            &self.key_signature,
            &self.nonce,
            &self.salt,
            &data.poll,
            &data.channel,
        ];
        let optional = [&data.asked, &data.key, &data.voter];
        let mut texts = texts.into_iter().chain(optional.into_iter().flatten());
        let is_ours = self.algorithm == ALGORITHM && self.key_length == KEY_BYTES;
        if !is_ours || !texts.all(|text| is_plain(text)) {
            return None;
        }
        let mut json = String::with_capacity(ROOM);
        write!(
            json,
            r#"{{"algorithm":"{ALGORITHM}","cost":{},"data":{{"#,
            self.cost
        )
        .ok()?;
        if let Some(asked) = &data.asked {
            write!(json, r#""asked":"{asked}","#).ok()?;
        }
        write!(json, r#""channel":"{}","#, data.channel).ok()?;
        if let Some(key) = &data.key {
            write!(json, r#""key":"{key}","#).ok()?;
        }
        write!(json, r#""poll":"{}""#, data.poll).ok()?;
        if let Some(voter) = &data.voter {
            write!(json, r#","voter":"{voter}""#).ok()?;
        }
        write!(
            json,
            r#"}},"expiresAt":{},"keyLength":{KEY_BYTES},"keyPrefix":"{}","keySignature":"{}","nonce":"{}","salt":"{}"}}"#,
            self.expires_at, self.key_prefix, self.key_signature, self.nonce, self.salt
        )
        .ok()?;
        Some(json)
    }
}

fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.bytes().all(is_plain)
}

/// As many bytes in hexadecimal digits of lower case, as the official widget and libraries write them.
pub(crate) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let read = HEXLOWER.decode_mut(text.as_bytes(), &mut bytes);
    read.is_ok().then_some(bytes)
}
