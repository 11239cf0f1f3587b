//! What readers are shown while Redis is away.

use crate::engine::findings::Findings;
use crate::engine::plot::Plot;
use crate::engine::probe::Probe;
use crate::engine::promises::Promises;
use crate::engine::scene::Scene;
use crate::engine::stage::Stage;
use crate::scenarios::bounds::{BEFORE, STANDALONE};
use crate::scenarios::servers::redis;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often a reader looks.
const STEP: Duration = Duration::from_millis(25);

/// Figures that could not be read for 2 s (`snapshot.stale_after_ms`) are stale. A little more for the reading itself.
const STALE_AFTER: Duration = Duration::from_millis(2_600);

/// How soon after Redis' return they are fresh again.
const FRESH_AFTER: Duration = Duration::from_secs(2);

/// How exactly these times are known.
const READ: Duration = Duration::from_millis(100);

/// What one reader saw.
#[derive(Debug, Default)]
struct Seen {
    answers: u64,
    stale: u64,
    /// When the first stale figures and the first fresh ones after them were seen.
    first_stale: Option<Instant>,
    fresh_again: Option<Instant>,
    failures: Vec<String>,
}

pub(crate) async fn redis_away(scene: Scene) -> anyhow::Result<Findings> {
    let mut redis = redis().await;
    let stage = Arc::new(Stage::set(&scene, Plot::on(redis.url())).await?);
    let load = stage.load()?;
    stage.until(&load, BEFORE / 2).await;
    let end = CancellationToken::new();
    let reader = tokio::spawn(watch(Arc::clone(&stage), end.clone()));
    let _ended = end.clone().drop_guard();

    stage.until(&load, BEFORE).await;
    scene.step("Redis stops in order");
    let away = Instant::now();
    redis.stop().await;
    let probe = Probe::of(&redis.url());
    let lasts = scene.lasting(Duration::from_secs(6), Duration::from_secs(4));
    tokio::time::sleep(lasts).await;
    scene.step("restart");
    redis.restart().await;
    let back = probe.back().await;
    load.back(back);
    load.goes_on(3 * STANDALONE).await;
    stage.until(&load, 100).await;
    end.cancel();
    let seen = reader.await?;
    let mut found = stage
        .conclude(load, Promises::back_within(STANDALONE).after(lasts))
        .await?;
    found.failures.extend(judge(&seen, away, back));
    found.details.push(format!(
        "{} answers read, {} of them stale",
        seen.answers, seen.stale
    ));
    Ok(found)
}

/// Reads the results again and again: figures never go back, never vanish, and never stop being answered.
async fn watch(stage: Arc<Stage>, end: CancellationToken) -> Seen {
    let mut seen = Seen::default();
    let mut most = 0;
    while !end.is_cancelled() {
        match stage.shown().await {
            Ok(shown) => {
                seen.answers += 1;
                let total: u64 = shown.votes.iter().sum();
                if total < most && seen.failures.len() < 5 {
                    let status = &shown.status;
                    seen.failures.push(format!(
                        "the results went back from {most} to {total} votes ({status})"
                    ));
                }
                most = most.max(total);
                let now = Instant::now();
                if shown.status == "stale" {
                    seen.stale += 1;
                    seen.first_stale.get_or_insert(now);
                } else if seen.first_stale.is_some() {
                    seen.fresh_again.get_or_insert(now);
                }
            }
            Err(error) if seen.failures.len() < 5 => seen.failures.push(error.to_string()),
            Err(_) => {}
        }
        tokio::time::sleep(STEP).await;
    }
    seen
}

fn judge(seen: &Seen, away: Instant, back: Instant) -> Vec<String> {
    let mut failures = seen.failures.clone();
    let late = |at: Instant, since: Instant| at.saturating_duration_since(since);
    match seen.first_stale {
        None => {
            failures.push("the results were never marked stale while Redis was away".to_owned());
        }
        Some(at) if late(at, away) > STALE_AFTER => failures.push(format!(
            "the results were marked stale {} ms after Redis had gone, which is more than {} ms",
            late(at, away).as_millis(),
            STALE_AFTER.as_millis()
        )),
        Some(_) => {}
    }
    match seen.fresh_again {
        None => failures.push("the results never were fresh again".to_owned()),
        Some(at) if at + READ < back => {
            failures.push("the results called themselves fresh before Redis was back".to_owned());
        }
        Some(at) if late(at, back) > FRESH_AFTER => failures.push(format!(
            "the results were fresh {} ms after Redis was back, which is more than {} ms",
            late(at, back).as_millis(),
            FRESH_AFTER.as_millis()
        )),
        Some(_) => {}
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::{Seen, judge};
    use std::time::{Duration, Instant};

    #[test]
    fn stale_too_late_or_fresh_too_early_is_found() {
        let start = Instant::now();
        let at = |ms| Some(start + Duration::from_millis(ms));
        let back = start + Duration::from_secs(6);
        for (first_stale, fresh_again, failures) in [
            (at(2_200), at(6_300), 0),
            (None, None, 2),
            (at(3_500), at(6_300), 1),
            (at(2_200), at(4_000), 1),
            (at(2_200), at(9_000), 1),
        ] {
            let seen = Seen {
                first_stale,
                fresh_again,
                ..Seen::default()
            };
            assert_eq!(judge(&seen, start, back).len(), failures, "{seen:?}");
        }
    }
}
