//! One shard, and more and more ingest processes that share the votes.

use vote_testkit::RedisServer;

use super::{Clock, Notes, Points, in_rounds};
use crate::cli::GrowthOptions;
use crate::load::{Load, Plan};
use crate::plot::Chart;
use crate::redis_done::Done;
use crate::server::Server;
use crate::spread::{as_f64, number};

const PROCESSES: [u32; 3] = [1, 2, 4];
/// Of all processes together.
const RATE: u32 = 4_000;
const SECONDS: u32 = 6;
const CONNECTIONS: u32 = 128;

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut cost = Points::new(&["ingest", "Redis"]);
    let once = async |processes| once(options, processes).await;
    in_rounds(
        options,
        clock,
        notes,
        (&PROCESSES, "processes"),
        once,
        |processes, (ingest, redis)| {
            cost.add(processes, 0, ingest);
            cost.add(processes, 1, redis);
            format!(
                "{} + {} s a million at {RATE} votes/s",
                number(ingest, 1),
                number(redis, 1),
            )
        },
    )
    .await;
    Ok(vec![cost.chart(
        "Processor time at 4,000 keyed votes a second, one shard",
        "ingest processes",
        "CPU seconds a million votes",
    )])
}

/// Processor time of all ingest processes and of Redis, in seconds a million votes.
async fn once(options: &GrowthOptions, processes: u32) -> anyhow::Result<(f64, f64)> {
    let build = &options.common.bin_dir;
    let redis = RedisServer::start().await;
    let url = redis.url();
    build.open(&url, &["bench"], 1).await?;
    let servers: Vec<Server> = (0..processes)
        .map(|_| Server::service(&build.ingest, &[], Some(&url), &options.settings()))
        .collect();
    for server in &servers {
        server.takes_votes("bench").await?;
    }
    let plan = |seconds| Plan {
        rate: RATE / processes,
        seconds,
        connections: CONNECTIONS / processes,
    };
    votes(options, &url, &servers, plan(1)).await?;
    let spent = || servers.iter().map(Server::cpu).sum::<anyhow::Result<f64>>();
    let (done, cpu_s) = (Done::of(&redis).await?, spent()?);
    let accepted = votes(options, &url, &servers, plan(SECONDS)).await?;
    let (cpu_s, done) = (spent()? - cpu_s, Done::of(&redis).await?.since(done));
    let millions = as_f64(accepted) / 1e6;
    Ok((cpu_s / millions, done.cpu_s / millions))
}

/// A load on each of them, all at once; how many votes were accepted.
async fn votes(
    options: &GrowthOptions,
    redis: &str,
    servers: &[Server],
    plan: Plan,
) -> anyhow::Result<u64> {
    let loads = servers
        .iter()
        .map(|server| Load::start(&options.common.bin_dir, redis, &server.address, plan));
    let loads = loads.collect::<anyhow::Result<Vec<Load>>>()?;
    let mut accepted = 0;
    for load in loads {
        accepted += load.end().await?.accepted;
    }
    Ok(accepted)
}
