//! A poll with more and more minutes behind it, or with many channels and candidates, which a results process reads for the first time:
//! how late another poll's votes are meanwhile, and how long the figures take.

use std::time::{Duration, Instant};

use vote_testkit::RedisServer;

use super::history::History;
use super::{Clock, Notes, Points, in_rounds};
use crate::cli::GrowthOptions;
use crate::load::{Load, Plan};
use crate::plot::Chart;
use crate::server::Server;
use crate::spread::number;
use crate::until::until;

const DAYS: [u32; 3] = [2, 30, 365];
const WIDE_HOURS: [u32; 3] = [3, 12, 48];
const WIDE_DAYS: i64 = 3;
const LOAD: Plan = Plan {
    rate: 2_000,
    seconds: 10,
    connections: 128,
};
const PATIENCE: Duration = Duration::from_secs(120);
const MINUTES_OF_AN_HOUR: i64 = 60;
const MINUTES_OF_A_DAY: i64 = 1_440;

/// A poll that is read beside the other one's votes.
struct Long {
    poll: History,
    /// For which it is open.
    days: i64,
    /// That have votes.
    minutes: i64,
    /// As its curves have it, and in words.
    size: u32,
    unit: &'static str,
}

impl Long {
    fn of_days(days: u32) -> Self {
        Self {
            poll: History::plain("long"),
            days: days.into(),
            // But for the minutes before the poll was opened.
            minutes: i64::from(days) * MINUTES_OF_A_DAY - 1,
            size: days,
            unit: "days",
        }
    }

    fn wide(hours: u32) -> Self {
        Self {
            poll: History::wide("long", 1, 8, (64, "nome")),
            days: WIDE_DAYS,
            minutes: i64::from(hours) * MINUTES_OF_AN_HOUR,
            size: hours,
            unit: "hours of 64 × 8",
        }
    }
}

/// What was seen of polls of several sizes.
struct Seen {
    late: Points,
    read: Points,
}

impl Seen {
    const fn new() -> Self {
        Self {
            late: Points::new(&["alone", "while the poll is first read"]),
            read: Points::new(&["seconds"]),
        }
    }

    fn charts(&self, [late, size]: [&str; 2], [read, read_size]: [&str; 2]) -> [Chart; 2] {
        [
            self.late.chart(late, size, "milliseconds"),
            self.read
                .chart(read, read_size, "seconds after the start of results"),
        ]
    }
}

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let (mut long, mut wide) = (Seen::new(), Seen::new());
    for days in DAYS {
        measure_one(options, clock, notes, (Long::of_days(days), &mut long)).await?;
    }
    for hours in WIDE_HOURS {
        measure_one(options, clock, notes, (Long::wide(hours), &mut wide)).await?;
    }
    let long = long.charts(
        [
            "Latency of another poll's votes, p99, 2,000 a second",
            "days of the long poll",
        ],
        ["Until a long poll's figures are there", "days of the poll"],
    );
    let wide = wide.charts(
        [
            "Latency of another poll's votes beside a wide one, p99, 2,000 a second",
            "hours of the wide poll, 64 candidates × 8 channels",
        ],
        [
            "Until a wide poll's figures are there beside votes",
            "hours of 64 candidates × 8 channels",
        ],
    );
    Ok(long.into_iter().chain(wide).collect())
}

async fn measure_one(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
    (long, seen): (Long, &mut Seen),
) -> anyhow::Result<()> {
    let redis = RedisServer::start().await;
    long.poll.open(&redis, long.days).await?;
    long.poll.fill(&redis, long.minutes).await?;
    let build = &options.common.bin_dir;
    build.open(&redis.url(), &["bench"], 1).await?;
    let once = async |_| once(options, &redis.url()).await;
    in_rounds(
        options,
        clock,
        notes,
        (&[long.size], long.unit),
        once,
        |size, [alone, beside, seconds]| {
            seen.late.add(size, 0, alone);
            seen.late.add(size, 1, beside);
            seen.read.add(size, 0, seconds);
            format!(
                "p99 {} ms alone, {} ms while they are read, in {} s",
                number(alone, 1),
                number(beside, 1),
                number(seconds, 1),
            )
        },
    )
    .await;
    Ok(())
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
