//! Polls that are open, each shard voted in once, and that nobody votes in now.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use vote_domain::{IdempotencyKey, KeyDigest, PollId};
use vote_testkit::RedisServer;

use super::{Clock, Notes, Points};
use crate::cli::GrowthOptions;
use crate::plot::Chart;
use crate::poll::open_poll_as;
use crate::redis_done::Done;
use crate::say::progress;
use crate::server::Server;
use crate::spread::{as_f64, number};

const POLLS: [u32; 3] = [5, 50, 500];
const SHARDS: u16 = 8;
/// In which what starting and voting has begun comes to rest.
const REST: Duration = Duration::from_secs(5);
/// A whole minute: what is done once a minute is in it, once.
const MEASURED: Duration = Duration::from_secs(60);

/// What idle polls cost.
struct Seen {
    commands: f64,
    connections: f64,
    ingest: f64,
    results: f64,
}

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut commands = Points::new(&["commands"]);
    let mut connections = Points::new(&["connections"]);
    let mut cpu = Points::new(&["ingest", "results"]);
    for polls in POLLS {
        if clock.is_over() {
            notes.add(format!("{polls} idle polls: left out, the time was over"));
            continue;
        }
        match once(options, polls).await {
            Ok(seen) => {
                progress(&format!(
                    "{polls} idle polls: {} commands a second, {} connections, ingest {} %, results {} % of a core",
                    number(seen.commands, 0),
                    number(seen.connections, 0),
                    number(seen.ingest, 1),
                    number(seen.results, 1)
                ));
                commands.add(polls, 0, seen.commands);
                connections.add(polls, 0, seen.connections);
                cpu.add(polls, 0, seen.ingest);
                cpu.add(polls, 1, seen.results);
            }
            Err(error) => notes.add(format!("{polls} idle polls: {error:#}")),
        }
    }
    let size = "idle polls of 8 shards";
    Ok(vec![
        commands.chart("Redis, idle", size, "commands a second"),
        connections.chart("Connections to Redis, idle", size, "connections"),
        cpu.chart("Processor time, idle", size, "% of a core"),
    ])
}

async fn once(options: &GrowthOptions, polls: u32) -> anyhow::Result<Seen> {
    let build = &options.common.bin_dir;
    let redis = RedisServer::start().await;
    let url = redis.url();
    for poll in 0..polls {
        open_poll_as(&url, &format!("bench-{poll}"), SHARDS, 1).await?;
    }
    let ingest = Server::service(&build.ingest, &[], Some(&url), &options.settings());
    let results = Server::service(&build.results, &[], Some(&url), &options.settings());
    for poll in 0..polls {
        vote_in_each_shard(&ingest, &format!("bench-{poll}")).await?;
    }
    results.is_ready().await?;
    tokio::time::sleep(REST).await;
    let (began, done) = (Instant::now(), Done::of(&redis).await?);
    let cpu = [ingest.cpu()?, results.cpu()?];
    tokio::time::sleep(MEASURED).await;
    let seconds = began.elapsed().as_secs_f64();
    let done = Done::of(&redis).await?.since(done);
    let share = |now: f64, before: f64| (now - before) / seconds * 100.0;
    Ok(Seen {
        commands: as_f64(done.commands) / seconds,
        connections: clients(&redis).await?,
        ingest: share(ingest.cpu()?, cpu[0]),
        results: share(results.cpu()?, cpu[1]),
    })
}

/// Casts votes until each shard has one: keys say where a vote goes.
async fn vote_in_each_shard(ingest: &Server, poll: &str) -> anyhow::Result<()> {
    let id = PollId::parse(poll)?;
    let mut without: Vec<u16> = (0..SHARDS).collect();
    for number in 0_u32.. {
        if without.is_empty() {
            break;
        }
        let key = format!("idle-{number}");
        let shard = KeyDigest::new(&id, &IdempotencyKey::parse(&key)?).shard(SHARDS);
        if without.contains(&shard) {
            ingest
                .takes(poll, &format!("Idempotency-Key: {key}\r\n"))
                .await?;
            without.retain(|other| *other != shard);
        }
    }
    Ok(())
}

/// Connections to the server, but for the one that asks.
async fn clients(redis: &RedisServer) -> anyhow::Result<f64> {
    let mut connection = redis.connection().await;
    let info: String = redis::cmd("INFO")
        .arg("clients")
        .query_async(&mut connection)
        .await?;
    let count = info
        .lines()
        .find_map(|line| line.strip_prefix("connected_clients:"));
    let count: f64 = count.context("Redis counts no clients")?.trim().parse()?;
    Ok(count - 1.0)
}
