//! More votes than the queues hold.

use crate::engine::findings::Findings;
use crate::engine::plot::Plot;
use crate::engine::probe::Probe;
use crate::engine::promises::Promises;
use crate::engine::scene::Scene;
use crate::engine::stage::Stage;
use crate::scenarios::bounds::{BEFORE, STANDALONE};
use crate::scenarios::servers::redis;
use std::time::Duration;

/// Votes that wait in a lane: with two lanes in each of two processes fewer than half of the connections.
const CAPACITY: &str = "48";
const CONNECTIONS: usize = 768;

/// Shorter than the accept timeout: what is refused is refused because the queue is full.
const FROZEN: Duration = Duration::from_millis(1_500);

pub(crate) async fn queue_full(scene: Scene) -> anyhow::Result<Findings> {
    let redis = redis().await;
    let plot = Plot {
        connections: Some(CONNECTIONS),
        ..Plot::on(redis.url())
    };
    let plot = plot.ingest("VOTE__COMMIT__QUEUE_CAPACITY", CAPACITY);
    let stage = Stage::set(&scene, plot).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    scene.step("SIGSTOP of Redis");
    redis.pause();
    let probe = Probe::of(&redis.url());
    tokio::time::sleep(FROZEN).await;
    let refused = load.errors("503 overloaded");
    scene.step("SIGCONT");
    redis.resume();
    load.back(probe.back().await);
    load.goes_on(3 * STANDALONE).await;
    stage.until(&load, 100).await;
    let mut found = stage
        .conclude(load, Promises::back_within(STANDALONE).after(FROZEN))
        .await?;
    found.details.push(format!(
        "{refused} times 503 overloaded while Redis was frozen"
    ));
    if refused < 100 {
        found.failures.push(format!(
            "nothing was tested: only {refused} votes were refused because of a full queue"
        ));
    }
    Ok(found)
}
