//! The sections of the settings, as the services read them. `defaults.toml` documents them for people.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use vote_domain::Secret;

use super::values::{Durability, LogFormat, RedisUrl, ReplicasMissing, empty_is_none};

/// `redis.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// Address of Redis; `Debug` and `Display` leave its password out.
    pub url: RedisUrl,
    /// ACL user.
    #[serde(deserialize_with = "empty_is_none")]
    pub username: Option<String>,
    /// Password of that user, from the setting itself or from its file.
    #[serde(deserialize_with = "empty_is_none")]
    pub password: Option<Secret>,
    /// File that held the password.
    #[serde(deserialize_with = "empty_is_none")]
    pub password_file: Option<PathBuf>,
    /// ACL user at the sentinels.
    #[serde(deserialize_with = "empty_is_none")]
    pub sentinel_username: Option<String>,
    /// Password at the sentinels, from the setting itself or from its file.
    #[serde(deserialize_with = "empty_is_none")]
    pub sentinel_password: Option<Secret>,
    /// File that held that password.
    #[serde(deserialize_with = "empty_is_none")]
    pub sentinel_password_file: Option<PathBuf>,
    /// File with the certificates of authorities to trust.
    #[serde(deserialize_with = "empty_is_none")]
    pub tls_ca_file: Option<PathBuf>,
    /// File with our own certificate.
    #[serde(deserialize_with = "empty_is_none")]
    pub tls_cert_file: Option<PathBuf>,
    /// File with the key of our own certificate.
    #[serde(deserialize_with = "empty_is_none")]
    pub tls_key_file: Option<PathBuf>,
    /// Connections to one server at most.
    pub pool_size: usize,
    /// Longest time to wait for a connection, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Longest time to wait for an answer, in milliseconds.
    pub response_timeout_ms: u64,
}

/// `http.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address of the public API.
    pub bind: SocketAddr,
    /// Worker threads; 0 means one for each core.
    pub workers: usize,
    /// Largest body that is read, in bytes.
    pub body_limit_bytes: usize,
    /// Time that an idle connection stays open, in seconds.
    pub keep_alive_s: u64,
    /// Longest time for a request's head, and for a vote's body after it, in milliseconds.
    pub client_request_timeout_ms: u64,
    /// Connections of one worker at most.
    pub max_connections: usize,
    /// Origins that browsers may call from; `*` for any.
    pub cors_allowed_origins: Vec<String>,
}

/// `admin.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    /// Address of the operators' port.
    pub bind: SocketAddr,
}

/// `log.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged, as a level or levels by target.
    pub level: String,
}

/// `commit.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitSettings {
    /// Longest time that a vote waits to be sent, in milliseconds.
    pub accept_timeout_ms: u64,
    /// Longest time that a batch is held back, in microseconds.
    pub min_batch_interval_us: u64,
    /// Time that acknowledged batches are kept, in seconds; 0 keeps none, and repairs nothing.
    pub replay_window_s: u64,
    /// Memory that the acknowledged batches of all lanes take together, in MiB.
    pub replay_window_mib: usize,
    /// When a vote counts as recorded.
    pub durability: Durability,
    /// What happens to votes while replicas are missing.
    pub replicas_missing: ReplicasMissing,
    /// Votes that may wait in one lane.
    pub queue_capacity: usize,
    /// Keyed votes in one batch at most.
    pub max_keyed_per_batch: usize,
    /// Time that an idempotency key is remembered at least, in seconds.
    pub idempotency_window_s: u64,
    /// Whether a vote without an `Idempotency-Key` is refused.
    pub idempotency_key_required: bool,
}

/// `polls.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollsSettings {
    /// How often polls are looked for, in milliseconds.
    pub refresh_interval_ms: u64,
}

/// `snapshot.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotSettings {
    /// How often figures are read, in milliseconds.
    pub interval_ms: u64,
    /// Age from which figures are stale, in milliseconds.
    pub stale_after_ms: u64,
}

/// `receipts.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptSettings {
    /// Key of the receipts' signature in hexadecimal digits, from the setting itself or from its file.
    #[serde(deserialize_with = "empty_is_none")]
    pub key: Option<Secret>,
    /// File that held the key.
    #[serde(deserialize_with = "empty_is_none")]
    pub key_file: Option<PathBuf>,
}

/// `access.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    /// Token of production, from the setting itself or from its file.
    #[serde(deserialize_with = "empty_is_none")]
    pub production_token: Option<Secret>,
    /// File that held it.
    #[serde(deserialize_with = "empty_is_none")]
    pub production_token_file: Option<PathBuf>,
    /// Token of broadcast graphics, from the setting itself or from its file.
    #[serde(deserialize_with = "empty_is_none")]
    pub broadcast_token: Option<Secret>,
    /// File that held it.
    #[serde(deserialize_with = "empty_is_none")]
    pub broadcast_token_file: Option<PathBuf>,
}

/// `shutdown.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownSettings {
    /// Time in which the service is not ready and still serves, in milliseconds.
    pub grace_ms: u64,
    /// Longest time for requests and waiting votes to finish, in milliseconds.
    pub drain_timeout_ms: u64,
}

macro_rules! durations {
    ($($settings:ident { $($method:ident = $from:ident($field:ident)),+ $(,)? })+) => {$(
        impl $settings {$(
            #[doc = concat!("`", stringify!($field), "` as a duration.")]
            #[must_use]
            pub const fn $method(&self) -> Duration {
                Duration::$from(self.$field)
            }
        )+}
    )+};
}

durations! {
    RedisSettings {
        connect_timeout = from_millis(connect_timeout_ms),
        response_timeout = from_millis(response_timeout_ms),
    }
    HttpSettings {
        keep_alive = from_secs(keep_alive_s),
        client_request_timeout = from_millis(client_request_timeout_ms),
    }
    CommitSettings {
        accept_timeout = from_millis(accept_timeout_ms),
        min_batch_interval = from_micros(min_batch_interval_us),
        replay_window = from_secs(replay_window_s),
        idempotency_window = from_secs(idempotency_window_s),
    }
    PollsSettings { refresh_interval = from_millis(refresh_interval_ms) }
    SnapshotSettings {
        interval = from_millis(interval_ms),
        stale_after = from_millis(stale_after_ms),
    }
    ShutdownSettings {
        grace = from_millis(grace_ms),
        drain_timeout = from_millis(drain_timeout_ms),
    }
}

impl HttpSettings {
    /// Worker threads, with 0 resolved to the number of cores.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
            count => count,
        }
    }
}

impl CommitSettings {
    /// `replay_window_mib` in bytes.
    #[must_use]
    pub const fn replay_window_bytes(&self) -> usize {
        self.replay_window_mib.saturating_mul(1 << 20)
    }
}

impl ReceiptSettings {
    /// The key's 32 bytes, where one is set.
    #[must_use]
    pub fn key_bytes(&self) -> Option<[u8; 32]> {
        let text = self.key.as_ref()?.expose();
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .ok()?
            .try_into()
            .ok()
    }
}
