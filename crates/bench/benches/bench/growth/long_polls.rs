//! A poll with more and more minutes behind it, or with many channels and candidates, which a results process reads for the first time:
//! how late another poll's votes are meanwhile, how long the figures take, and for how long a call keeps Redis.

use std::time::{Duration, Instant};

use vote_testkit::RedisServer;

use super::history::History;
use super::{Clock, Notes, Points, in_rounds};
use crate::cli::GrowthOptions;
use crate::load::{Load, Plan};
use crate::plot::Chart;
use crate::redis_done::ReadingCalls;
use crate::server::Server;
use crate::spread::number;
use crate::until::until;

const DAYS: [u32; 3] = [2, 30, 365];
const WIDE_HOURS: [u32; 3] = [3, 12, 48];
const WIDE_DAYS: i64 = 3;
/// The other poll's votes come for so many seconds; those beside the poll of a year for about as long as it takes to be read.
const SECONDS: u32 = 10;
const SECONDS_OF_A_YEAR: u32 = 20;
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
    /// For which the other one's votes come.
    seconds: u32,
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
            seconds: if days < 365 {
                SECONDS
            } else {
                SECONDS_OF_A_YEAR
            },
        }
    }

    fn wide(hours: u32) -> Self {
        Self {
            poll: History::wide("long", 1, 8, (64, "nome")),
            days: WIDE_DAYS,
            minutes: i64::from(hours) * MINUTES_OF_AN_HOUR,
            size: hours,
            unit: "hours of 64 × 8",
            seconds: SECONDS,
        }
    }
}

/// What was seen of polls of several sizes.
struct Seen {
    late: Points,
    read: Points,
    calls: Points,
}

impl Seen {
    const fn new() -> Self {
        Self {
            late: Points::new(&["alone", "while the poll is first read"]),
            read: Points::new(&["seconds"]),
            calls: Points::new(&ReadingCalls::PERCENTILES),
        }
    }

    fn charts(&self, [late, size]: [&str; 2], [read, calls, of]: [&str; 3]) -> [Chart; 3] {
        [
            self.late.chart(late, size, "milliseconds"),
            self.read
                .chart(read, of, "seconds after the start of results"),
            self.calls.chart(calls, of, "milliseconds of Redis a call"),
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
        [
            "Until a long poll's figures are there",
            "For how long a call keeps Redis while a long poll is first read",
            "days of the poll",
        ],
    );
    let wide = wide.charts(
        [
            "Latency of another poll's votes beside a wide one, p99, 2,000 a second",
            "hours of the wide poll, 64 candidates × 8 channels",
        ],
        [
            "Until a wide poll's figures are there beside votes",
            "For how long a call keeps Redis while a wide poll is first read",
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
    let load = Plan {
        rate: 2_000,
        seconds: long.seconds,
        connections: 128,
    };
    let once = async |_| once(options, &redis, load).await;
    in_rounds(
        options,
        clock,
        notes,
        (&[long.size], long.unit),
        once,
        |size, read: Read| {
            seen.late.add(size, 0, read.alone_ms);
            seen.late.add(size, 1, read.beside_ms);
            seen.read.add(size, 0, read.seconds);
            for (curve, us) in read.call_us.into_iter().enumerate() {
                seen.calls.add(size, curve, us / 1e3);
            }
            format!(
                "p99 {} ms alone, {} ms while they are read, in {} s, by calls of {} ms",
                number(read.alone_ms, 1),
                number(read.beside_ms, 1),
                number(read.seconds, 1),
                number(read.call_us[0] / 1e3, 2),
            )
        },
    )
    .await;
    Ok(())
}

/// What was seen of one reading.
struct Read {
    /// In which 99 of 100 votes of the other poll were answered, without results and with.
    alone_ms: f64,
    beside_ms: f64,
    /// Until the figures were there.
    seconds: f64,
    call_us: [f64; 2],
}

async fn once(options: &GrowthOptions, redis: &RedisServer, plan: Plan) -> anyhow::Result<Read> {
    let (build, url) = (&options.common.bin_dir, redis.url());
    let ingest = Server::service(&build.ingest, &[], Some(&url), &options.settings());
    ingest.takes_votes("bench").await?;
    let alone = Load::start(build, &url, &ingest.address, plan)?
        .end()
        .await?;
    let load = Load::start(build, &url, &ingest.address, plan)?;
    ReadingCalls::start_anew(redis).await?;
    let began = Instant::now();
    let results = Server::service(&build.results, &[], Some(&url), &options.settings());
    let address = format!("http://{}/v1/polls/long/results", results.address);
    until(PATIENCE, async || {
        reqwest::get(&address).await?.error_for_status()?;
        Ok(())
    })
    .await?;
    let seconds = began.elapsed().as_secs_f64();
    let call_us = ReadingCalls::percentiles_us(redis).await?;
    let beside = load.end().await?;
    Ok(Read {
        alone_ms: alone.latency_us.p99 / 1e3,
        beside_ms: beside.latency_us.p99 / 1e3,
        seconds,
        call_us,
    })
}
