//! The Redis of one row, and what it has counted.

use anyhow::Context as _;
use vote_testkit::RedisServer;

use crate::process::cpu;

/// What a Redis has done so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) commands: u64,
    pub(crate) cpu_s: f64,
}

impl Done {
    /// Of this server; commands that scripts call are among them, the question itself is not.
    pub(crate) async fn of(redis: &RedisServer) -> anyhow::Result<Self> {
        let mut connection = redis.connection().await;
        let info: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(&mut connection)
            .await?;
        let calls = |line: &str| -> Option<u64> {
            let (name, figures) = line.split_once(":calls=")?;
            let calls = figures.split(',').next()?.parse().ok()?;
            (name != "cmdstat_info").then_some(calls)
        };
        Ok(Self {
            commands: info.lines().filter_map(calls).sum(),
            cpu_s: cpu(redis.pid().context("Redis has ended")?)?,
        })
    }

    /// Since then.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            commands: self.commands.saturating_sub(before.commands),
            cpu_s: self.cpu_s - before.cpu_s,
        }
    }
}
