//! How lanes behave: the services' settings under `commit`.

use std::time::Duration;

use serde::Deserialize;

use super::durability::{Durability, ReplicasMissing};
use crate::units;

/// How lanes behave.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneConfig {
    /// How long a client waits for its vote's outcome.
    #[serde(rename = "accept_timeout_ms", deserialize_with = "units::millis")]
    pub accept_timeout: Duration,
    /// The longest that a batch is held back while votes keep arriving.
    #[serde(rename = "min_batch_interval_us", deserialize_with = "units::micros")]
    pub min_batch_interval: Duration,
    /// The longest that a lane of many holds its votes back while the process is busy.
    #[serde(rename = "max_batch_interval_us", deserialize_with = "units::micros")]
    pub max_batch_interval: Duration,
    /// How long acknowledged batches are kept for a repeat. Zero keeps nothing and repairs nothing: what
    /// Redis forgets is lost, and counted as unrecoverable.
    #[serde(rename = "replay_window_s", deserialize_with = "units::secs")]
    pub replay_window: Duration,
    /// The most memory that the acknowledged batches of all lanes of a process take together,
    /// in bytes. The batches beyond it are let go of before their time.
    #[serde(rename = "replay_window_mib", deserialize_with = "units::mebibytes")]
    pub replay_window_bytes: usize,
    /// When a vote counts as recorded.
    pub durability: Durability,
    /// What happens to votes while replicas are missing.
    pub replicas_missing: ReplicasMissing,
    /// The most votes that wait in one lane; one more is refused at once.
    pub queue_capacity: usize,
    /// The most votes of a batch that need a look-up (a key or a voter), so that one script never
    /// holds Redis for much more than a millisecond.
    #[serde(rename = "max_keyed_per_batch")]
    pub max_checked_per_batch: usize,
    /// How long an idempotency key is remembered at the least.
    #[serde(rename = "idempotency_window_s", deserialize_with = "units::secs")]
    pub idempotency_window: Duration,
    /// Whether a vote without an idempotency key is refused. Lanes don't ask: who takes votes to them does.
    pub idempotency_key_required: bool,
}

impl Default for LaneConfig {
    fn default() -> Self {
        Self {
            accept_timeout: Duration::from_secs(2),
            min_batch_interval: Duration::from_micros(1_500),
            max_batch_interval: Duration::from_millis(40),
            replay_window: Duration::from_secs(30),
            replay_window_bytes: 48 << 20,
            durability: Durability::Memory,
            replicas_missing: ReplicasMissing::Refuse,
            queue_capacity: 65_536,
            max_checked_per_batch: 512,
            idempotency_window: Duration::from_secs(120),
            idempotency_key_required: false,
        }
    }
}

impl LaneConfig {
    /// Says to `refuse` which setting does not go with the others, and why.
    pub fn check(&self, refuse: &mut dyn FnMut(&str, &str)) {
        // A vote with a key is given up after a quarter of the window, and must not be before its client is.
        let accept_timeout_s = (4 * self.accept_timeout.as_millis()).div_ceil(1_000);
        let least = accept_timeout_s.max(2 * u128::from(self.replay_window.as_secs()));
        if u128::from(self.idempotency_window.as_secs()) < least {
            refuse(
                "commit.idempotency_window_s",
                &format!(
                    "takes at least twice commit.replay_window_s and four times commit.accept_timeout_ms: {least}"
                ),
            );
        }
    }
}
