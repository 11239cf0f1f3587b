//! A poll with more and more minutes behind it, which a results process reads for the first time: how late another poll's votes
//! are meanwhile, and how long the figures take.

use std::time::{Duration, Instant};

use vote_testkit::RedisServer;

use super::history::History;
use super::{Clock, Notes, Points};
use crate::cli::GrowthOptions;
use crate::load::{Load, Plan};
use crate::plot::Chart;
use crate::say::progress;
use crate::server::Server;
use crate::spread::number;
use crate::until::until;

const DAYS: [u32; 3] = [2, 30, 365];
const LOAD: Plan = Plan {
    rate: 2_000,
    seconds: 10,
    connections: 128,
};
const PATIENCE: Duration = Duration::from_secs(120);
const MINUTES_OF_A_DAY: i64 = 1_440;

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut late = Points::new(&["alone", "while the poll is first read"]);
    let mut read = Points::new(&["seconds"]);
    for days in DAYS {
        let redis = RedisServer::start().await;
        let long = History::plain("long");
        long.open(&redis, days.into()).await?;
        // But for the minutes before the poll was opened.
        long.fill(&redis, i64::from(days) * MINUTES_OF_A_DAY - 1)
            .await?;
        options
            .common
            .bin_dir
            .open(&redis.url(), &["bench"], 1)
            .await?;
        for round in 1..=options.rounds {
            if clock.is_over() {
                notes.add(format!(
                    "{days} days, round {round}: left out, the time was over"
                ));
                continue;
            }
            match once(options, &redis.url()).await {
                Ok([alone, beside, seconds]) => {
                    progress(&format!(
                        "round {round} of {}, {days} days: p99 {} ms alone, {} ms while they are read, in {} s",
                        options.rounds,
                        number(alone, 1),
                        number(beside, 1),
                        number(seconds, 1),
                    ));
                    late.add(days, 0, alone);
                    late.add(days, 1, beside);
                    read.add(days, 0, seconds);
                }
                Err(error) => notes.add(format!("{days} days, round {round}: {error:#}")),
            }
        }
    }
    Ok(vec![
        late.chart(
            "Latency of another poll's votes, p99, 2,000 a second",
            "days of the long poll",
            "milliseconds",
        ),
        read.chart(
            "Until a long poll's figures are there",
            "days of the poll",
            "seconds after the start of results",
        ),
    ])
}

/// Milliseconds of 99 in 100 votes without and with results that begins to read, and the seconds until it has read.
async fn once(options: &GrowthOptions, redis: &str) -> anyhow::Result<[f64; 3]> {
    let build = &options.common.bin_dir;
    let ingest = Server::service(&build.ingest, &[], Some(redis), &options.settings());
    ingest.takes_votes("bench").await?;
    let alone = Load::start(build, redis, &ingest.address, LOAD)?
        .end()
        .await?;
    let load = Load::start(build, redis, &ingest.address, LOAD)?;
    let began = Instant::now();
    let results = Server::service(&build.results, &[], Some(redis), &options.settings());
    let address = format!("http://{}/v1/polls/long/results", results.address);
    until(PATIENCE, async || {
        reqwest::get(&address).await?.error_for_status()?;
        Ok(())
    })
    .await?;
    let seconds = began.elapsed().as_secs_f64();
    let beside = load.end().await?;
    Ok([
        alone.latency_us.p99 / 1e3,
        beside.latency_us.p99 / 1e3,
        seconds,
    ])
}
