//! The real binaries: started, told to stop, killed, and read from outside.

use crate::engine::metrics::Metrics;
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::Instant;
use vote_client::get;
use vote_domain::Clock as _;
use vote_runtime::SystemClock;
use vote_testkit::free_port;

/// How long a service may take to be ready, and to end once it was told to.
const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(25);

/// Environment variables of a service.
pub(crate) type Env = Vec<(String, String)>;

/// A service's process. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    program: PathBuf,
    env: Env,
    log: PathBuf,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    child: Option<Child>,
    /// When it was started first, by our clock.
    started: Timestamp,
    /// Metrics of the processes before this one, read before they were told to end.
    before: Metrics,
}

impl Service {
    /// Starts a service on two ports of its own, and waits until it is ready.
    pub(crate) async fn start(
        name: &str,
        program: &Path,
        logs: &Path,
        env: Env,
    ) -> anyhow::Result<Self> {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut service = Self {
            name: name.to_owned(),
            program: program.to_owned(),
            env,
            log: logs.join(format!("{name}.log")),
            address: local(free_port()),
            admin: local(free_port()),
            child: None,
            started: SystemClock.now(),
            before: Metrics::default(),
        };
        service.restart().await?;
        Ok(service)
    }

    /// Starts it again on the same ports, and waits until it is ready.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.spawn()?;
        let until = Instant::now() + START;
        while !self.is_ready().await {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok()?);
            if let Some(status) = ended {
                bail!(
                    "{} ended at its start ({status}); see {}",
                    self.name,
                    self.log.display()
                );
            }
            if Instant::now() >= until {
                bail!(
                    "{} was not ready within {START:?}; see {}",
                    self.name,
                    self.log.display()
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    fn spawn(&mut self) -> anyhow::Result<()> {
        let log = || -> std::io::Result<(File, File)> {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.log)?;
            Ok((file.try_clone()?, file))
        };
        let (out, errors) = log().with_context(|| format!("can't write {}", self.log.display()))?;
        let mut command = Command::new(&self.program);
        // Settings of whoever runs the suite are not those of the services.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("VOTE__") || text.starts_with("OTEL_") {
                command.env_remove(&name);
            }
        }
        let child = command
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env("VOTE__HTTP__BIND", self.address.to_string())
            .env("VOTE__ADMIN__BIND", self.admin.to_string())
            .env("VOTE__LOG__FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors)
            // A group of its own: Ctrl-C reaches the suite alone, which stops what it has started.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("can't start {}", self.program.display()))?;
        self.child = Some(child);
        Ok(())
    }

    pub(crate) async fn is_ready(&self) -> bool {
        let answer = get(self.address, "/readyz", Duration::from_secs(2)).await;
        matches!(answer, Some((200, _)))
    }

    /// `SIGKILL`, and reaps it.
    pub(crate) async fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _killed = child.kill().await;
        }
    }

    /// `SIGTERM`, and waits for the end.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.before = self.metrics().await;
        let Some(mut child) = self.child.take() else {
            bail!("{} does not run", self.name);
        };
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).context("can't send SIGTERM")?;
        }
        match tokio::time::timeout(STOP, child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} had not ended {STOP:?} after SIGTERM", self.name),
        }
    }

    /// What this process' metrics say, and those before it that were told to end.
    pub(crate) async fn metrics(&self) -> Metrics {
        let answer = get(self.admin, "/metrics", Duration::from_secs(5)).await;
        let now = answer.map(|(_, body)| Metrics::parse(&String::from_utf8_lossy(&body)));
        self.before.and(now.unwrap_or_default())
    }

    /// The status and JSON of a `GET` on the public port.
    pub(crate) async fn get(&self, path: &str) -> Option<(u16, serde_json::Value)> {
        let (status, body) = get(self.address, path, Duration::from_secs(5)).await?;
        let json = serde_json::from_slice(&body).unwrap_or(serde_json::Value::Null);
        Some((status, json))
    }

    /// Takes back settings that it was started with, from its next start on: those whose name begins so.
    pub(crate) fn unset(&mut self, beginning: &str) {
        self.env.retain(|(name, _)| !name.starts_with(beginning));
    }

    /// Where it logs to.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// By how much its clock is ahead of ours, and the time that it took to start, in milliseconds: its first log line
    /// tells.
    pub(crate) fn ahead_ms(&self) -> anyhow::Result<i64> {
        let log = std::fs::read_to_string(&self.log)?;
        let line = log.lines().next().context("the log is empty")?;
        let line: serde_json::Value = serde_json::from_str(line)?;
        let at = line["timestamp"]
            .as_str()
            .context("a log line without a timestamp")?;
        let at: Timestamp = at.parse()?;
        Ok(at.as_millisecond() - self.started.as_millisecond())
    }
}
