//! Voter tokens: who signed them, whether they hold now, and whom they name.
//!
//! A token is a JWT, signed by whoever knows the voters. What a token says of itself decides nothing: its algorithm must be
//! one of the settings', and fit the key. Whom it names leaves this crate in a [`Voter`], which no log can show, and goes
//! no further than to the digest of one poll.
#![forbid(unsafe_code)]

mod algorithm;
mod claims;
mod config;
mod fetch;
mod header;
mod jwks;
mod keys;
mod metrics;
pub mod mint;
mod provider;
mod refused;
mod seen;
mod voter;
mod voters;

#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub use config::{Config, ConfigError, Source};
pub use provider::SelfTestFailed;
pub use refused::Refused;
pub use voter::Voter;
pub use voters::Voters;
