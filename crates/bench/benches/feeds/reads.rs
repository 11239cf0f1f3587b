//! Feeds under readers, against constant bodies.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;
use vote_testkit::{RedisServer, eventually};

use crate::floor::BODIES;
use crate::poll::open_poll;
use crate::service::Service;
use crate::votes::Votes;
use crate::{number, say};

/// Connections of the closed loop.
const CONNECTIONS: [u32; 2] = [64, 256];
/// The feeds that are measured, as their addresses end.
const FEEDS: [&str; 2] = ["rows.json", "csv"];
const START: Duration = Duration::from_secs(20);

/// Reads a second of one feed under so many connections, round by round.
#[derive(Debug)]
struct Turn {
    feed: &'static str,
    connections: u32,
    service: Vec<f64>,
    floor: Vec<f64>,
}

pub(crate) async fn measure() -> anyhow::Result<()> {
    let rounds = number("BENCH_ROUNDS", 5);
    let seconds = number("BENCH_SECONDS", 4);
    let redis = RedisServer::start().await;
    open_poll(&redis.url()).await?;
    let service = Service::start("serve-results", &redis.url(), &[]).await?;
    some_votes(&redis, &service).await?;
    let folder = std::env::temp_dir().join(format!("vote-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    for feed in FEEDS {
        std::fs::write(folder.join(feed), read(&service, feed).await?)?;
    }
    let bodies = folder.to_string_lossy().into_owned();
    let floor = Service::start("serve-floor", &redis.url(), &[(BODIES, &bodies)]).await?;
    std::fs::remove_dir_all(&folder)?;

    let quiet = commands_per_second(&redis, async {
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
        Ok(())
    })
    .await?;
    let mut turns: Vec<Turn> = CONNECTIONS
        .into_iter()
        .flat_map(|connections| FEEDS.map(|feed| (feed, connections)))
        .map(|(feed, connections)| Turn {
            feed,
            connections,
            service: Vec::new(),
            floor: Vec::new(),
        })
        .collect();
    let busy = commands_per_second(&redis, async {
        for round in 0..rounds {
            for turn in &mut turns {
                turn.measure(&service, &floor, seconds, round.is_multiple_of(2))
                    .await?;
            }
            say(&format!("round {} of {rounds} done", round + 1));
        }
        Ok(())
    })
    .await?;
    say("\nreads a second ÷ those of constant bodies, median of rounds (least to greatest):");
    for turn in &turns {
        turn.report();
    }
    say(&format!(
        "Redis commands a second: {quiet:.1} without readers, {busy:.1} with them"
    ));
    Ok(())
}

impl Turn {
    /// Whoever is second finds the machine warmer: nobody is that each time.
    async fn measure(
        &mut self,
        service: &Service,
        floor: &Service,
        seconds: u32,
        is_service_first: bool,
    ) -> anyhow::Result<()> {
        let rate = |server| wrk(server, self.feed, self.connections, seconds);
        let (of_service, of_floor) = if is_service_first {
            let first = rate(service).await?;
            (first, rate(floor).await?)
        } else {
            let first = rate(floor).await?;
            (rate(service).await?, first)
        };
        self.service.push(of_service);
        self.floor.push(of_floor);
        Ok(())
    }

    fn report(&self) {
        let ratios = self.service.iter().zip(&self.floor);
        let [least, median, greatest] = spread(ratios.map(|(one, other)| one / other).collect());
        let [_, reads, _] = spread(self.service.clone());
        let Self {
            feed, connections, ..
        } = self;
        say(&format!(
            "  {connections:>5} connections  {feed:<10} {median:>6.3}  ({least:.3} to {greatest:.3})  {reads:>8.0} reads a second"
        ));
    }
}

/// Some figures to show, and then no more of them.
async fn some_votes(redis: &RedisServer, results: &Service) -> anyhow::Result<()> {
    let ingest = Service::start("serve-ingest", &redis.url(), &[]).await?;
    let votes = Votes::every(&ingest.address, Duration::from_millis(5));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let accepted = votes.stop().len();
    ensure!(accepted > 0, "no vote was accepted");
    eventually(START, || async {
        total_votes(results)
            .await
            .is_ok_and(|shown| shown >= accepted)
    })
    .await;
    // Those that were out when the others ended.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}

async fn total_votes(results: &Service) -> anyhow::Result<usize> {
    let body = String::from_utf8(read(results, "rows.json").await?)?;
    let (_, rest) = body.split_once("\"total_votes\":").context("no total")?;
    let digits = rest.split_once(',').context("no end")?.0;
    Ok(digits.parse()?)
}

fn url(server: &Service, feed: &str) -> String {
    format!("http://{}/v1/polls/bench/results.{feed}", server.address)
}

async fn read(server: &Service, feed: &str) -> anyhow::Result<Vec<u8>> {
    let answer = reqwest::get(url(server, feed)).await?.error_for_status()?;
    Ok(answer.bytes().await?.to_vec())
}

/// Reads a second.
async fn wrk(server: &Service, feed: &str, connections: u32, seconds: u32) -> anyhow::Result<f64> {
    let output = Command::new("wrk")
        .args(["--threads", "1", "--timeout", "10s"])
        .args(["--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s")])
        .arg(url(server, feed))
        .stderr(Stdio::inherit())
        .output()
        .await
        .context("wrk can't be run: install it (`apt-get install wrk`, `brew install wrk`)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        !text.contains("Non-2xx") && !text.contains("Socket errors"),
        "{feed}: {text}"
    );
    let Some(rate) = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Requests/sec:"))
    else {
        bail!("wrk said nothing of requests:\n{text}");
    };
    Ok(rate.trim().parse()?)
}

/// How many commands a second Redis was given while `during` ran.
async fn commands_per_second(
    redis: &RedisServer,
    during: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<f64> {
    let (before, began) = (commands(redis).await?, Instant::now());
    during.await?;
    Ok((commands(redis).await? - before) / began.elapsed().as_secs_f64())
}

async fn commands(redis: &RedisServer) -> anyhow::Result<f64> {
    let mut connection = redis.connection().await;
    let info: String = redis::cmd("INFO")
        .arg("stats")
        .query_async(&mut connection)
        .await?;
    let count = info
        .lines()
        .find_map(|line| line.strip_prefix("total_commands_processed:"));
    Ok(count.context("Redis counts no commands")?.trim().parse()?)
}

/// Least, median and greatest.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    [
        at(0),
        at(values.len() / 2),
        at(values.len().saturating_sub(1)),
    ]
}
