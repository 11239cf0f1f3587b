//! The service as a process of its own.

use vote_testkit::{ChildProcess, eventually, free_port};

use crate::app::{DEADLINE, POLL};

/// A process of vote-ingest that knows its polls.
pub(crate) struct Process {
    pub(crate) child: ChildProcess,
    pub(crate) url: String,
    admin: String,
}

impl Process {
    /// Starts one with that Redis and these settings.
    pub(crate) async fn start(redis: &str, settings: &[(&str, &str)]) -> Self {
        let public = format!("127.0.0.1:{}", free_port());
        let admin = format!("127.0.0.1:{}", free_port());
        let mut child = ChildProcess::builder(env!("CARGO_BIN_EXE_vote-ingest"))
            .env("VOTE__REDIS__URL", redis)
            .env("VOTE__HTTP__BIND", &public)
            .env("VOTE__ADMIN__BIND", &admin)
            .env("VOTE__SHUTDOWN__GRACE_MS", "0");
        for (name, value) in settings {
            child = child.env(name, value);
        }
        let process = Self {
            child: child.spawn(),
            url: format!("http://{public}"),
            admin: format!("http://{admin}"),
        };
        let ready = format!("{}/readyz", process.url);
        let is_ready = || async {
            let answer = reqwest::get(&ready).await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        eventually(DEADLINE, is_ready).await;
        process
    }

    /// Where votes go.
    pub(crate) fn votes(&self) -> String {
        format!("{}/v1/polls/{POLL}/votes", self.url)
    }

    pub(crate) async fn metrics(&self) -> String {
        let answer = reqwest::get(format!("{}/metrics", self.admin)).await;
        answer.expect("an answer").text().await.expect("text")
    }
}
