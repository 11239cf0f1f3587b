//! Receipts: a short text that proves where a vote was recorded, and never for whom.
//!
//! `v1.<payload>.<mac>`, both in base64url without padding. The payload is, big-endian: writer (8 bytes),
//! shard (2), sequence (8), place in the batch (4, of which the first bit is set for a repeat), milliseconds since the epoch
//! (8), and the poll's id.
//! The MAC is the first half of an HMAC-SHA-256 over `receipt v1`, a zero byte, and the payload.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::definition::slug::{MAX_CHARS, PollId};
use crate::vote::digest::keyed;
use crate::vote::writer::WriterId;
use crate::wire_time;

const VERSION: &str = "v1";
const DOMAIN: &[u8] = b"receipt v1\0";
const PROOFS: &[u8] = b"proof of work v1\0";
const FIXED: usize = 30;
/// The bit of the place that says that the vote was a repeat. No batch has so many votes.
const REPEAT: u32 = 1 << 31;
const MAC: usize = 16;
/// The longest text that is looked at, in bytes; a genuine receipt has at most 152.
const MAX_TEXT: usize = 300;

/// The secret that receipts are signed with; `Debug` shows nothing of it.
///
/// It holds the MAC's state after the key, so that signing a vote costs no key schedule.
#[derive(Clone, derive_more::Debug)]
#[debug("ReceiptKey([secret])")]
pub struct ReceiptKey {
    mac: Hmac<Sha256>,
    proofs: [u8; 32],
}

impl ReceiptKey {
    /// The key made of these bytes, which are to be random.
    #[must_use]
    pub fn from_bytes(key: [u8; 32]) -> Self {
        let mut mac = keyed(&key);
        let mut proofs = mac.clone();
        proofs.update(PROOFS);
        mac.update(DOMAIN);
        Self {
            mac,
            proofs: proofs.finalize().into_bytes().into(),
        }
    }

    /// The secret that all processes with this key share for challenges of proofs of work. It is the MAC of a text that no
    /// receipt has the beginning of, so neither tells anything of the other.
    #[must_use]
    pub const fn for_proofs(&self) -> &[u8; 32] {
        &self.proofs
    }

    fn mac(&self, payload: &[u8]) -> [u8; MAC] {
        let mut mac = self.mac.clone();
        mac.update(payload);
        let mut half = [0; MAC];
        half.copy_from_slice(&mac.finalize().into_bytes()[..MAC]);
        half
    }
}

/// Where and when a vote was recorded, or was found to have been recorded before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// In which poll.
    pub poll: PollId,
    /// By which process.
    pub writer: WriterId,
    /// In which shard.
    pub shard: u16,
    /// In which of the writer's batches of that shard; in the tally once the ledger has come as far.
    pub sequence: u64,
    /// At which place in the batch, from 0.
    pub place: u32,
    /// Whether it was found to have been recorded before: the batch is that of the repeat then, and the vote was in the
    /// tally by then.
    pub is_repeat: bool,
    /// When it was accepted, or, of a repeat, when that was received; a signed receipt keeps milliseconds.
    pub at: Timestamp,
}

/// Why a text isn't a genuine receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It hasn't the form of one.
    #[error("not a receipt: it must read `v1.….…`, with at most {MAX_TEXT} characters")]
    Malformed,
    /// It is of a version that isn't known here.
    #[error("not a receipt of a known version: it must begin with `v1.`")]
    Version,
    /// It has the form of one, and wasn't signed with this key, or was changed since.
    #[error("not a genuine receipt: its signature doesn't match")]
    Forged,
}

impl Receipt {
    /// The receipt as text, signed.
    #[must_use]
    pub fn sign(&self, key: &ReceiptKey) -> String {
        let repeat = if self.is_repeat { REPEAT } else { 0 };
        let at = wire_time::floor(self.at).as_millisecond();
        // On the stack: one is made for each vote.
        let mut room = [0; FIXED + MAX_CHARS];
        let mut length = 0;
        for part in [
            self.writer.as_bytes().as_slice(),
            &self.shard.to_be_bytes(),
            &self.sequence.to_be_bytes(),
            &(self.place & !REPEAT | repeat).to_be_bytes(),
            &at.to_be_bytes(),
            self.poll.as_str().as_bytes(),
        ] {
            room[length..length + part.len()].copy_from_slice(part);
            length += part.len();
        }
        let payload = &room[..length];

        let encoded = BASE64URL_NOPAD.encode_len(payload.len()) + BASE64URL_NOPAD.encode_len(MAC);
        let mut text = String::with_capacity(VERSION.len() + 2 + encoded);
        text.push_str(VERSION);
        text.push('.');
        BASE64URL_NOPAD.encode_append(payload, &mut text);
        text.push('.');
        BASE64URL_NOPAD.encode_append(&key.mac(payload), &mut text);
        text
    }

    /// Reads a receipt's text, if it is genuine.
    ///
    /// # Errors
    /// Where it isn't a receipt, or wasn't signed with this key. Signatures are compared in constant
    /// time, and nothing of the payload is believed before they match.
    pub fn verify(text: &str, key: &ReceiptKey) -> Result<Self, ReceiptError> {
        if text.len() > MAX_TEXT {
            return Err(ReceiptError::Malformed);
        }
        let mut parts = text.split('.');
        let (Some(version), Some(payload), Some(mac), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ReceiptError::Malformed);
        };
        if version != VERSION {
            return Err(ReceiptError::Version);
        }
        let decode = |part: &str| {
            BASE64URL_NOPAD
                .decode(part.as_bytes())
                .map_err(|_| ReceiptError::Malformed)
        };
        let (payload, mac) = (decode(payload)?, decode(mac)?);
        if mac.len() != MAC || payload.len() <= FIXED {
            return Err(ReceiptError::Malformed);
        }
        if !bool::from(key.mac(&payload).ct_eq(mac.as_slice())) {
            return Err(ReceiptError::Forged);
        }
        Self::read(&payload).ok_or(ReceiptError::Malformed)
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let (writer, rest) = payload.split_first_chunk::<8>()?;
        let (shard, rest) = rest.split_first_chunk::<2>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (place, rest) = rest.split_first_chunk::<4>()?;
        let (at, poll) = rest.split_first_chunk::<8>()?;
        Some(Self {
            poll: PollId::parse(std::str::from_utf8(poll).ok()?).ok()?,
            writer: WriterId::from_bytes(*writer),
            shard: u16::from_be_bytes(*shard),
            sequence: u64::from_be_bytes(*sequence),
            place: u32::from_be_bytes(*place) & !REPEAT,
            is_repeat: u32::from_be_bytes(*place) & REPEAT != 0,
            at: Timestamp::from_millisecond(i64::from_be_bytes(*at)).ok()?,
        })
    }
}

#[cfg(test)]
mod tests;
