//! One poll of 48 shards on a cluster of three masters, at more and more votes a second: what `make capacity` works out, with
//! real servers.

use vote_testkit::RedisCluster;

use super::{Clock, Notes, Points, in_rounds};
use crate::cli::GrowthOptions;
use crate::load::{Load, Plan};
use crate::metrics::sum;
use crate::plot::Chart;
use crate::process::cpu;
use crate::server::Server;
use crate::spread::{as_f64, number};

const RATES: [u32; 3] = [1_000, 4_000, 10_000];
const SHARDS: u16 = 48;
const SECONDS: u32 = 6;
const CONNECTIONS: u32 = 128;

struct Seen {
    ingest: f64,
    redis: f64,
    votes_per_batch: f64,
    p50_ms: f64,
    p99_ms: f64,
}

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut cost = Points::new(&["ingest", "Redis"]);
    let mut batches = Points::new(&["votes a batch"]);
    let mut times = Points::new(&["p50", "p99"]);
    let once = async |rate| once(options, rate).await;
    in_rounds(
        options,
        clock,
        notes,
        (&RATES, "votes/s on three masters"),
        once,
        |rate, seen| {
            cost.add(rate, 0, seen.ingest);
            cost.add(rate, 1, seen.redis);
            batches.add(rate, 0, seen.votes_per_batch);
            times.add(rate, 0, seen.p50_ms);
            times.add(rate, 1, seen.p99_ms);
            format!(
                "{} + {} s a million, {} votes a batch, p99 {} ms",
                number(seen.ingest, 1),
                number(seen.redis, 1),
                number(seen.votes_per_batch, 1),
                number(seen.p99_ms, 1),
            )
        },
    )
    .await;
    Ok(vec![
        cost.chart(
            "Three masters, 48 shards: processor time",
            "votes a second",
            "CPU seconds a million votes",
        ),
        batches.chart(
            "Three masters, 48 shards: batches",
            "votes a second",
            "votes a batch",
        ),
        times.chart(
            "Three masters, 48 shards: answers",
            "votes a second",
            "milliseconds",
        ),
    ])
}

async fn once(options: &GrowthOptions, rate: u32) -> anyhow::Result<Seen> {
    let build = &options.common.bin_dir;
    let cluster = RedisCluster::builder().replicas(0).start().await;
    let url = cluster.url();
    build.open(&url, &["bench"], SHARDS).await?;
    let ingest = Server::service(&build.ingest, &[], Some(&url), &options.settings());
    ingest.takes_votes("bench").await?;
    let plan = |seconds| Plan {
        rate,
        seconds,
        connections: CONNECTIONS,
    };
    // All lanes are there, with their connections and the script.
    Load::start(build, &url, &ingest.address, plan(1))?
        .end()
        .await?;
    let so_far = async || -> anyhow::Result<(f64, f64, f64)> {
        let pids = cluster.nodes().iter().filter_map(|node| node.pid());
        let redis = pids.map(cpu).sum::<anyhow::Result<f64>>()?;
        let batches = sum(&ingest.admin, "vote_batch_votes_count").await?;
        Ok((ingest.cpu()?, redis, batches))
    };
    let before = so_far().await?;
    let loaded = Load::start(build, &url, &ingest.address, plan(SECONDS))?
        .end()
        .await?;
    let after = so_far().await?;
    let votes = as_f64(loaded.accepted);
    Ok(Seen {
        ingest: (after.0 - before.0) / votes * 1e6,
        redis: (after.1 - before.1) / votes * 1e6,
        votes_per_batch: votes / (after.2 - before.2).max(1.0),
        p50_ms: loaded.latency_us.p50 / 1e3,
        p99_ms: loaded.latency_us.p99 / 1e3,
    })
}
