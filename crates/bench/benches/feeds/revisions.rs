//! The processor time of a revision.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use vote_testkit::{RedisServer, eventually, free_port};

use crate::poll::open_poll;
use crate::service::Service;
use crate::votes::Votes;
use crate::{number, say};

/// Figures are read so often, so that there are many revisions to share what can't be told to more than a hundredth of a
/// second.
const INTERVAL_MS: &str = "50";
/// Votes come faster than figures are read: each reading is a revision.
const VOTES: Duration = Duration::from_millis(20);
const START: Duration = Duration::from_secs(20);

pub(crate) async fn measure() -> anyhow::Result<()> {
    let seconds = number("BENCH_SECONDS", 4) * 5;
    let redis = RedisServer::start().await;
    open_poll(&redis.url()).await?;
    let ingest = Service::start("serve-ingest", &redis.url(), &[]).await?;
    let admin = format!("127.0.0.1:{}", free_port());
    let settings = [
        ("VOTE__SNAPSHOT__INTERVAL_MS", INTERVAL_MS),
        ("VOTE__ADMIN__BIND", admin.as_str()),
    ];
    let results = Service::start("serve-results", &redis.url(), &settings).await?;
    let quiet = Turn::measure(&results, &admin, seconds).await?;
    let votes = Votes::every(&ingest.address, VOTES);
    let before = revisions(&admin).await?;
    eventually(START, || async {
        revisions(&admin).await.is_ok_and(|now| now > before)
    })
    .await;
    let busy = Turn::measure(&results, &admin, seconds).await?;
    votes.stop();
    ensure!(
        busy.revisions > quiet.revisions,
        "no revision was made while votes came"
    );
    let made = busy.revisions - quiet.revisions;
    say(&format!(
        "a revision of four candidates with all formats: {:.2} ms of processor time ({made} revisions in {seconds} s)",
        (busy.cpu - quiet.cpu) / made * 1000.0,
    ));
    Ok(())
}

/// What a stretch of time took.
struct Turn {
    cpu: f64,
    revisions: f64,
}

impl Turn {
    async fn measure(results: &Service, admin: &str, seconds: u32) -> anyhow::Result<Self> {
        let (cpu, made) = (results.cpu()?, revisions(admin).await?);
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
        Ok(Self {
            cpu: results.cpu()? - cpu,
            revisions: revisions(admin).await? - made,
        })
    }
}

/// How often the standing was made anew.
async fn revisions(admin: &str) -> anyhow::Result<f64> {
    let metrics = reqwest::get(format!("http://{admin}/metrics"))
        .await?
        .text()
        .await?;
    let of_standing = |line: &&str| {
        line.starts_with("vote_renders_total{") && line.contains("representation=\"results\"")
    };
    let found = metrics.lines().find(of_standing);
    let line = found.context("no standing was made")?;
    let count = line.rsplit(' ').next().context("a number")?;
    Ok(count.parse()?)
}
