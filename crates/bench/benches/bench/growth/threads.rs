//! One ingest process with more and more threads that serve connections.

use anyhow::Context as _;
use vote_testkit::RedisServer;

use super::{Clock, Notes, Points, in_rounds};
use crate::cli::GrowthOptions;
use crate::plot::Chart;
use crate::redis_done::Done;
use crate::server::Server;
use crate::spread::{as_f64, number};
use crate::wrk::Wrk;

const THREADS: [u32; 4] = [1, 2, 4, 8];
const CONNECTIONS: u32 = 256;
const SECONDS: u32 = 5;

/// Accepted votes a second, and processor time in seconds a million of them.
struct Seen {
    rate: f64,
    ingest: f64,
    redis: f64,
}

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let wrk = Wrk::new(&options.common.out)?;
    let mut peak = Points::new(&["256 connections"]);
    let mut cost = Points::new(&["ingest", "Redis"]);
    let once = async |threads| once(options, &wrk, threads).await;
    in_rounds(
        options,
        clock,
        notes,
        (&THREADS, "threads"),
        once,
        |threads, seen| {
            peak.add(threads, 0, seen.rate);
            cost.add(threads, 0, seen.ingest);
            cost.add(threads, 1, seen.redis);
            format!(
                "{} votes/s, {} + {} s a million",
                number(seen.rate, 0),
                number(seen.ingest, 1),
                number(seen.redis, 1)
            )
        },
    )
    .await;
    let size = "threads of ingest (http.workers)";
    Ok(vec![
        peak.chart(
            "Peak of one process, a key each",
            size,
            "accepted votes a second",
        ),
        cost.chart(
            "Processor time at that peak",
            size,
            "CPU seconds a million votes",
        ),
    ])
}

async fn once(options: &GrowthOptions, wrk: &Wrk, threads: u32) -> anyhow::Result<Seen> {
    let build = &options.common.bin_dir;
    let redis = RedisServer::start().await;
    let url = redis.url();
    build.open(&url, &["bench"], 1).await?;
    let workers = threads.to_string();
    let mut settings = options.settings();
    settings.push(("VOTE__HTTP__WORKERS", &workers));
    let ingest = Server::service(&build.ingest, &[], Some(&url), &settings);
    ingest.takes_votes("bench").await?;
    // What comes first makes lanes and connections.
    wrk.vote(&ingest.address, CONNECTIONS, 1, Some("warm"))
        .await?;
    let (done, cpu_s) = (Done::of(&redis).await?, ingest.cpu()?);
    let votes = wrk
        .vote(&ingest.address, CONNECTIONS, SECONDS, Some("peak"))
        .await
        .with_context(|| ingest.said())?;
    let (cpu_s, done) = (ingest.cpu()? - cpu_s, Done::of(&redis).await?.since(done));
    let millions = as_f64(votes.accepted) / 1e6;
    Ok(Seen {
        rate: as_f64(votes.accepted) / votes.seconds,
        ingest: cpu_s / millions,
        redis: done.cpu_s / millions,
    })
}
