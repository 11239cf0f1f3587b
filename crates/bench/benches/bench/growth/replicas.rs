//! Results processes that read the same polls: what they cost Redis, where nobody votes, and where one poll of many is voted in.

use std::time::{Duration, Instant};

use vote_testkit::RedisServer;

use super::{Clock, Notes, Points};
use crate::cli::GrowthOptions;
use crate::load::{Load, Plan};
use crate::plot::Chart;
use crate::poll::open_poll_as;
use crate::redis_done::Spent;
use crate::say::progress;
use crate::server::Server;
use crate::spread::{as_f64, number};

const REPLICAS: [u32; 3] = [1, 2, 4];
const POLLS: u32 = 500;
const SHARDS: u16 = 8;
const LOAD: Plan = Plan {
    rate: 500,
    seconds: 20,
    connections: 32,
};
/// Until all that has just begun comes to rest: polls that have not changed for ten seconds are read more seldom.
const REST: Duration = Duration::from_secs(12);
const MEASURED: Duration = Duration::from_secs(6);

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut reading = Points::new(&["nobody votes", "one poll is voted in"]);
    let mut cpu = Points::new(&["nobody votes", "one poll is voted in"]);
    let redis = RedisServer::start().await;
    open_poll_as(&redis.url(), "bench", SHARDS, 1).await?;
    for poll in 1..POLLS {
        open_poll_as(&redis.url(), &format!("bench-{poll}"), SHARDS, 1).await?;
    }
    for replicas in REPLICAS {
        if clock.is_over() {
            notes.add(format!("{replicas} results: left out, the time was over"));
            continue;
        }
        match once(options, &redis, replicas).await {
            Ok(seen) => {
                for (curve, seen) in seen.into_iter().enumerate() {
                    progress(&format!(
                        "{replicas} results, {}: Redis read for {} ms a second, each took {} % of a core",
                        ["nobody votes", "one poll is voted in"][curve],
                        number(seen.reading_ms, 2),
                        number(seen.results, 1),
                    ));
                    reading.add(replicas, curve, seen.reading_ms);
                    cpu.add(replicas, curve, seen.results);
                }
            }
            Err(error) => notes.add(format!("{replicas} results: {error:#}")),
        }
    }
    let size = "results processes, 500 polls of 8 shards";
    Ok(vec![
        reading.chart("Redis, for readers", size, "milliseconds a second"),
        cpu.chart("Processor time of each", size, "% of a core"),
    ])
}

struct Seen {
    reading_ms: f64,
    results: f64,
}

/// While nobody votes, and while one poll is voted in.
async fn once(
    options: &GrowthOptions,
    redis: &RedisServer,
    replicas: u32,
) -> anyhow::Result<[Seen; 2]> {
    let (build, url) = (&options.common.bin_dir, redis.url());
    let ingest = Server::service(&build.ingest, &[], Some(&url), &options.settings());
    let results: Vec<Server> = (0..replicas)
        .map(|_| Server::service(&build.results, &[], Some(&url), &options.settings()))
        .collect();
    for results in &results {
        results.is_ready().await?;
    }
    ingest.takes_votes("bench").await?;
    tokio::time::sleep(REST).await;
    let idle = see(redis, &results).await?;
    let load = Load::start(build, &url, &ingest.address, LOAD)?;
    tokio::time::sleep(REST).await;
    let voted = see(redis, &results).await?;
    load.end().await?;
    Ok([idle, voted])
}

async fn see(redis: &RedisServer, results: &[Server]) -> anyhow::Result<Seen> {
    let cpu = |results: &[Server]| -> anyhow::Result<f64> { results.iter().map(Server::cpu).sum() };
    let reading_us = async || anyhow::Ok(Spent::of(redis).await?.reading_us());
    let (began, spent, before) = (Instant::now(), reading_us().await?, cpu(results)?);
    tokio::time::sleep(MEASURED).await;
    let seconds = began.elapsed().as_secs_f64();
    let spent = reading_us().await? - spent;
    let each = (cpu(results)? - before) / as_f64(u64::try_from(results.len())?);
    Ok(Seen {
        reading_ms: spent / 1e3 / seconds,
        results: each / seconds * 100.0,
    })
}
