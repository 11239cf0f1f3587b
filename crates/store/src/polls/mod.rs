//! The polls that there are: their documents, what Redis has forgotten of them, and the key of their receipts.

pub(crate) mod documents;
mod known;
mod reading;
pub(crate) mod receipt_key;

pub(crate) use known::{KnownPoll, KnownPolls, Regression};
pub(crate) use receipt_key::SigningKey;
