//! Proofs of work by the ALTCHA protocol, version 2: a client shows that its machine has worked for a vote.
//!
//! A challenge is signed and kept nowhere. It names the poll, the channel and, where the client has one, the digest of its
//! Idempotency-Key and, where the channel asks who votes, a mark of the voter; it expires; and its nonce stands for the vote where there is no key. Always PBKDF2/SHA-256 with a key of 32
//! bytes: with the others of the protocol the official widget does not get a proof that verifies.
//!
//! The key that the client searches for is derived when the challenge is made, and signed too. So making one costs a
//! derivation, and verifying a proof some microseconds.
//!
//! | question | where |
//! | --- | --- |
//! | what is asked of whom? | [`Asked`], [`challenge`] |
//! | is this a proof, and for this vote? | [`verify`], [`Proof`], [`ProofError`] |
//! | for whose vote? | [`ChallengeKey::mark`], [`VoterMark`], [`Proof::check_voter`] |
//! | how much is asked, while many proofs are wrong? | [`Pressure`] |
//! | what does a client do? | [`solve`] |
#![forbid(unsafe_code)]

mod challenge;
mod key;
mod payload;
mod pressure;
mod solve;
mod verify;
mod voter;

pub use challenge::{Asked, ChallengeError, challenge};
pub use key::ChallengeKey;
pub use payload::MAX_PAYLOAD;
pub use pressure::{Bounds, Pressure};
pub use solve::{SolveError, solve};
pub use verify::{ForVote, Proof, ProofError, verify};
pub use voter::VoterMark;

/// The one algorithm that is used.
const ALGORITHM: &str = "PBKDF2/SHA-256";
/// The length of a derived key, in bytes.
const KEY_BYTES: usize = 32;
/// How many counters a client may have to try; 288 of them on average.
const COUNTERS: u32 = 512;
/// The first that may be the right one.
const LEAST_COUNTER: u32 = 64;
