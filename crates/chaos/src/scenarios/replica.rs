//! A master and its replica, and the link between them.

use crate::engine::findings::Findings;
use crate::engine::plot::Plot;
use crate::engine::promises::Promises;
use crate::engine::scene::Scene;
use crate::engine::stage::Stage;
use crate::scenarios::bounds::{BEFORE, FAILOVER, NO_STALL};
use crate::scenarios::servers::redis;
use anyhow::ensure;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use vote_testkit::{RedisServer, eventually, free_port};

/// How long the link is cut: longer than the accept timeout.
const CUT: Duration = Duration::from_secs(5);
const CUT_QUICK: Duration = Duration::from_secs(3);

/// How long a replica may take to be in step.
const SYNC: Duration = Duration::from_secs(30);

/// A TCP relay that can be cut. What replicas are sent is not all RESP, so the test kit's proxy can't be it.
struct Link {
    port: u16,
    upstream: u16,
    relay: Option<JoinHandle<()>>,
}

impl Link {
    async fn to(upstream: u16) -> anyhow::Result<Self> {
        let mut link = Self {
            port: free_port(),
            upstream,
            relay: None,
        };
        link.up().await?;
        Ok(link)
    }

    async fn up(&mut self) -> anyhow::Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await?;
        self.relay = Some(tokio::spawn(relay(listener, self.upstream)));
        Ok(())
    }

    /// Cuts what is open and takes nothing new.
    async fn down(&mut self) {
        if let Some(relay) = self.relay.take() {
            relay.abort();
            // The sockets are closed once the task is gone.
            let _cancelled = relay.await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(relay) = &self.relay {
            relay.abort();
        }
    }
}

async fn relay(listener: TcpListener, upstream: u16) {
    // Dropped with this task, and its connections with it.
    let mut open = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        open.spawn(async move {
            if let Ok(mut server) = TcpStream::connect(("127.0.0.1", upstream)).await {
                let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

/// A master, a replica, and the link between them.
struct Pair {
    master: RedisServer,
    replica: RedisServer,
    link: Link,
}

impl Pair {
    async fn start() -> anyhow::Result<Self> {
        let master = redis().await;
        let link = Link::to(master.port()).await?;
        let replica = RedisServer::builder()
            .append_only(true)
            .replica_of(link.port)
            .start()
            .await;
        let pair = Self {
            master,
            replica,
            link,
        };
        eventually(SYNC, || pair.is_linked()).await;
        Ok(pair)
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
    let mut pair = Pair::start().await?;
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
    pair.link.up().await?;
    eventually(SYNC, || pair.is_linked()).await;
    stage.until(&load, 100).await;
    // The master never was away: durability `memory` does not wait for a replica.
    stage
        .conclude(load, Promises::no_stall_beyond(NO_STALL))
        .await
}

pub(crate) async fn link_cut_durable(scene: Scene) -> anyhow::Result<Findings> {
    let mut pair = Pair::start().await?;
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
    pair.link.up().await?;
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
