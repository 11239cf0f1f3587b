//! `suspicion.*`: which votes are set aside.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use vote_store::units;

/// `suspicion.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspicionSettings {
    /// Points from which on a vote is set aside; 0 for never.
    pub threshold: u16,
    /// Points of an address that is on the list.
    pub deny_list_points: u16,
    /// File of denied prefixes, which is read again.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub deny_list_file: Option<PathBuf>,
    /// Points of a proof that came too soon.
    pub fast_proof_points: u16,
    /// What the quickest device takes for each thousand of cost.
    #[serde(rename = "fast_proof_ms", deserialize_with = "units::millis")]
    pub fast_proof: Duration,
    /// Points of a token of an odd age.
    pub token_age_points: u16,
    /// The oldest that tokens of our pages are.
    #[serde(rename = "token_age_s", deserialize_with = "units::secs")]
    pub token_age: Duration,
    /// Points of a client that does not say what it is.
    pub client_fields_points: u16,
    /// Points of a prefix that sends more than its share.
    pub prefix_share_points: u16,
    /// Votes of a prefix below which its share says nothing.
    pub prefix_share_votes: u32,
    /// The share from which on it is suspect.
    pub prefix_share_percent: u8,
    /// Points of a key that begins as many others do.
    pub key_pattern_points: u16,
    /// How many others.
    pub key_pattern_votes: u32,
}

impl SuspicionSettings {
    pub(super) fn check(&self, refuse: &mut dyn FnMut(&str, &str)) {
        let most = [
            self.deny_list_points,
            self.fast_proof_points,
            self.token_age_points,
            self.client_fields_points,
            self.prefix_share_points,
            self.key_pattern_points,
        ]
        .into_iter()
        .map(u32::from)
        .sum::<u32>();
        if u32::from(self.threshold) > most {
            refuse(
                "suspicion.threshold",
                "is more than the points of all signals together: nothing would ever be set aside",
            );
        }
    }
}
