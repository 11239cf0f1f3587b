//! `voters.*`: the tokens of voters.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use url::Url;
use vote_store::units;

use super::reference::takes;

/// What a token may be signed with: all without a shared secret.
const ALGORITHMS: [&str; 4] = ["EdDSA", "ES256", "RS256", "PS256"];

/// `voters.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VotersSettings {
    /// Address of the keys.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub jwks_url: Option<String>,
    /// Authorities that are trusted there beside those of the machine.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub jwks_ca_file: Option<PathBuf>,
    /// File of the keys.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub jwks_file: Option<PathBuf>,
    /// How often the keys are read again.
    #[serde(rename = "jwks_refresh_s", deserialize_with = "units::secs")]
    pub jwks_refresh: Duration,
    /// The least time between two readings.
    #[serde(rename = "jwks_min_pause_ms", deserialize_with = "units::millis")]
    pub jwks_min_pause: Duration,
    /// How long one reading may take.
    #[serde(rename = "jwks_timeout_ms", deserialize_with = "units::millis")]
    pub jwks_timeout: Duration,
    /// Who makes tokens.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub issuer: Option<String>,
    /// Whom tokens are for.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub audience: Option<String>,
    /// What tokens may be signed with.
    pub algorithms: Vec<String>,
    /// How far the clock of who makes tokens may be off.
    #[serde(rename = "clock_skew_s", deserialize_with = "units::secs")]
    pub clock_skew: Duration,
    /// The longest token that is read.
    pub max_token_bytes: usize,
    /// How many verified tokens are remembered.
    pub remembered_tokens: usize,
}

impl VotersSettings {
    /// Whether it is said anywhere that keys are.
    pub(super) const fn have_keys(&self) -> bool {
        self.jwks_url.is_some() || self.jwks_file.is_some()
    }

    pub(super) fn check(&self, refuse: &mut dyn FnMut(&str, &str)) {
        if self.jwks_url.is_some() && self.jwks_file.is_some() {
            refuse(
                "voters.jwks_file",
                "is set beside voters.jwks_url: keys are read from one place",
            );
        }
        let name = "voters.jwks_url";
        if self.jwks_url.as_ref().is_some_and(|url| !is_address(url)) {
            refuse(name, &takes(name));
        }
        let name = "voters.algorithms";
        let is_known = |algorithm: &String| ALGORITHMS.contains(&algorithm.as_str());
        if self.algorithms.is_empty() || !self.algorithms.iter().all(is_known) {
            refuse(name, &takes(name));
        }
    }
}

/// Whether it is an address without user, password, query and fragment.
pub(super) fn is_address(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    ["http", "https"].contains(&url.scheme())
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}
