//! A master under Sentinel, and replicas that lag behind it.

use crate::engine::findings::Findings;
use crate::engine::plot::Plot;
use crate::engine::probe::{Probe, writes};
use crate::engine::promises::Promises;
use crate::engine::scene::Scene;
use crate::engine::stage::Stage;
use crate::scenarios::bounds::{BEFORE, FAILOVER};
use crate::scenarios::servers::{replica_of, valkey_9};
use std::time::Duration;
use vote_testkit::{RedisSentinels, free_port};

/// How long the replicas receive nothing before the master dies.
const LAG: Duration = Duration::from_millis(1_500);

/// A key of our own.
const PROBE: &str = "chaos:probe";

pub(crate) async fn failover_lagging(scene: Scene) -> anyhow::Result<Findings> {
    scene.step("starting a master, two replicas, three sentinels");
    let mut redis = RedisSentinels::builder().append_only(true).start().await;
    let stage = Stage::set(&scene, Plot::on(redis.url())).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    let master = redis.master_index().await;
    let old = redis.server(master).port();

    scene.step("the replicas receive nothing any more");
    // Not by freezing them: what waits in the sockets would still reach them once the master is dead.
    for replica in redis.servers().iter().filter(|each| each.port() != old) {
        let nobody = free_port().to_string();
        replica_of(&mut replica.connection().await, "127.0.0.1", &nobody).await?;
    }
    tokio::time::sleep(LAG).await;
    scene.step("kill -9 of the master");
    redis.server_mut(master).kill9();
    let urls: Vec<String> = redis.servers().iter().map(|each| each.url()).collect();
    let probe = Probe::watch(move || {
        let urls = urls.clone();
        async move { any_writes(&urls).await }
    });
    load.back(probe.back().await);
    let new = redis.wait_for_master_other_than(old).await;
    scene.step(&format!("port {new} is master instead of {old}"));
    load.goes_on(3 * FAILOVER).await;
    scene.step("the old master comes back");
    redis.server_mut(master).restart().await;
    redis.wait_until_replicas_follow().await;
    scene.step("all replicas follow the new master");
    stage.until(&load, 100).await;
    let promises = Promises {
        repairs: true,
        ..Promises::back_within(FAILOVER)
    };
    stage.conclude(load, promises).await
}

pub(crate) async fn failover_planned(scene: Scene) -> anyhow::Result<Findings> {
    scene.step("starting a master, two replicas, three sentinels");
    let redis = RedisSentinels::builder().append_only(true).start().await;
    let stage = Stage::set(&scene, Plot::on(redis.url())).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    let old = redis.master_port().await;
    scene.step("SENTINEL FAILOVER");
    redis.fail_over().await;
    let new = redis.wait_for_master_other_than(old).await;
    scene.step(&format!("port {new} is master instead of {old}"));
    // What the old master took after its heir was promoted is repaired, however much that was.
    stage.until(&load, 100).await;
    stage
        .conclude(load, Promises::no_stall_beyond(FAILOVER).and_held())
        .await
}

pub(crate) async fn failover_coordinated(scene: Scene) -> anyhow::Result<Findings> {
    let valkey = valkey_9()?;
    scene.step("starting a master, two replicas, three sentinels");
    let redis = RedisSentinels::builder()
        .binary(valkey)
        .append_only(true)
        .start()
        .await;
    let stage = Stage::set(&scene, Plot::on(redis.url())).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    let old = redis.master_port().await;
    scene.step("SENTINEL FAILOVER … COORDINATED");
    redis.fail_over_coordinated().await;
    let new = redis.wait_for_master_other_than(old).await;
    scene.step(&format!("port {new} is master instead of {old}"));
    stage.until(&load, 100).await;
    let promises = Promises::no_stall_beyond(FAILOVER)
        .and_held()
        .and_nothing_forgotten();
    stage.conclude(load, promises).await
}

async fn any_writes(urls: &[String]) -> bool {
    for url in urls {
        if writes(url, PROBE).await {
            return true;
        }
    }
    false
}
