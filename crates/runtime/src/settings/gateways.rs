//! `gateways.*`: who may send votes in batches.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use vote_store::units;

/// `gateways.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaysSettings {
    /// File of the gateways, which is read again.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub file: Option<PathBuf>,
    /// Batches of one gateway at a time.
    pub batches_at_once: usize,
    /// Longest time for the body of a batch.
    #[serde(rename = "batch_timeout_ms", deserialize_with = "units::millis")]
    pub batch_timeout: Duration,
}
