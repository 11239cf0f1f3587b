//! A server that takes votes, as a process of its own.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vote_testkit::{ChildProcess, free_port};

use crate::floors::{BODY, Floor};
use crate::process::cpu;
use crate::until::until;

const START: Duration = Duration::from_secs(30);

/// A process that listens.
pub(crate) struct Server {
    /// Of its public port.
    pub(crate) address: String,
    /// Of its operators' port, where it has one.
    pub(crate) admin: String,
    process: ChildProcess,
}

impl Server {
    /// Starts a service of ours, with these settings beside the addresses; not waited for.
    pub(crate) fn service(
        program: &Path,
        args: &[&str],
        redis: Option<&str>,
        settings: &[(&str, &str)],
    ) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let admin = format!("127.0.0.1:{}", free_port());
        let mut process = ChildProcess::builder(program)
            .args(args)
            .env("VOTE__HTTP__BIND", &address)
            .env("VOTE__ADMIN__BIND", &admin)
            .env("VOTE__LOG__LEVEL", "warn");
        if let Some(redis) = redis {
            process = process.env("VOTE__REDIS__URL", redis);
        }
        for (name, value) in settings {
            process = process.env(name, value);
        }
        Self {
            address,
            admin,
            process: process.spawn(),
        }
    }

    /// Starts one of the floors; not waited for.
    pub(crate) fn floor(floor: Floor, redis: Option<&str>) -> anyhow::Result<Self> {
        Self::floor_of(floor, redis, None)
    }

    /// Starts one that answers with what is in that file.
    pub(crate) fn floor_of(
        floor: Floor,
        redis: Option<&str>,
        body: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let this = std::env::current_exe()?;
        let body = body.map(|path| path.to_string_lossy().into_owned());
        let body = body.as_deref().map(|path| (BODY, path));
        if matches!(floor, Floor::PerVote | Floor::NoRedis | Floor::BodyRoute) {
            // They read where to listen from their settings.
            let args = ["serve", &floor.name(), "--bind", "127.0.0.1:0"];
            let settings: Vec<_> = body.into_iter().collect();
            return Ok(Self::service(&this, &args, redis, &settings));
        }
        let address = format!("127.0.0.1:{}", free_port());
        let mut process =
            ChildProcess::builder(this).args(["serve", &floor.name(), "--bind", &address]);
        if let Some((name, path)) = body {
            process = process.env(name, path);
        }
        let process = process.spawn();
        let admin = String::new();
        Ok(Self {
            address,
            admin,
            process,
        })
    }

    /// Waits until it has taken a vote; votes that it took meanwhile: one.
    pub(crate) async fn takes_votes(&self, poll: &str) -> anyhow::Result<u64> {
        self.takes(poll, "").await.map(|()| 1)
    }

    /// The same of a vote with further headers.
    pub(crate) async fn takes(&self, poll: &str, headers: &str) -> anyhow::Result<()> {
        let taken = until(START, async || {
            match self.vote(poll, headers).await?.as_str() {
                "201" => Ok(()),
                status => bail!("a vote was answered {status}"),
            }
        });
        let taken = taken.await;
        taken.with_context(|| self.said())
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn is_ready(&self) -> anyhow::Result<()> {
        let address = format!("http://{}/readyz", self.address);
        until(START, async || {
            reqwest::get(&address).await?.error_for_status()?;
            Ok(())
        })
        .await
    }

    /// The body of an answer that is a success.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let answer = reqwest::get(format!("http://{}{path}", self.address)).await?;
        Ok(answer.error_for_status()?.bytes().await?.into())
    }

    /// The status of an answer, at little cost: for who asks often.
    pub(crate) async fn status(&self, path: &str) -> anyhow::Result<u16> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
        Ok(self.ask(&request).await?.parse()?)
    }

    /// The status of the answer to one vote.
    async fn vote(&self, poll: &str, headers: &str) -> anyhow::Result<String> {
        let vote = format!(
            "POST /v1/polls/{poll}/votes HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
             {headers}Content-Length: 19\r\n\r\n{{\"candidate\":\"ana\"}}"
        );
        self.ask(&vote).await
    }

    /// The status of the answer.
    async fn ask(&self, request: &str) -> anyhow::Result<String> {
        let mut connection = TcpStream::connect(&self.address).await?;
        connection.write_all(request.as_bytes()).await?;
        let mut answer = [0; 4096];
        let read = connection.read(&mut answer).await?;
        let head = String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned();
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        Ok(status.context("it is no HTTP")?.to_owned())
    }

    /// What it has written: a server that goes wrong says why.
    pub(crate) fn said(&self) -> String {
        let lines = self.process.lines();
        let last = lines.iter().rev().take(3).rev();
        last.map(|line| line.text.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        let said = || format!("the server has ended: {}", self.said());
        self.process.pid().with_context(said)
    }

    /// Seconds of processor time so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        cpu(self.pid()?)
    }
}
