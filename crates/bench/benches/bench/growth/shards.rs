//! One poll over more and more shards.

use anyhow::Context as _;
use vote_testkit::RedisServer;

use super::{Clock, Notes, Points, in_rounds};
use crate::cli::GrowthOptions;
use crate::load::{Load, Plan};
use crate::plot::Chart;
use crate::redis_done::Done;
use crate::server::Server;
use crate::spread::{as_f64, number};
use crate::wrk::Wrk;

const SHARDS: [u32; 4] = [1, 8, 48, 256];
/// The steady load.
const STEADY: Plan = Plan {
    rate: 4_000,
    seconds: 8,
    connections: 128,
};
/// The closed loops that find the peak. Over the fewer connections 256 shards have a vote each in flight, so that each is a batch
/// of its own whatever lanes do.
const PEAK_CONNECTIONS: [u32; 2] = [256, 2_048];
const PEAK_SECONDS: u32 = 5;

/// Processor time of a million votes, and the peak.
#[derive(Debug, Clone, Copy)]
struct Seen {
    ingest: f64,
    redis: f64,
    peaks: [f64; 2],
}

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let wrk = Wrk::new(&options.common.out)?;
    let mut cost = Points::new(&["ingest", "Redis"]);
    let mut peak = Points::new(&["256 connections", "2,048 connections"]);
    let once = async |shards| once(options, &wrk, u16::try_from(shards)?).await;
    in_rounds(
        options,
        clock,
        notes,
        (&SHARDS, "shards"),
        once,
        |shards, seen| {
            cost.add(shards, 0, seen.ingest);
            cost.add(shards, 1, seen.redis);
            peak.add(shards, 0, seen.peaks[0]);
            peak.add(shards, 1, seen.peaks[1]);
            format!(
                "{} + {} s a million at {} votes/s, peak {} and {} votes/s",
                number(seen.ingest, 1),
                number(seen.redis, 1),
                STEADY.rate,
                number(seen.peaks[0], 0),
                number(seen.peaks[1], 0)
            )
        },
    )
    .await;
    Ok(vec![
        cost.chart(
            "Processor time at 4,000 keyed votes a second",
            "shards",
            "CPU seconds a million votes",
        ),
        peak.chart("Peak, a key each", "shards", "accepted votes a second"),
    ])
}

async fn once(options: &GrowthOptions, wrk: &Wrk, shards: u16) -> anyhow::Result<Seen> {
    let build = &options.common.bin_dir;
    let redis = RedisServer::start().await;
    let url = redis.url();
    build.open(&url, &["bench"], shards).await?;
    let ingest = Server::service(&build.ingest, &[], Some(&url), &options.settings());
    ingest.takes_votes("bench").await?;
    // All lanes are there, with their connections and the script.
    let warm = Plan {
        seconds: 1,
        ..STEADY
    };
    Load::start(build, &url, &ingest.address, warm)?
        .end()
        .await?;
    let (done, cpu_s) = (Done::of(&redis).await?, ingest.cpu()?);
    let loaded = Load::start(build, &url, &ingest.address, STEADY)?
        .end()
        .await?;
    let cpu_s = ingest.cpu()? - cpu_s;
    let done = Done::of(&redis).await?.since(done);
    let millions = as_f64(loaded.accepted) / 1e6;
    let mut peaks = [0.0; 2];
    for (peak, connections) in peaks.iter_mut().zip(PEAK_CONNECTIONS) {
        let keys = format!("peak-{connections}");
        let votes = wrk
            .vote(&ingest.address, connections, PEAK_SECONDS, Some(&keys))
            .await
            .with_context(|| format!("at the peak: {}", ingest.said()))?;
        *peak = as_f64(votes.accepted) / votes.seconds;
    }
    Ok(Seen {
        ingest: cpu_s / millions,
        redis: done.cpu_s / millions,
        peaks,
    })
}
