//! Three masters with a replica each; the poll's shards are spread over all of them.

use crate::engine::findings::Findings;
use crate::engine::plot::Plot;
use crate::engine::probe::{Probe, writes};
use crate::engine::promises::Promises;
use crate::engine::scene::Scene;
use crate::engine::stage::Stage;
use crate::scenarios::bounds::{BEFORE, FAILOVER};
use crate::scenarios::servers::{redis_8_4, valkey_9};
use anyhow::{Context as _, ensure};
use std::collections::BTreeSet;
use std::time::Duration;
use vote_testkit::{RedisCluster, RedisClusterBuilder};

const MASTERS: usize = 3;
const SHARDS: u16 = 6;

/// How many keys of a slot are moved at a time, and how long both nodes have some of them.
const KEYS: usize = 2;
const BETWEEN: Duration = Duration::from_millis(50);

async fn set(scene: &Scene) -> anyhow::Result<(RedisCluster, Stage, Vec<u16>)> {
    set_on(scene, RedisCluster::builder()).await
}

async fn set_on(
    scene: &Scene,
    redis: RedisClusterBuilder,
) -> anyhow::Result<(RedisCluster, Stage, Vec<u16>)> {
    scene.step("starting three masters and three replicas");
    let redis = redis.append_only(true).start().await;
    let plot = Plot {
        shards: SHARDS,
        ..Plot::on(redis.url())
    };
    let stage = Stage::set(scene, plot).await?;
    let slots = slots(&redis).await?;
    ensure!(
        slots.len() == usize::from(SHARDS),
        "{} slots hold the {SHARDS} shards",
        slots.len()
    );
    // By their hashes they may all lie together.
    for (number, slot) in slots.iter().enumerate() {
        redis.move_slot(*slot, number % MASTERS).await;
    }
    Ok((redis, stage, slots))
}

/// The slots of the poll's shards, found from outside: those of all keys that have a hash tag.
async fn slots(redis: &RedisCluster) -> anyhow::Result<Vec<u16>> {
    let mut slots = BTreeSet::new();
    for node in redis.nodes().iter().take(MASTERS) {
        let mut connection = node.connection().await;
        let keys = redis::cmd("KEYS").arg("*{*}*").to_owned();
        let keys: Vec<String> = keys.query_async(&mut connection).await?;
        for key in keys {
            slots.insert(redis.slot_of(&key).await);
        }
    }
    Ok(slots.into_iter().collect())
}

pub(crate) async fn master_killed(scene: Scene) -> anyhow::Result<Findings> {
    let (mut redis, stage, slots) = set(&scene).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    let slot = *slots.first().context("a poll without a shard")?;
    let victim = redis.owner_of(slot).await;
    let heir = redis
        .replica_of(victim)
        .await
        .context("a master without a replica")?;
    let key = key_of(&redis, victim).await;
    scene.step(&format!("kill -9 of master {victim}"));
    redis.node_mut(victim).kill9();
    let url = redis.node(heir).url();
    let probe = Probe::watch(move || {
        let (url, key) = (url.clone(), key.clone());
        async move { writes(&url, &key).await }
    });
    load.back(probe.back().await);
    scene.step(&format!("its replica, node {heir}, takes writes"));
    load.goes_on(3 * FAILOVER).await;
    scene.step("the old master comes back");
    redis.node_mut(victim).restart().await;
    redis.wait_until_ok().await;
    scene.step("the cluster is whole again");
    stage.until(&load, 100).await;
    stage.conclude(load, Promises::back_within(FAILOVER)).await
}

/// A key of our own that lies at that node.
async fn key_of(redis: &RedisCluster, node: usize) -> String {
    let mut number = 0;
    loop {
        let key = format!("chaos:probe:{number}");
        if redis.owner_of(redis.slot_of(&key).await).await == node {
            return key;
        }
        number += 1;
    }
}

pub(crate) async fn reshard(scene: Scene) -> anyhow::Result<Findings> {
    let (redis, stage, slots) = set(&scene).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE / 2).await;
    for slot in &slots {
        let from = redis.owner_of(*slot).await;
        let to = (from + 1) % MASTERS;
        scene.step(&format!("slot {slot} moves from master {from} to {to}"));
        let moving = redis.begin_move(*slot, to).await;
        while moving.move_keys(KEYS).await == KEYS {
            tokio::time::sleep(BETWEEN).await;
        }
        moving.finish().await;
    }
    stage.until(&load, 100).await;
    stage
        .conclude(load, Promises::no_stall_beyond(FAILOVER))
        .await
}

pub(crate) async fn failover_planned(scene: Scene) -> anyhow::Result<Findings> {
    let (redis, stage, _) = set(&scene).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    for master in 0..MASTERS {
        let heir = redis
            .replica_of(master)
            .await
            .context("a master without a replica")?;
        scene.step(&format!(
            "CLUSTER FAILOVER of master {master} to node {heir}"
        ));
        redis.fail_over_to(heir).await;
    }
    redis.wait_until_ok().await;
    stage.until(&load, 100).await;
    let promises = Promises::no_stall_beyond(FAILOVER).and_nothing_forgotten();
    stage.conclude(load, promises).await
}

pub(crate) async fn migrate_slots(scene: Scene) -> anyhow::Result<Findings> {
    let valkey = RedisCluster::builder().binary(valkey_9()?);
    move_slots(
        scene,
        valkey,
        "CLUSTER MIGRATESLOTS",
        async |redis, slot, to| {
            redis.migrate_slot(slot, to).await;
        },
    )
    .await
}

pub(crate) async fn migration(scene: Scene) -> anyhow::Result<Findings> {
    let newer = RedisCluster::builder().binary(redis_8_4()?);
    move_slots(
        scene,
        newer,
        "CLUSTER MIGRATION IMPORT",
        async |redis, slot, to| {
            redis.import_slot(slot, to).await;
        },
    )
    .await
}

/// Moves each shard's slot to the next master by a means of the servers' own.
async fn move_slots(
    scene: Scene,
    redis: RedisClusterBuilder,
    name: &str,
    moves: impl AsyncFn(&RedisCluster, u16, usize),
) -> anyhow::Result<Findings> {
    let (redis, stage, slots) = set_on(&scene, redis).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    for slot in &slots {
        let from = redis.owner_of(*slot).await;
        let to = (from + 1) % MASTERS;
        scene.step(&format!(
            "{name}: slot {slot} goes from master {from} to {to}"
        ));
        moves(&redis, *slot, to).await;
    }
    stage.until(&load, 100).await;
    let promises = Promises::no_stall_beyond(FAILOVER).and_nothing_forgotten();
    stage.conclude(load, promises).await
}
