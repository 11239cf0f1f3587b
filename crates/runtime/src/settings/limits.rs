//! `limits.*`, and which proxies are believed.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};
use vote_limits::{LimitsConfig, Quota, Rates, VoterRates, parse_prefix};
use vote_store::units;

/// `limits.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSettings {
    /// Votes of an address at once.
    #[serde(deserialize_with = "quota")]
    pub address_burst: Option<Quota>,
    /// Votes of an address in the long run.
    #[serde(deserialize_with = "quota")]
    pub address_sustained: Option<Quota>,
    /// Votes of a prefix at once.
    #[serde(deserialize_with = "quota")]
    pub prefix_burst: Option<Quota>,
    /// Votes of a prefix in the long run.
    #[serde(deserialize_with = "quota")]
    pub prefix_sustained: Option<Quota>,
    /// File of prefixes with limits of their own, which is read again.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub carriers_file: Option<PathBuf>,
    /// What may be taken to remember who has come, in bytes.
    #[serde(rename = "memory_mib", deserialize_with = "units::mebibytes")]
    pub memory_bytes: usize,
    /// Votes of a voter at once.
    #[serde(deserialize_with = "quota")]
    pub voter_burst: Option<Quota>,
    /// Votes of a voter in the long run.
    #[serde(deserialize_with = "quota")]
    pub voter_sustained: Option<Quota>,
    /// What may be taken to remember which voters have come, in bytes.
    #[serde(rename = "voter_memory_mib", deserialize_with = "units::mebibytes")]
    pub voter_memory_bytes: usize,
}

impl LimitsSettings {
    /// What limits are made of; `None` where there are none.
    #[must_use]
    pub fn config(&self) -> Option<LimitsConfig> {
        let rates = Rates {
            address_burst: self.address_burst,
            address_sustained: self.address_sustained,
            prefix_burst: self.prefix_burst,
            prefix_sustained: self.prefix_sustained,
        };
        let voter_rates = VoterRates {
            burst: self.voter_burst,
            sustained: self.voter_sustained,
        };
        let of_addresses = rates != Rates::default() || self.carriers_file.is_some();
        let of_voters = voter_rates != VoterRates::default();
        (of_addresses || of_voters).then_some(LimitsConfig {
            rates,
            memory_bytes: if of_addresses { self.memory_bytes } else { 0 },
            voter_rates,
            voter_memory_bytes: self.voter_memory_bytes,
        })
    }
}

/// A limit; an empty text for none.
fn quota<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Quota>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let quota = (!text.is_empty()).then(|| text.parse());
    let why = |error| de::Error::custom(format!("{text:?} {error}"));
    quota.transpose().map_err(why)
}

/// The prefix of a trusted proxy, as it is written.
///
/// # Errors
/// It is none, or everybody would be trusted.
pub(super) fn parse_proxy(text: &str) -> Result<String, String> {
    let net = parse_prefix(text)?;
    if net.prefix_len() == 0 {
        return Err("everybody would be trusted, and say any address".to_owned());
    }
    Ok(net.to_string())
}

/// Prefixes that were checked.
pub(super) fn nets(texts: &[String]) -> Vec<IpNet> {
    let nets = texts.iter().filter_map(|text| parse_prefix(text).ok());
    nets.collect()
}
