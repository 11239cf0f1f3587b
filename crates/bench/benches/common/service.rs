//! A process of ours, and what the system tells of it.

use std::time::Duration;

use anyhow::Context as _;
use vote_testkit::{ChildProcess, eventually, free_port};

const START: Duration = Duration::from_secs(20);

/// This benchmark's program, started again as a server.
pub(crate) struct Service {
    /// Of its public port.
    pub(crate) address: String,
    process: ChildProcess,
}

impl Service {
    /// Starts the server of that name, and waits until it is ready.
    pub(crate) async fn start(
        serve: &str,
        redis: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let address = format!("127.0.0.1:{}", free_port());
        let mut process = ChildProcess::builder(std::env::current_exe()?)
            .arg(serve)
            .env("VOTE__REDIS__URL", redis)
            .env("VOTE__HTTP__BIND", &address)
            .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
            .env("VOTE__LOG__LEVEL", "warn");
        for (name, value) in settings {
            process = process.env(name, value);
        }
        let process = process.spawn();
        let ready = format!("http://{address}/readyz");
        eventually(START, || async {
            reqwest::get(&ready)
                .await
                .is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        Ok(Self { address, process })
    }

    /// A file of its in `/proc`.
    pub(crate) fn proc(&self, file: &str) -> anyhow::Result<String> {
        let pid = self.process.pid().context("the service has ended")?;
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).context("only Linux tells")
    }

    /// Seconds of processor time so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let stat = self.proc("stat")?;
        let (_, fields) = stat.rsplit_once(')').context("no name")?;
        let ticks: Vec<u32> = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        // 100 per second, on every Linux that people run.
        Ok(ticks.into_iter().map(f64::from).sum::<f64>() / 100.0)
    }
}
