//! What a scenario needs.

use crate::engine::service::Env;
use serde_json::{Value, json};
use std::time::Duration;

/// A poll, and the processes around it.
#[derive(Debug, Clone)]
pub(crate) struct Plot {
    /// Where the services find Redis.
    pub(crate) redis: String,
    pub(crate) shards: u16,
    /// The poll's channels, as its file has them.
    pub(crate) channels: Value,
    pub(crate) ingests: usize,
    /// More settings of each ingest process.
    pub(crate) ingest_env: Env,
    /// Settings of the first ingest process alone.
    pub(crate) first_env: Env,
    /// When the poll closes.
    pub(crate) open_for: Duration,
    /// Requests that may be open at the same time; as the options say where there is none.
    pub(crate) connections: Option<usize>,
}

impl Plot {
    /// Two ingest processes, a poll of two shards that stays open.
    pub(crate) fn on(redis: impl Into<String>) -> Self {
        Self {
            redis: redis.into(),
            shards: 2,
            channels: json!([{ "id": "torcida", "weight": 100, "eligibility": "open" }]),
            ingests: 2,
            ingest_env: Vec::new(),
            first_env: Vec::new(),
            open_for: Duration::from_secs(7_200),
            connections: None,
        }
    }

    /// One more setting of each ingest process.
    pub(crate) fn ingest(mut self, name: &str, value: &str) -> Self {
        self.ingest_env.push((name.to_owned(), value.to_owned()));
        self
    }
}
