//! How late answers are in an open loop, at a quarter, a half and three quarters of the peak; beside another build at the same rates,
//! in turns.

use std::cell::Cell;

use anyhow::Context as _;
use vote_testkit::RedisServer;

use super::{Clock, Notes, Points, in_rounds};
use crate::binaries::Build;
use crate::cli::GrowthOptions;
use crate::load::{Load, Plan};
use crate::plot::Chart;
use crate::say::progress;
use crate::server::Server;
use crate::spread::{as_f64, number};
use crate::wrk::Wrk;

/// Of the peak, in hundredths.
const SHARES: [u32; 3] = [25, 50, 75];
const SECONDS: u32 = 8;
/// The closed loop that finds the peak.
const PEAK_CONNECTIONS: u32 = 256;
const PEAK_SECONDS: u32 = 6;
const CONNECTIONS: u32 = 512;

/// Milliseconds of half, and of 99 in 100 votes.
#[derive(Clone, Copy)]
struct Times {
    p50: f64,
    p99: f64,
}

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let peak = match peak(options).await {
        Ok(peak) => peak,
        Err(error) => {
            notes.add(format!("the peak: {error:#}"));
            return Ok(Vec::new());
        }
    };
    progress(&format!("the peak: {} votes/s", number(peak, 0)));
    let labels: &[&str] = match options.compare {
        Some(_) => &["p50", "p99", "p50 before", "p99 before"],
        None => &["p50", "p99"],
    };
    let mut times = Points::new(labels);
    let mut ratio = Points::new(&["p99 ÷ before"]);
    // Whoever is second finds the machine warmer: nobody is that each time.
    let is_before_first = Cell::new(false);
    let once = async |share| {
        is_before_first.set(!is_before_first.get());
        both(options, peak, share, is_before_first.get()).await
    };
    in_rounds(
        options,
        clock,
        notes,
        (&SHARES, "% of the peak"),
        once,
        |share, (ours, before)| {
            times.add(share, 0, ours.p50);
            times.add(share, 1, ours.p99);
            let mut said = format!("p99 {} ms", number(ours.p99, 1));
            if let Some(before) = before {
                times.add(share, 2, before.p50);
                times.add(share, 3, before.p99);
                ratio.add(share, 0, ours.p99 / before.p99);
                said += &format!(", before {} ms", number(before.p99, 1));
            }
            said
        },
    )
    .await;
    let size = "% of the peak";
    let title = format!(
        "Answers of an open loop, a key each; the peak is {} votes a second",
        number(peak, 0)
    );
    let mut charts = vec![times.chart(&title, size, "milliseconds")];
    if options.compare.is_some() {
        charts.push(ratio.chart("Answers of an open loop ÷ the build before", size, "ratio"));
    }
    Ok(charts)
}

/// Accepted votes a second of a closed loop, of this build.
async fn peak(options: &GrowthOptions) -> anyhow::Result<f64> {
    let wrk = Wrk::new(&options.common.out)?;
    let (_redis, ingest) = start(options, &options.common.bin_dir).await?;
    let seconds = options.seconds.unwrap_or(PEAK_SECONDS);
    // What comes first makes lanes and connections.
    wrk.vote(&ingest.address, PEAK_CONNECTIONS, 1, Some("warm"))
        .await?;
    let votes = wrk
        .vote(&ingest.address, PEAK_CONNECTIONS, seconds, Some("peak"))
        .await
        .with_context(|| ingest.said())?;
    Ok(as_f64(votes.accepted) / votes.seconds)
}

async fn start(options: &GrowthOptions, build: &Build) -> anyhow::Result<(RedisServer, Server)> {
    let redis = RedisServer::start().await;
    build.open(&redis.url(), &["bench"], 1).await?;
    let settings = options.settings();
    let ingest = Server::service(&build.ingest, &[], Some(&redis.url()), &settings);
    ingest.takes_votes("bench").await?;
    Ok((redis, ingest))
}

async fn both(
    options: &GrowthOptions,
    peak: f64,
    share: u32,
    is_before_first: bool,
) -> anyhow::Result<(Times, Option<Times>)> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "votes a second are few and positive"
    )]
    let rate = (peak * f64::from(share) / 100.0) as u32;
    let own = &options.common.bin_dir;
    let Some(before) = &options.compare else {
        return Ok((once(options, own, rate).await?, None));
    };
    if is_before_first {
        let before = once(options, before, rate).await?;
        return Ok((once(options, own, rate).await?, Some(before)));
    }
    let ours = once(options, own, rate).await?;
    Ok((ours, Some(once(options, before, rate).await?)))
}

async fn once(options: &GrowthOptions, build: &Build, rate: u32) -> anyhow::Result<Times> {
    let (redis, ingest) = start(options, build).await?;
    let plan = |seconds| Plan {
        rate,
        seconds,
        connections: CONNECTIONS,
    };
    Load::start(build, &redis.url(), &ingest.address, plan(1))?
        .end()
        .await?;
    let seconds = options.seconds.unwrap_or(SECONDS);
    let loaded = Load::start(build, &redis.url(), &ingest.address, plan(seconds))?
        .end()
        .await?;
    Ok(Times {
        p50: loaded.latency_us.p50 / 1e3,
        p99: loaded.latency_us.p99 / 1e3,
    })
}
