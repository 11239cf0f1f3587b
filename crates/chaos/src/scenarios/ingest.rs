//! Ingest processes that are killed, told to stop, or have a wrong clock.

use crate::engine::findings::Findings;
use crate::engine::plot::Plot;
use crate::engine::promises::Promises;
use crate::engine::scene::Scene;
use crate::engine::stage::Stage;
use crate::scenarios::bounds::{BEFORE, NO_STALL};
use crate::scenarios::servers::redis;
use anyhow::{bail, ensure};
use std::path::PathBuf;
use std::time::Duration;

/// How long before its end it is decided whether the poll is extended: longer than the clock is ahead, and a process takes
/// to see the change.
const LAST_CALL: Duration = Duration::from_secs(5);

/// By how much the clock is ahead.
const AHEAD: &str = "+2s";

pub(crate) async fn kill(scene: Scene) -> anyhow::Result<Findings> {
    let redis = redis().await;
    let mut stage = Stage::set(&scene, Plot::on(redis.url())).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    scene.step("kill -9 of an ingest process");
    stage.ingests[0].kill9().await;
    stage.until(&load, 70).await;
    scene.step("it is started again");
    stage.ingests[0].restart().await?;
    stage.until(&load, 100).await;
    stage
        .conclude(load, Promises::no_stall_beyond(NO_STALL))
        .await
}

pub(crate) async fn sigterm(scene: Scene) -> anyhow::Result<Findings> {
    let redis = redis().await;
    let mut stage = Stage::set(&scene, Plot::on(redis.url())).await?;
    let load = stage.load()?;
    stage.until(&load, 20).await;
    stop(&scene, &mut stage, 0).await?;
    stage.until(&load, BEFORE).await;
    scene.step("it is started again");
    stage.ingests[0].restart().await?;
    // What the clients do then: half of them come back within a second or so.
    tokio::time::sleep(scene.lasting(Duration::from_secs(5), Duration::from_secs(2))).await;
    for number in [1, 0] {
        stop(&scene, &mut stage, number).await?;
        stage.ingests[number].restart().await?;
        tokio::time::sleep(scene.lasting(Duration::from_secs(5), Duration::from_secs(2))).await;
    }
    stage.until(&load, 100).await;
    let promises = Promises {
        in_order: true,
        ..Promises::no_stall_beyond(NO_STALL)
    };
    stage.conclude(load, promises).await
}

async fn stop(scene: &Scene, stage: &mut Stage, number: usize) -> anyhow::Result<()> {
    let service = &mut stage.ingests[number];
    scene.step(&format!("SIGTERM of {}", service.name));
    let status = service.stop().await?;
    ensure!(
        status.success(),
        "{} ended with {status} after SIGTERM; see {}",
        service.name,
        service.log().display()
    );
    Ok(())
}

pub(crate) async fn clock_ahead(scene: Scene) -> anyhow::Result<Findings> {
    let Some(library) = libfaketime() else {
        bail!("libfaketime is missing: apt-get install faketime");
    };
    let redis = redis().await;
    let needed = scene.options.votes / u64::from(scene.options.rate).max(1);
    let ahead = [
        ("LD_PRELOAD", library.to_string_lossy().into_owned()),
        ("FAKETIME", AHEAD.to_owned()),
        // Timers have to stay honest: only the time of day is wrong.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let plot = Plot {
        open_for: Duration::from_secs(needed) + LAST_CALL,
        first_env: ahead.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        ..Plot::on(redis.url())
    };
    let mut stage = Stage::set(&scene, plot).await?;
    let skew = stage.skew_ms()?;
    scene.step(&format!(
        "the clock of ingest-0 is {skew} ms ahead of ingest-1's"
    ));
    ensure!(
        (1_500..2_500).contains(&skew),
        "nothing was tested: the clock is {skew} ms ahead, not 2 s"
    );
    let load = stage.load()?;
    scene.step("votes until the poll has closed for both");
    while load.errors("410 poll-closed") == 0 || !stage.open_for().is_zero() {
        // A slow machine gets more time, well before the first of the two clocks says that it is over.
        if load.accepted() < scene.share(95) && stage.open_for() < LAST_CALL {
            stage.extend(LAST_CALL).await?;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(NO_STALL).await;
    let accepted = load.accepted();
    let promises = Promises::no_stall_beyond(NO_STALL);
    let mut found = stage.conclude(load, promises).await?;
    found.details.push(format!("one clock was {skew} ms ahead"));
    if accepted < scene.options.votes {
        let asked = scene.options.votes;
        found.failures.push(format!(
            "only {accepted} of {asked} votes were accepted before the poll closed"
        ));
    }
    Ok(found)
}

/// Where Debian, Fedora and a build from source put it.
fn libfaketime() -> Option<PathBuf> {
    const PLACES: [&str; 6] = [
        "/usr/lib/x86_64-linux-gnu/faketime",
        "/usr/lib/aarch64-linux-gnu/faketime",
        "/usr/lib64/faketime",
        "/usr/lib/faketime",
        "/usr/local/lib/faketime",
        "/usr/local/lib64/faketime",
    ];
    let library = |place| PathBuf::from(place).join("libfaketimeMT.so.1");
    PLACES.into_iter().map(library).find(|path| path.exists())
}
