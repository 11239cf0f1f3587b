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
        let info = statistics(redis).await?;
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

/// How long a Redis has worked on which command.
pub(crate) struct Spent(String);

impl Spent {
    /// Of this server, so far.
    pub(crate) async fn of(redis: &RedisServer) -> anyhow::Result<Self> {
        Ok(Self(statistics(redis).await?))
    }

    /// On reading figures, and on the questions whether anything has changed, in microseconds: readers' own and those of whoever looks
    /// after lanes.
    pub(crate) fn reading_us(&self) -> f64 {
        ["evalsha_ro", "hgetall", "info"]
            .iter()
            .map(|command| self.us(command))
            .sum()
    }

    /// On commands of that name, with what scripts call.
    fn us(&self, command: &str) -> f64 {
        let of = |line: &str| -> Option<f64> {
            let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(':')?;
            let us = figures.split(',').find_map(|it| it.strip_prefix("usec="))?;
            us.parse().ok().filter(|_| name == command)
        };
        self.0.lines().find_map(of).unwrap_or(0.0)
    }
}

async fn statistics(redis: &RedisServer) -> anyhow::Result<String> {
    let mut connection = redis.connection().await;
    let mut question = redis::cmd("INFO");
    question.arg("commandstats");
    Ok(question.query_async(&mut connection).await?)
}
