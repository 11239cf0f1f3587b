//! The polls that there are: their documents, what Redis has forgotten of them, the key of their receipts, and those of their voters.

pub(crate) mod documents;
mod known;
mod reading;
pub(crate) mod receipt_key;
mod secret;
mod voter_keys;

pub(crate) use known::{KnownPoll, KnownPolls, Regression};
pub(crate) use receipt_key::SigningKey;
pub(crate) use voter_keys::{VoterKey, VoterKeys};
