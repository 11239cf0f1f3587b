//! Series of a poll of 30 days in 40 time zones, and of more and more of its days, which anybody may ask for: how much memory is kept
//! for them.

use anyhow::ensure;
use std::time::Duration;
use vote_domain::Clock as _;
use vote_runtime::SystemClock;
use vote_testkit::RedisServer;

use super::history::History;
use super::readers::at_rest;
use super::{Clock, Notes, Points, in_rounds};
use crate::cli::GrowthOptions;
use crate::plot::Chart;
use crate::process::resident;
use crate::server::Server;
use crate::spread::{as_f64, number};
use crate::until::until;

const REQUESTS: [u32; 4] = [10, 40, 160, 320];
const DAYS: i64 = 30;
/// As long as an answer by the minute may be.
const PART_S: i64 = 3 * 86_400;
/// But for the one in which the poll was opened.
const MINUTES: i64 = DAYS * 1_440 - 1;
const START: Duration = Duration::from_secs(120);
const MIB: f64 = 1_048_576.0;
/// Beside those at whole hours from Greenwich.
const PLACES: [&str; 14] = [
    "America/Manaus",
    "America/Belem",
    "America/Bahia",
    "America/Recife",
    "America/Lima",
    "America/Bogota",
    "America/New_York",
    "America/Chicago",
    "Europe/Lisbon",
    "Europe/Madrid",
    "Europe/Berlin",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Africa/Cairo",
];

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut memory = Points::new(&["grown by"]);
    let mut bytes = Points::new(&["answered"]);
    let redis = RedisServer::start().await;
    let poll = History::plain("bench");
    poll.open(&redis, DAYS).await?;
    poll.fill(&redis, MINUTES).await?;
    let url = redis.url();
    let once = async |requests| once(options, &url, requests).await;
    in_rounds(
        options,
        clock,
        notes,
        (&REQUESTS, "requests"),
        once,
        |requests, (grown, answered)| {
            memory.add(requests, 0, grown);
            bytes.add(requests, 0, answered);
            format!(
                "memory grows by {} MiB, {} MiB were answered",
                number(grown, 1),
                number(answered, 1)
            )
        },
    )
    .await;
    let size = "requests, another zone or other days each";
    Ok(vec![
        memory.chart(
            "Series of a poll of 30 days in other zones: memory",
            size,
            "MiB of results, beside before",
        ),
        bytes.chart(
            "Series of a poll of 30 days in other zones: answers",
            size,
            "MiB in all",
        ),
    ])
}

/// By how many MiB the service grew, and how many it has answered.
async fn once(options: &GrowthOptions, redis: &str, requests: u32) -> anyhow::Result<(f64, f64)> {
    let (build, settings) = (&options.common.bin_dir, options.settings());
    let results = Server::service(&build.results, &[], Some(redis), &settings);
    until(START, async || {
        results.get("/v1/polls/bench/results/hourly").await
    })
    .await?;
    at_rest(&results).await?;
    let before = resident(results.pid()?)?;
    // Minutes that are begun at both ends would be one too many.
    let now = SystemClock.now().as_second() / 60 * 60;
    let mut answered = 0;
    let parts = (0..DAYS / 3).flat_map(|part| zones().map(move |zone| (part, zone)));
    for (part, zone) in parts.take(usize::try_from(requests)?) {
        let minutely = format!("/v1/polls/bench/results/minutely?tz={zone}");
        // A build that gives all of them at once is asked for all of them.
        let whole = results.get(&minutely).await;
        let body = match whole {
            Ok(body) => body,
            Err(_) => {
                let until = jiff::Timestamp::from_second(now - part * PART_S)?;
                let from = jiff::Timestamp::from_second(now - (part + 1) * PART_S)?;
                let part = format!("{minutely}&from={from}&until={until}");
                results.get(&part).await?
            }
        };
        answered += u64::try_from(body.len())?;
    }
    ensure!(answered > 0, "nothing was answered");
    let grown = resident(results.pid()?)?.saturating_sub(before);
    Ok((as_f64(grown) / MIB, as_f64(answered) / MIB))
}

/// Zones, as an address says them.
fn zones() -> impl Iterator<Item = String> {
    let east = (1..=14).map(|hours| format!("Etc/GMT-{hours}"));
    let west = (1..=12).map(|hours| format!("Etc/GMT%2B{hours}"));
    let places = PLACES.iter().map(|&place| place.to_owned());
    places.chain(east).chain(west)
}
