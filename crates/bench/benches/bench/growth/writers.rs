//! A ledger of many writers: of processes that came, took votes, and went.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use vote_domain::{Clock as _, IdempotencyKey, KeyDigest, PollId};
use vote_runtime::{SystemClock, entropy};
use vote_store::{
    LaneConfig, Outcome, RedisConfig, Store, VoteToCast, VoteWriter, VoteWriterConfig,
};
use vote_testkit::RedisServer;

use super::history::connection;
use super::{Clock, Notes, Points};
use crate::cli::GrowthOptions;
use crate::load::{Load, Plan};
use crate::plot::Chart;
use crate::poll::open_poll_as;
use crate::say::progress;
use crate::server::Server;
use crate::spread::number;

const SHARDS: u16 = 4;
/// Processes that are there at a time.
const AT_ONCE: usize = 32;
const LOAD: Plan = Plan {
    rate: 2_000,
    seconds: 10,
    connections: 128,
};
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether a process knows the poll.
const LOOK: Duration = Duration::from_millis(2);

/// Of writers that were killed.
const AT_ONCE_LEFT: u32 = 1_000;
/// So many writers from that one on, with a vote each.
const LEAVE: &str = "
for writer = tonumber(ARGV[1]), ARGV[1] + ARGV[2] - 1 do
  local id = string.format('%016x', writer)
  redis.call('HSET', KEYS[1], id .. '/sequence', 1, id .. '/votes', 1)
end
redis.call('HINCRBY', KEYS[4], 'batches', ARGV[2])
redis.call('HINCRBY', KEYS[2], 'torcida/ana', ARGV[2])
redis.call('HINCRBY', KEYS[3], 'torcida/ana', ARGV[2])
";

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut late = Points::new(&["p99", "p50", "p99, all were killed", "p50, all were killed"]);
    // One Redis for all sizes: what came before is there already.
    let redis = RedisServer::start().await;
    open_poll_as(&redis.url(), "bench", SHARDS, 1).await?;
    let killed = RedisServer::start().await;
    open_poll_as(&killed.url(), "bench", SHARDS, 1).await?;
    let (mut there, mut left) = (0, 0);
    for writers in &options.writers {
        match fill(&redis.url(), there, *writers, clock).await {
            Ok(come) => there = come,
            Err(error) => {
                notes.add(format!("{writers} writers: {error:#}"));
                break;
            }
        }
        if there < *writers {
            notes.add(format!(
                "{writers} writers: there were {there} when the time was over"
            ));
        }
        if let Err(error) = leave(&killed, left, *writers).await {
            notes.add(format!("{writers} killed writers: {error:#}"));
            break;
        }
        left = *writers;
        for (curve, redis, size, how) in [
            (0, &redis, there, "ended"),
            (2, &killed, left, "were killed"),
        ] {
            match once(options, &redis.url()).await {
                Ok([p99, p50]) => {
                    progress(&format!(
                        "{size} writers that {how} in each of {SHARDS} ledgers: votes' p99 {} ms",
                        number(p99, 1)
                    ));
                    late.add(size, curve, p99);
                    late.add(size, curve + 1, p50);
                }
                Err(error) => notes.add(format!("{size} writers that {how}: {error:#}")),
            }
        }
    }
    Ok(vec![late.chart(
        "Votes' latency, 2,000 a second, figures read beside them",
        "writers in each of 4 ledgers",
        "milliseconds",
    )])
}

/// Milliseconds of the 99 in 100, and of half of the votes.
async fn once(options: &GrowthOptions, redis: &str) -> anyhow::Result<[f64; 2]> {
    let build = &options.common.bin_dir;
    let ingest = Server::service(&build.ingest, &[], Some(redis), &options.settings());
    let results = Server::service(&build.results, &[], Some(redis), &options.settings());
    ingest.takes_votes("bench").await?;
    results.is_ready().await?;
    let plan = Plan {
        seconds: options.seconds.unwrap_or(LOAD.seconds),
        ..LOAD
    };
    let loaded = Load::start(build, redis, &ingest.address, plan)?
        .end()
        .await?;
    let ms = [loaded.latency_us.p99, loaded.latency_us.p50].map(|micros| micros / 1e3);
    Ok(ms)
}

/// Lets processes come and go until there were so many, or the time is over; how many there were.
async fn fill(redis: &str, from: u32, to: u32, clock: Clock) -> anyhow::Result<u32> {
    let store = Store::new(&RedisConfig::new(redis)?)?;
    let (mut running, mut there) = (JoinSet::new(), from);
    for writer in from..to {
        if clock.is_over() {
            break;
        }
        if running.len() >= AT_ONCE {
            running.join_next().await.context("none runs")???;
        }
        if writer % 1_000 == 999 {
            progress(&format!("{} of {to} writers", writer + 1));
        }
        running.spawn(come_and_go(store.clone(), writer));
        there += 1;
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(there)
}

/// Writes what so many writers leave in each ledger that were killed after a vote: nobody says of them that they have ended.
async fn leave(redis: &RedisServer, from: u32, to: u32) -> anyhow::Result<()> {
    let mut connection = connection(redis).await?;
    let minute = SystemClock.now().as_second() / 60 - 1;
    for shard in 0..SHARDS {
        let key = |name: &str| format!("vote:{{bench/{shard}}}:{name}");
        let mut first = from;
        while first < to {
            let count = (to - first).min(AT_ONCE_LEFT);
            redis::cmd("EVAL")
                .arg(LEAVE)
                .arg(4)
                .arg(key("writers"))
                .arg(key("tally"))
                .arg(key(&format!("minutes:{minute}")))
                .arg(key("state"))
                .arg(&[first, count])
                .exec_async(&mut connection)
                .await?;
            first += count;
        }
    }
    Ok(())
}

/// How a process takes votes that is part of a measurement: it waits for its Redis.
pub(super) fn patient() -> VoteWriterConfig {
    VoteWriterConfig {
        lane: LaneConfig {
            accept_timeout: PATIENCE,
            ..LaneConfig::default()
        },
        refresh_interval: Duration::from_secs(1),
        receipt_key: None,
        random,
    }
}

/// Casts a vote in each shard, and ends in order.
async fn come_and_go(store: Store, writer: u32) -> anyhow::Result<()> {
    let process: Arc<VoteWriter> = VoteWriter::start(&store, patient(), &mut Registry::default());
    let began = Instant::now();
    let poll = loop {
        if let Some(poll) = process.find("bench").ok().flatten() {
            break poll;
        }
        ensure!(began.elapsed() < PATIENCE, "a writer never knew the poll");
        tokio::time::sleep(LOOK).await;
    };
    let id = PollId::parse("bench")?;
    let digest = |number: u32| -> anyhow::Result<KeyDigest> {
        let key = format!("writer-{writer}-{number}");
        let key = IdempotencyKey::parse(&key)?;
        Ok(KeyDigest::new(&id, &key))
    };
    let now = SystemClock.now().as_millisecond();
    for shard in 0..SHARDS {
        let mut number = 0;
        let key = loop {
            let key = digest(number)?;
            if key.shard(SHARDS) == shard {
                break key;
            }
            number += 1;
        };
        let outcome = poll
            .cast(VoteToCast {
                channel: 0,
                candidate: 0,
                received_at_ms: now,
                key: Some(key),
                voter: None,
                is_withdrawn: false,
                quarantine: None,
                span: None,
            })
            .await;
        ensure!(
            matches!(outcome, Outcome::Accepted(_)),
            "a vote ended with {outcome:?}"
        );
    }
    ensure!(
        process.drain(PATIENCE).await.in_time,
        "a writer did not end"
    );
    Ok(())
}

#[expect(
    clippy::expect_used,
    reason = "without randomness there is nothing to go on with"
)]
fn random() -> [u8; 32] {
    entropy::random_bytes().expect("the operating system's randomness")
}
