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
        let info = info(redis, "commandstats").await?;
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
        Ok(Self(info(redis, "commandstats").await?))
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

/// For how long scripts that read figures keep Redis: in microseconds, by [`Self::PERCENTILES`].
pub(crate) struct ReadingCalls;

impl ReadingCalls {
    pub(crate) const PERCENTILES: [&'static str; 2] = ["p99", "p99.9"];

    /// From now on alone.
    pub(crate) async fn start_anew(redis: &RedisServer) -> anyhow::Result<()> {
        let mut connection = redis.connection().await;
        let mut reset = redis::cmd("CONFIG");
        Ok(reset.arg("RESETSTAT").exec_async(&mut connection).await?)
    }

    /// Since then.
    pub(crate) async fn percentiles_us(redis: &RedisServer) -> anyhow::Result<[f64; 2]> {
        let info = info(redis, "latencystats").await?;
        let mut lines = info.lines();
        let of_calls = |line| str::strip_prefix(line, "latency_percentiles_usec_evalsha_ro:");
        let figures = lines.find_map(of_calls).context("nothing was read")?;
        let of = |name: &str| -> anyhow::Result<f64> {
            let mut figures = figures.split(',');
            let figure = figures.find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
            Ok(figure
                .with_context(|| format!("{name} is missing"))?
                .parse()?)
        };
        let [high, highest] = Self::PERCENTILES;
        Ok([of(high)?, of(highest)?])
    }
}

async fn info(redis: &RedisServer, section: &str) -> anyhow::Result<String> {
    let mut connection = redis.connection().await;
    let mut question = redis::cmd("INFO");
    Ok(question.arg(section).query_async(&mut connection).await?)
}
