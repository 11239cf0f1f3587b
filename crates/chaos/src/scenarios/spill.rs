//! Ingest processes that have to end while Redis is away, and what they leave behind.

use crate::engine::findings::Findings;
use crate::engine::plot::Plot;
use crate::engine::promises::Promises;
use crate::engine::scene::Scene;
use crate::engine::stage::Stage;
use crate::scenarios::bounds::BEFORE;
use crate::scenarios::servers::redis;
use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// How a process ends that leaves accepted votes behind.
const LEFT_BEHIND: i32 = 3;

/// How long `votectl replay` may take.
const REPLAY: Duration = Duration::from_secs(60);

/// Both processes leave files while Redis is away, which comes back without its last second; others take votes already
/// while the files are replayed, twice.
pub(crate) async fn left_and_replayed(scene: Scene) -> anyhow::Result<Findings> {
    let mut redis = redis().await;
    let dir = empty(scene.options.logs.join("ingest-spill-files"))?;
    let plot = Plot::on(redis.url())
        .ingest("VOTE__SPILL__DIR", &dir.to_string_lossy())
        .ingest("VOTE__SHUTDOWN__GRACE_MS", "1000")
        .ingest("VOTE__SHUTDOWN__DRAIN_TIMEOUT_MS", "4000");
    let mut stage = Stage::set(&scene, plot).await?;
    let load = stage.load()?;
    stage.until(&load, BEFORE).await;
    let on_disk = redis.append_only_len();
    tokio::time::sleep(scene.options.tail).await;
    let seconds = scene.options.tail.as_secs();
    scene.step(&format!(
        "kill -9 of Redis, whose last {seconds} s are lost; SIGTERM of both ingest processes"
    ));
    redis.kill9();
    let tail = redis.append_only_len() - on_disk;
    redis.truncate_append_only(tail);
    end(&mut stage).await?;
    let files = files(&dir)?;
    ensure!(
        files.len() == stage.ingests.len(),
        "{} processes have left {} files: {files:?}",
        stage.ingests.len(),
        files.len()
    );

    scene.step("Redis and both processes are started again");
    redis.restart().await;
    for ingest in &mut stage.ingests {
        ingest.restart().await?;
    }
    // Clients come back with the keys of votes that are in the files.
    load.until_or(load.accepted() + 100, Duration::from_secs(10))
        .await;
    scene.step("votectl replay, twice");
    let first = replay(&scene, &redis.url(), &files).await?;
    let second = replay(&scene, &redis.url(), &files).await?;
    stage.until(&load, 100).await;

    let mut found = stage.conclude(load, Promises::default()).await?;
    found.details.push(format!(
        "{} votes of {} files recorded, {} were there, {} had been sent again; the second time {}, {} and {}",
        first.recorded, files.len(), first.present, first.repeated, second.recorded, second.present, second.repeated
    ));
    found.failures.extend(wrong(&first, &second));
    Ok(found)
}

/// Tells all ingest processes to end, and makes sure of how they do.
async fn end(stage: &mut Stage) -> anyhow::Result<()> {
    let [first, second] = stage.ingests.as_mut_slice() else {
        bail!("two ingest processes are needed");
    };
    let (one, other) = tokio::join!(first.stop(), second.stop());
    for (status, ingest) in [(one?, first), (other?, second)] {
        ensure!(
            status.code() == Some(LEFT_BEHIND),
            "{} ended with {status}, not with exit code {LEFT_BEHIND}; see {}",
            ingest.name,
            ingest.log().display()
        );
    }
    Ok(())
}

/// What one run of `votectl replay` has done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Replayed {
    present: u64,
    recorded: u64,
    repeated: u64,
    refused: u64,
}

impl Replayed {
    fn of(report: &Value) -> anyhow::Result<Self> {
        let lanes = report["lanes"].as_array();
        let mut sum = Self::default();
        for lane in lanes.context("a report without lanes")? {
            let votes = |field: &str| {
                let votes = lane[field].as_u64();
                votes.with_context(|| format!("a lane without `{field}`: {lane}"))
            };
            sum.present += votes("present")?;
            sum.recorded += votes("recorded")?;
            sum.repeated += votes("repeated")?;
            sum.refused += votes("refused")?;
        }
        Ok(sum)
    }
}

/// Every promise of the two runs that does not hold.
fn wrong(first: &Replayed, second: &Replayed) -> Vec<String> {
    let mut failures = Vec::new();
    if first.recorded == 0 {
        failures.push("nothing was tested: `votectl replay` had no vote to record".to_owned());
    }
    if first.refused > 0 {
        let refused = first.refused;
        failures.push(format!("{refused} votes of the files were refused"));
    }
    if second.recorded > 0 {
        let recorded = second.recorded;
        failures.push(format!(
            "the second `votectl replay` has recorded {recorded} votes"
        ));
    }
    failures
}

async fn replay(scene: &Scene, redis: &str, files: &[PathBuf]) -> anyhow::Result<Replayed> {
    let votectl = Command::new(scene.binary("votectl"))
        .args(["--redis", redis, "--output", "json", "replay", "--yes"])
        .args(files)
        .env("VOTECTL_STATE_DIR", "off")
        .kill_on_drop(true)
        .output();
    let done = tokio::time::timeout(REPLAY, votectl).await;
    let done = done.with_context(|| format!("`votectl replay` did not end in {REPLAY:?}"))??;
    ensure!(
        done.status.success(),
        "`votectl replay` ended with {}: {}",
        done.status,
        String::from_utf8_lossy(&done.stderr).trim()
    );
    Replayed::of(&serde_json::from_slice(&done.stdout)?)
}

/// The directory without any file of an earlier run.
fn empty(dir: PathBuf) -> anyhow::Result<PathBuf> {
    let _old = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).with_context(|| format!("can't make {}", dir.display()))?;
    Ok(dir)
}

fn files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir)?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    paths.collect()
}

#[cfg(test)]
mod tests {
    use super::{Replayed, wrong};
    use serde_json::json;

    #[test]
    fn a_report_is_added_up_and_one_that_lacks_something_is_none() {
        let lane = json!({ "present": 1, "recorded": 20, "repeated": 3, "refused": 0 });
        let both = Replayed::of(&json!({ "lanes": [lane, lane] })).expect("a report");
        assert_eq!((both.present, both.recorded, both.repeated), (2, 40, 6));
        let broken = json!({ "lanes": [{ "error": "no such poll", "votes": 7 }] });
        for report in [json!({}), broken] {
            assert!(Replayed::of(&report).is_err());
        }
    }

    #[test]
    fn a_replay_that_does_nothing_refuses_something_or_counts_twice_is_found() {
        let some = |recorded, refused| Replayed {
            recorded,
            refused,
            ..Replayed::default()
        };
        assert_eq!(wrong(&some(7, 0), &some(0, 0)), Vec::<String>::new());
        for (first, second) in [(0, 0), (7, 7)] {
            let failures = wrong(&some(first, 0), &some(second, 0));
            assert_eq!(failures.len(), 1, "{failures:?}");
        }
        assert_eq!(wrong(&some(7, 1), &some(0, 0)).len(), 1);
    }
}
