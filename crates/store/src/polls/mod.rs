//! The polls that there are: their documents, what Redis has forgotten of them, the key of their receipts, and those of their voters.

pub(crate) mod documents;
mod known;
mod metrics;
mod news;
mod patience;
mod reading;
pub(crate) mod receipt_key;
mod secret;
mod unread;
mod voter_keys;

pub(crate) use known::{KnownPoll, KnownPolls};
pub(crate) use metrics::UnreadMetrics;
pub(crate) use news::Regression;
pub(crate) use patience::Patience;
pub(crate) use receipt_key::SigningKey;
pub(crate) use unread::Unread;
pub(crate) use voter_keys::{VoterKey, VoterKeys};
