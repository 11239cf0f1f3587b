//! A poll of 64 candidates and 8 channels over 8 shards, which changes in all of them at each tick: how long Redis works on what
//! results reads, with more and more hours behind it.

use std::time::{Duration, Instant};

use anyhow::ensure;
use vote_testkit::RedisServer;

use super::history::{History, connection};
use super::{Clock, Notes, Points, in_rounds};
use crate::cli::GrowthOptions;
use crate::plot::Chart;
use crate::redis_done::Spent;
use crate::server::Server;
use crate::spread::number;
use crate::until::until;

const HOURS: [u32; 3] = [3, 12, 48];
const SHARDS: u16 = 8;
const CHANNELS: u16 = 8;
const CANDIDATES: u16 = 64;
/// Of `snapshot.interval_ms`, as the defaults have it.
const TICK: Duration = Duration::from_millis(250);
/// Until all that is over has been read.
const PATIENCE: Duration = Duration::from_secs(240);
const SECONDS: u32 = 10;

struct Seen {
    ms_a_tick: f64,
    seconds: f64,
}

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut ticks = Points::new(&["Redis"]);
    let mut first = Points::new(&["seconds"]);
    let once = async |hours| once(options, hours).await;
    in_rounds(
        options,
        clock,
        notes,
        (&HOURS, "hours of 64 × 8"),
        once,
        |hours, seen: Seen| {
            ticks.add(hours, 0, seen.ms_a_tick);
            first.add(hours, 0, seen.seconds);
            format!(
                "{} ms of Redis a tick, there after {} s",
                number(seen.ms_a_tick, 2),
                number(seen.seconds, 1)
            )
        },
    )
    .await;
    let size = "hours of 64 candidates × 8 channels, 8 shards";
    Ok(vec![
        ticks.chart(
            "Redis' time for what results reads at a tick, all shards changing",
            size,
            "milliseconds a tick",
        ),
        first.chart(
            "Until a wide poll's figures are there",
            size,
            "seconds after the start of results",
        ),
    ])
}

async fn once(options: &GrowthOptions, hours: u32) -> anyhow::Result<Seen> {
    let poll = History::wide("wide", SHARDS, CHANNELS, (CANDIDATES, "nome"));
    let redis = RedisServer::start().await;
    poll.open(&redis, 3).await?;
    poll.fill(&redis, i64::from(hours) * 60).await?;
    let (build, settings) = (&options.common.bin_dir, options.settings());
    let results = Server::service(&build.results, &[], Some(&redis.url()), &settings);
    let began = Instant::now();
    let figures = async || results.get("/v1/polls/wide/results").await;
    until(PATIENCE, figures).await?;
    let seconds = began.elapsed().as_secs_f64();
    let mut connection = connection(&redis).await?;
    let changing = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            if poll.change(&mut connection).await.is_err() {
                return;
            }
        }
    });
    let shown = figures().await?;
    // The first ones are read on top of what nobody had asked for.
    tokio::time::sleep(TICK * 8).await;
    let (since, before) = (Instant::now(), spent(&redis).await?);
    tokio::time::sleep(options.lasting(SECONDS)).await;
    let (ticks, after) = (
        since.elapsed().as_secs_f64() / TICK.as_secs_f64(),
        spent(&redis).await?,
    );
    let is_changing = !changing.is_finished();
    changing.abort();
    ensure!(is_changing, "the votes ended");
    ensure!(shown != figures().await?, "the figures stood still");
    Ok(Seen {
        ms_a_tick: (after - before) / 1e3 / ticks,
        seconds,
    })
}

/// Microseconds that the scripts which read figures took so far, and the question whether anything has changed.
async fn spent(redis: &RedisServer) -> anyhow::Result<f64> {
    Ok(Spent::of(redis).await?.reading_us())
}
