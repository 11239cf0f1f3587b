//! The binaries of a build, and the operator's commands by them.
//!
//! A poll is opened and audited by the `votectl` of the same build: another commit may lay Redis out in another way.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use vote_domain::Clock as _;
use vote_runtime::SystemClock;

use crate::poll_text::poll_text;

/// The binaries of one build.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    pub(crate) ingest: PathBuf,
    pub(crate) results: PathBuf,
    pub(crate) votectl: PathBuf,
}

impl Build {
    /// Of a folder, or of the folder that an ingest binary lies in.
    pub(crate) fn at(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        let (dir, ingest) = if path.is_dir() {
            (path, path.join("vote-ingest"))
        } else {
            (path.parent().unwrap_or(path), path.to_owned())
        };
        let build = Self {
            ingest,
            results: dir.join("vote-results"),
            votectl: dir.join("votectl"),
        };
        for binary in [&build.ingest, &build.votectl] {
            if !binary.is_file() {
                return Err(format!(
                    "there is no {}: `make build` there makes it",
                    binary.display()
                ));
            }
        }
        Ok(build)
    }

    /// Applies polls with these ids, and opens them.
    pub(crate) async fn open(&self, redis: &str, ids: &[&str], shards: u16) -> anyhow::Result<()> {
        self.open_with(redis, ids, shards, "").await
    }

    /// The same with further channels, as lines of the poll's file.
    pub(crate) async fn open_with(
        &self,
        redis: &str,
        ids: &[&str],
        shards: u16,
        channels: &str,
    ) -> anyhow::Result<()> {
        for id in ids {
            // Channels are what the file ends with.
            let text = poll_text(id, shards, 1, SystemClock.now())? + channels;
            self.votectl(redis, &["poll", "apply", "--yes", "-"], &text)
                .await?;
            self.votectl(redis, &["poll", "open", id], "").await?;
        }
        Ok(())
    }

    /// The votes in a poll, proved by its audit.
    pub(crate) async fn audit(&self, redis: &str, poll: &str) -> anyhow::Result<u64> {
        let said = self
            .votectl(redis, &["--output", "json", "audit", poll], "")
            .await?;
        let report: Value = serde_json::from_str(&said).context("the audit is no JSON")?;
        // A total may have more digits than a number of JSON is safe with.
        let total = match &report["total"] {
            Value::String(text) => text.parse().ok(),
            number => number.as_u64(),
        };
        total.with_context(|| format!("the audit has no total: {said}"))
    }

    async fn votectl(&self, redis: &str, args: &[&str], input: &str) -> anyhow::Result<String> {
        let mut child = Command::new(&self.votectl)
            .args(["--redis", redis])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} can't be run", self.votectl.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        ensure!(
            output.status.success(),
            "votectl {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
