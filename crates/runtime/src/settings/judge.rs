//! `judge.*`: who is asked about suspect votes.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use url::{Host, Url};
use vote_domain::Secret;
use vote_store::units;

use super::reference::takes;
use super::voters::is_address;

/// `judge.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeSettings {
    /// Address to ask; `None` where nobody is asked.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub url: Option<String>,
    /// Authorities that are trusted there beside those of the machine.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub ca_file: Option<PathBuf>,
    /// By what the judge knows whose site asks, from the setting itself or from its file.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub secret: Option<Secret>,
    /// File that held it.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub secret_file: Option<PathBuf>,
    /// How long an answer may take.
    #[serde(rename = "time_limit_ms", deserialize_with = "units::millis")]
    pub time_limit: Duration,
    /// How many votes may be asked about at a time.
    pub max_in_flight: usize,
    /// What becomes of a vote about which no answer comes.
    pub on_silence: OnSilence,
    /// The least score, in hundredths; 0 where none is asked for.
    pub min_score_percent: u8,
    /// Sites whose visitors count; empty for any.
    pub hostnames: Vec<String>,
    /// What the visitor must have been asked for.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub action: Option<String>,
    /// Whether the judge is told the voter's address.
    pub send_address: bool,
    /// Whether repeats of a question are marked as such.
    pub idempotency_key: bool,
}

/// What becomes of a suspect vote about which no answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSilence {
    /// It is set aside, as without a judge.
    Quarantine,
    /// It counts, as without suspicion.
    Accept,
}

impl JudgeSettings {
    pub(super) fn check(&self, refuse: &mut dyn FnMut(&str, &str)) {
        let Some(url) = &self.url else {
            return;
        };
        let name = "judge.url";
        if !is_address(url) {
            refuse(name, &takes(name));
        } else if !is_private(url) {
            refuse(
                name,
                "is http to another machine: everybody on the way would read the secret; use https",
            );
        }
        if self.secret.is_none() {
            refuse(
                "judge.secret",
                "is not set, nor judge.secret_file: the judge knows by it whose site asks",
            );
        }
    }
}

/// Whether nobody on the way can read what is sent there.
fn is_private(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    };
    url.scheme() == "https" || is_here
}
