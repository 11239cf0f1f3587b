//! The closed loop that loads a server.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;

use crate::spread::as_f64;

/// wrk with the script that posts votes.
pub(crate) struct Wrk {
    script: PathBuf,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'l> {
    pub(crate) connections: u32,
    pub(crate) seconds: u32,
    /// What they carry, as the script takes it.
    pub(crate) carried: &'l [String],
    /// More than one: they are a gateway's batch.
    pub(crate) votes_a_request: u32,
}

/// What one run of it saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Votes {
    pub(crate) accepted: u64,
    pub(crate) seconds: f64,
}

impl Wrk {
    /// Writes its script into that folder.
    pub(crate) fn new(folder: &Path) -> anyhow::Result<Self> {
        let script = folder.join("votes.lua");
        std::fs::write(&script, include_str!("votes.lua"))
            .with_context(|| format!("{} can't be written", script.display()))?;
        Ok(Self { script })
    }

    /// Votes for so many seconds, one a request; with a key each that begins so, where they are to have one.
    pub(crate) async fn vote(
        &self,
        address: &str,
        connections: u32,
        seconds: u32,
        keys: Option<&str>,
    ) -> anyhow::Result<Votes> {
        let carried: Vec<String> = keys
            .map(|keys| format!("keys={keys}"))
            .into_iter()
            .collect();
        let load = Load {
            connections,
            seconds,
            carried: &carried,
            votes_a_request: 1,
        };
        self.send(address, load).await
    }

    /// Votes. Any answer that accepts nothing is an error; what the lines of a batch are answered is seen by the tally alone.
    pub(crate) async fn send(&self, address: &str, load: Load<'_>) -> anyhow::Result<Votes> {
        let mut command = command(load.connections, load.seconds);
        let is_batch = load.votes_a_request > 1;
        let operation = if is_batch { "votes/batch" } else { "votes" };
        command
            .arg("--script")
            .arg(&self.script)
            .arg(format!("http://{address}/v1/polls/bench/{operation}"));
        if !load.carried.is_empty() {
            command.arg("--").args(load.carried);
        }
        let text = said(&mut command).await?;
        let Some(line) = text.lines().find_map(|line| line.strip_prefix("votes ")) else {
            bail!("wrk said nothing of votes:\n{text}");
        };
        let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [accepted, microseconds, bad, errors, missing] = numbers[..] else {
            bail!("wrk said {line:?}");
        };
        ensure!(
            missing == 0,
            "{missing} votes had nothing to carry: more came than were prepared"
        );
        ensure!(
            bad == 0 && errors == 0,
            "{bad} of {accepted} answers accept no vote, {errors} connections broke"
        );
        ensure!(accepted > 0, "no vote was answered");
        Ok(Votes {
            accepted: accepted * u64::from(load.votes_a_request),
            seconds: as_f64(microseconds) / 1e6,
        })
    }
}

/// Reads of that address a second. Any answer that is no success is an error.
pub(crate) async fn read(address: &str, connections: u32, seconds: u32) -> anyhow::Result<f64> {
    let text = said(command(connections, seconds).arg(format!("http://{address}"))).await?;
    ensure!(
        !text.contains("Non-2xx") && !text.contains("Socket errors"),
        "{address}: {text}"
    );
    let mut lines = text.lines().map(str::trim);
    let Some(rate) = lines.find_map(|line| line.strip_prefix("Requests/sec:")) else {
        bail!("wrk said nothing of requests:\n{text}");
    };
    Ok(rate.trim().parse()?)
}

fn command(connections: u32, seconds: u32) -> Command {
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "1", "--timeout", "10s"])
        .args(["--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s")]);
    command
}

async fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .context("wrk can't be run: install it (`apt-get install wrk`, `brew install wrk`)")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
