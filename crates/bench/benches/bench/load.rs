//! The open loop that loads a service: `votectl load`, as a process of its own.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use tokio::process::{Child, Command};

use crate::binaries::Build;

/// Votes of an open loop, a key each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rate: u32,
    pub(crate) seconds: u32,
    pub(crate) connections: u32,
}

/// What the load said in the end.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Loaded {
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    pub(crate) repeated: u64,
    pub(crate) refused: u64,
    pub(crate) no_connection: u64,
    pub(crate) unknown: u64,
    pub(crate) elapsed_s: f64,
    pub(crate) accepted_per_second: f64,
    pub(crate) latency_us: Micros,
    /// How late the generator itself was.
    pub(crate) start_delay_us: Micros,
    pub(crate) errors: Vec<ErrorLine>,
    pub(crate) reconciliation: serde_json::Value,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Micros {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ErrorLine {
    pub(crate) error: String,
    pub(crate) attempts: u64,
}

/// A load that runs.
pub(crate) struct Load(Child);

impl Load {
    /// Starts it.
    pub(crate) fn start(
        build: &Build,
        redis: &str,
        address: &str,
        plan: Plan,
    ) -> anyhow::Result<Self> {
        let child = Command::new(&build.votectl)
            .args([
                "--redis", redis, "--output", "json", "load", "--poll", "bench",
            ])
            .args(["--url", &format!("http://{address}")])
            .args(["--rate", &plan.rate.to_string()])
            .args(["--duration", &format!("{}s", plan.seconds)])
            .args(["--connections", &plan.connections.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("votectl can't be run")?;
        Ok(Self(child))
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.0.id()
    }

    /// Waits for its end, which it bounds itself. That it has not kept to its rate is no error: the figures say so.
    pub(crate) async fn end(self) -> anyhow::Result<Loaded> {
        let output = self.0.wait_with_output().await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let loaded: Loaded = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("votectl load: {said}"))?;
        ensure!(loaded.accepted > 0, "no vote was accepted: {said}");
        Ok(loaded)
    }
}

impl Loaded {
    /// Whether the tally has gained what was accepted.
    pub(crate) fn finding(&self) -> &str {
        let finding = self.reconciliation.get("finding");
        finding.and_then(|it| it.as_str()).unwrap_or("not read")
    }
}

impl Plan {
    /// How long it takes, at most, with what is waited for behind it.
    pub(crate) fn bound(self) -> Duration {
        Duration::from_secs(u64::from(self.seconds) + 90)
    }
}
