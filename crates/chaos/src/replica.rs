//! A master and its replica, and the link between them.

use crate::report::Findings;
use crate::scenarios::{FAILOVER, NO_STALL};
use crate::scene::Scene;
use crate::stage::{Plot, Promises, Stage};
use crate::standalone::{BEFORE, redis};
use anyhow::ensure;
use std::time::{Duration, Instant};
use vote_testkit::{FaultProxy, RedisServer, eventually};

/// How long the link is cut: longer than the accept timeout.
const CUT: Duration = Duration::from_secs(5);
const CUT_QUICK: Duration = Duration::from_secs(3);

/// How long a replica may take to be in step.
const SYNC: Duration = Duration::from_secs(30);

/// A master, a replica, and the proxy that is the link between them.
struct Pair {
    master: RedisServer,
    replica: RedisServer,
    link: FaultProxy,
}

impl Pair {
    async fn start() -> Self {
        let master = redis().await;
        let link = FaultProxy::start(master.port()).await;
        let replica = RedisServer::builder()
            .append_only(true)
            .replica_of(link.port())
            .start()
            .await;
        let pair = Self {
            master,
            replica,
            link,
        };
        eventually(SYNC, || pair.is_linked()).await;
        pair
    }

    async fn is_linked(&self) -> bool {
        replication(&self.replica)
            .await
            .is_some_and(|info| info.contains("master_link_status:up"))
    }
}

async fn replication(server: &RedisServer) -> Option<String> {
    let info = redis::cmd("INFO").arg("replication").to_owned();
    info.query_async(&mut server.connection().await).await.ok()
}

pub(crate) async fn link_cut(scene: Scene) -> anyhow::Result<Findings> {
    let pair = Pair::start().await;
    let stage = Stage::set(&scene, Plot::on(pair.master.url())).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    scene.step("the link is cut");
    pair.link.down().await;
    tokio::time::sleep(scene.lasting(CUT, CUT_QUICK)).await;
    ensure!(
        !pair.is_linked().await,
        "nothing was tested: the link is up"
    );
    scene.step("the link is back");
    pair.link.up().await;
    eventually(SYNC, || pair.is_linked()).await;
    stage.until(&load, 100).await;
    // The master never was away: durability `memory` does not wait for a replica.
    stage
        .conclude(load, Promises::no_stall_beyond(NO_STALL))
        .await
}

pub(crate) async fn link_cut_durable(scene: Scene) -> anyhow::Result<Findings> {
    let pair = Pair::start().await;
    let plot = Plot::on(pair.master.url())
        .ingest("VOTE__COMMIT__DURABILITY", "replicas(1, 500)")
        .ingest("VOTE__COMMIT__REPLICAS_MISSING", "refuse");
    let stage = Stage::set(&scene, plot).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    scene.step("the link is cut");
    pair.link.down().await;
    // What was on its way when the link was cut may still be answered.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = load.accepted();
    tokio::time::sleep(scene.lasting(CUT, CUT_QUICK)).await;
    let meanwhile = load.accepted() - before;
    scene.step("the link is back");
    pair.link.up().await;
    eventually(SYNC, || pair.is_linked()).await;
    load.back(Instant::now());
    load.goes_on(3 * FAILOVER).await;
    stage.until(&load, 100).await;
    let mut found = stage
        .conclude(load, Promises::back_within(FAILOVER))
        .await?;
    if meanwhile > 0 {
        found.failures.push(format!(
            "{meanwhile} votes were accepted while no replica had them, with durability replicas(1, 500)"
        ));
    }
    Ok(found)
}
