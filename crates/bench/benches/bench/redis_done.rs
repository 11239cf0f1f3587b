//! The Redis of one row, and what it has counted.

use anyhow::Context as _;
use vote_testkit::RedisServer;

use crate::process::cpu;

/// What a Redis has done so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) commands: u64,
    pub(crate) cpu_s: f64,
    /// Microseconds that reading figures has taken, and the questions whether anything has changed: readers' own and those of
    /// whoever looks after lanes.
    pub(crate) reading_us: u64,
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
        let reading = |line: &&str| {
            let (name, _) = line.split_once(':').unwrap_or_default();
            ["cmdstat_evalsha_ro", "cmdstat_info"].contains(&name)
        };
        let microseconds = |line: &str| -> Option<u64> {
            let (_, figures) = line.split_once(",usec=")?;
            figures.split(',').next()?.parse().ok()
        };
        Ok(Self {
            reading_us: info.lines().filter(reading).filter_map(microseconds).sum(),
            commands: info.lines().filter_map(calls).sum(),
            cpu_s: cpu(redis.pid().context("Redis has ended")?)?,
        })
    }

    /// Since then.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            commands: self.commands.saturating_sub(before.commands),
            cpu_s: self.cpu_s - before.cpu_s,
            reading_us: self.reading_us.saturating_sub(before.reading_us),
        }
    }
}
