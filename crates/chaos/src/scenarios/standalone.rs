//! One Redis that fails in every way in which one can.

use crate::engine::findings::Findings;
use crate::engine::plot::Plot;
use crate::engine::probe::Probe;
use crate::engine::promises::Promises;
use crate::engine::scene::Scene;
use crate::engine::stage::Stage;
use crate::scenarios::bounds::{BEFORE, NO_STALL, STANDALONE};
use crate::scenarios::servers::{config, redis, replica_of};
use anyhow::{Context as _, ensure};
use redis::aio::MultiplexedConnection;
use std::time::{Duration, Instant};
use vote_testkit::{FaultProxy, RandomFaults, free_port};

/// Longer than `commit.accept_timeout_ms` (2 s): votes are recalled, and outcomes left open.
const LONG: Duration = Duration::from_millis(3_500);
const LONG_QUICK: Duration = Duration::from_millis(2_500);

/// How long Redis is down.
const DOWN: Duration = Duration::from_secs(3);
const DOWN_QUICK: Duration = Duration::from_secs(1);

/// What was on its way when the memory ran out is answered by then.
const SETTLED: Duration = Duration::from_millis(300);

pub(crate) async fn kill(scene: Scene) -> anyhow::Result<Findings> {
    let mut redis = redis().await;
    let stage = Stage::set(&scene, Plot::on(redis.url())).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    let lasts = scene.lasting(DOWN, DOWN_QUICK);
    scene.step("kill -9 of Redis");
    redis.kill9();
    let probe = Probe::of(&redis.url());
    tokio::time::sleep(lasts).await;
    scene.step("restart");
    redis.restart().await;
    load.back(probe.back().await);
    load.goes_on(3 * STANDALONE).await;
    stage.until(&load, 100).await;
    let promises = Promises::back_within(STANDALONE).after(lasts);
    stage.conclude(load, promises).await
}

pub(crate) async fn tail_cut(scene: Scene) -> anyhow::Result<Findings> {
    let mut redis = redis().await;
    let stage = Stage::set(&scene, Plot::on(redis.url())).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    let on_disk = redis.append_only_len();
    tokio::time::sleep(scene.options.tail).await;
    let seconds = scene.options.tail.as_secs();
    scene.step(&format!(
        "kill -9 of Redis, and its last {seconds} s are lost"
    ));
    redis.kill9();
    let probe = Probe::of(&redis.url());
    let tail = redis.append_only_len() - on_disk;
    redis.truncate_append_only(tail);
    scene.step(&format!("restart without the last {tail} bytes"));
    redis.restart().await;
    load.back(probe.back().await);
    load.goes_on(3 * STANDALONE).await;
    stage.until(&load, 100).await;
    let promises = Promises {
        repairs: true,
        ..Promises::back_within(STANDALONE)
    };
    stage.conclude(load, promises).await
}

pub(crate) async fn oom(scene: Scene) -> anyhow::Result<Findings> {
    let redis = redis().await;
    let stage = Stage::set(&scene, Plot::on(redis.url())).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    scene.step("no memory left: maxmemory, noeviction, and ballast up to it");
    let mut connection = redis.connection().await;
    let lasts = scene.lasting(LONG, LONG_QUICK);
    fill(&mut connection).await?;
    let probe = Probe::of(&redis.url());
    let used_before = used_memory(&mut connection).await?;
    tokio::time::sleep(SETTLED).await;
    let accepted_before = load.accepted();
    tokio::time::sleep(lasts).await;
    let accepted = load.accepted() - accepted_before;
    let grown = used_memory(&mut connection)
        .await?
        .saturating_sub(used_before);
    scene.step("memory for all again");
    config(&mut connection, "maxmemory", "0").await?;
    load.back(probe.back().await);
    load.goes_on(3 * STANDALONE).await;
    stage.until(&load, 100).await;
    let promises = Promises::back_within(STANDALONE);
    let mut found = stage.conclude(load, promises).await?;
    if accepted > 0 {
        found.failures.push(format!(
            "maxmemory does not hold: {accepted} votes were accepted while Redis had no memory left, and took \
             {grown} bytes more"
        ));
    }
    Ok(found)
}

/// Sets a limit, fills Redis up to it, and lowers it to half of what is used.
async fn fill(connection: &mut MultiplexedConnection) -> anyhow::Result<()> {
    const BALLAST: usize = 256 * 1024;
    const ROOM: u64 = 4 * 1024 * 1024;
    config(connection, "maxmemory-policy", "noeviction").await?;
    let limit = used_memory(connection).await? + ROOM;
    config(connection, "maxmemory", &limit.to_string()).await?;
    let ballast = vec![b'.'; BALLAST];
    for number in 0..1_000 {
        let mut set = redis::cmd("SET");
        set.arg(format!("chaos:ballast:{number}")).arg(&ballast);
        match set.exec_async(connection).await {
            Ok(()) => {}
            // Buffers that are given back would make room for votes again.
            Err(error) if error.code() == Some("OOM") => {
                let limit = used_memory(connection).await? / 2;
                return config(connection, "maxmemory", &limit.to_string()).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::bail!("Redis took all the ballast: maxmemory had no effect")
}

async fn used_memory(connection: &mut MultiplexedConnection) -> anyhow::Result<u64> {
    let info = redis::cmd("INFO").arg("memory").to_owned();
    let info: String = info.query_async(connection).await?;
    info.lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .and_then(|used| used.trim().parse().ok())
        .context("INFO memory has no used_memory")
}

pub(crate) async fn read_only(scene: Scene) -> anyhow::Result<Findings> {
    let redis = redis().await;
    let stage = Stage::set(&scene, Plot::on(redis.url())).await?;
    let load = stage.load()?;
    let mut connection = redis.connection().await;
    let lasts = scene.lasting(LONG, LONG_QUICK);

    stage.until(&load, BEFORE).await;
    scene.step("min-replicas-to-write 1, and there is none");
    config(&mut connection, "min-replicas-to-write", "1").await?;
    let probe = Probe::of(&redis.url());
    tokio::time::sleep(lasts).await;
    config(&mut connection, "min-replicas-to-write", "0").await?;
    load.back(probe.back().await);
    load.goes_on(3 * STANDALONE).await;

    stage.until(&load, 70).await;
    scene.step("REPLICAOF a port where nobody is");
    let nobody = free_port().to_string();
    replica_of(&mut connection, "127.0.0.1", &nobody).await?;
    let probe = Probe::of(&redis.url());
    tokio::time::sleep(lasts).await;
    scene.step("REPLICAOF NO ONE");
    replica_of(&mut connection, "NO", "ONE").await?;
    load.back(probe.back().await);
    load.goes_on(3 * STANDALONE).await;
    stage.until(&load, 100).await;
    let promises = Promises::back_within(STANDALONE).after(lasts);
    stage.conclude(load, promises).await
}

pub(crate) async fn client_pause(scene: Scene) -> anyhow::Result<Findings> {
    let redis = redis().await;
    let stage = Stage::set(&scene, Plot::on(redis.url())).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    let lasts = scene.lasting(LONG, LONG_QUICK);
    scene.step(&format!("CLIENT PAUSE {} ALL", lasts.as_millis()));
    let pause = u64::try_from(lasts.as_millis())?;
    redis::cmd("CLIENT")
        .arg(&["PAUSE", &pause.to_string(), "ALL"])
        .exec_async(&mut redis.connection().await)
        .await?;
    let probe = Probe::of(&redis.url());
    load.back(probe.back().await);
    scene.step("Redis answers again");
    load.goes_on(3 * STANDALONE).await;
    stage.until(&load, 100).await;
    let promises = Promises::back_within(STANDALONE).after(lasts);
    stage.conclude(load, promises).await
}

pub(crate) async fn sigstop(scene: Scene) -> anyhow::Result<Findings> {
    let redis = redis().await;
    let stage = Stage::set(&scene, Plot::on(redis.url())).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    scene.step("SIGSTOP of Redis");
    let lasts = scene.lasting(LONG, LONG_QUICK);
    redis.pause();
    let probe = Probe::of(&redis.url());
    tokio::time::sleep(lasts).await;
    scene.step("SIGCONT");
    redis.resume();
    load.back(probe.back().await);
    load.goes_on(3 * STANDALONE).await;
    stage.until(&load, 100).await;
    let promises = Promises::back_within(STANDALONE).after(lasts);
    stage.conclude(load, promises).await
}

pub(crate) async fn connection_cuts(scene: Scene) -> anyhow::Result<Findings> {
    let redis = redis().await;
    let proxy = FaultProxy::start(redis.port()).await;
    proxy.only(["EVALSHA"]);
    let stage = Stage::set(&scene, Plot::on(proxy.url())).await?;
    let load = stage.load()?;
    stage.until(&load, 10).await;
    let lasts = scene.lasting(Duration::from_secs(30), Duration::from_secs(5));
    scene.step(&format!("cuts at random for {lasts:?}"));
    proxy.random(RandomFaults {
        seed: 7,
        cut_before_request: 0.01,
        cut_mid_request: 0.01,
        cut_before_reply: 0.02,
        cut_mid_reply: 0.01,
        ..RandomFaults::default()
    });
    let until = Instant::now() + lasts;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(700)).await;
        proxy.cut_connections();
    }
    proxy.pass();
    let cuts = proxy.counts().cuts();
    scene.step(&format!("{cuts} requests were cut"));
    ensure!(
        cuts > 10,
        "nothing was tested: only {cuts} requests were cut"
    );
    stage.until(&load, 100).await;
    let mut found = stage
        .conclude(load, Promises::no_stall_beyond(NO_STALL))
        .await?;
    found.details.push(format!("{cuts} requests were cut"));
    Ok(found)
}
