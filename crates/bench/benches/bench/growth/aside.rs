//! How late the answers to votes that are set aside are, beside those to votes that count: nobody can tell by them which is which.
//! Both are of one poll, at the same rates, by processes with the same settings but for the address that is denied.

use std::io::Write as _;

use anyhow::Context as _;
use tempfile::NamedTempFile;
use vote_testkit::RedisServer;

use super::{Clock, Notes, Points, in_rounds};
use crate::cli::GrowthOptions;
use crate::load::{Load, Loaded, Plan};
use crate::plot::Chart;
use crate::server::Server;
use crate::spread::number;

/// Votes a second.
const RATES: [u32; 3] = [1_000, 4_000, 8_000];
const SECONDS: u32 = 6;
const CONNECTIONS: u32 = 128;
/// The address of all votes, which has the points of a suspect one then, and another.
const DENIED: [&str; 2] = ["127.0.0.1\n", "192.0.2.1\n"];
/// Nothing else is said against a vote, though all come from one network.
const SETTINGS: [(&str, &str); 3] = [
    ("VOTE__SUSPICION__THRESHOLD", "100"),
    ("VOTE__SUSPICION__PREFIX_SHARE_POINTS", "0"),
    ("VOTE__SUSPICION__KEY_PATTERN_POINTS", "0"),
];

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut times = Points::new(&[
        "p50 set aside",
        "p50 counted",
        "p99 set aside",
        "p99 counted",
    ]);
    let mut ratio = Points::new(&["p50", "p99"]);
    let once = async |rate| once(options, rate).await;
    in_rounds(
        options,
        clock,
        notes,
        (&RATES, "votes a second"),
        once,
        |rate, [aside, counted]| {
            let [p50, p99] = [
                aside.latency_us.p50 / counted.latency_us.p50,
                aside.latency_us.p99 / counted.latency_us.p99,
            ];
            times.add(rate, 0, aside.latency_us.p50 / 1e3);
            times.add(rate, 1, counted.latency_us.p50 / 1e3);
            times.add(rate, 2, aside.latency_us.p99 / 1e3);
            times.add(rate, 3, counted.latency_us.p99 / 1e3);
            ratio.add(rate, 0, p50);
            ratio.add(rate, 1, p99);
            format!(
                "set aside ÷ counted: p50 {}, p99 {}",
                number(p50, 2),
                number(p99, 2)
            )
        },
    )
    .await;
    let size = "votes a second";
    Ok(vec![
        times.chart(
            "Answers to votes that are set aside and that count",
            size,
            "milliseconds",
        ),
        ratio.chart(
            "Answers to votes that are set aside ÷ to those that count",
            size,
            "ratio",
        ),
    ])
}

/// Of votes that are set aside, and of votes that count.
async fn once(options: &GrowthOptions, rate: u32) -> anyhow::Result<[Loaded; 2]> {
    let build = &options.common.bin_dir;
    let redis = RedisServer::start().await;
    let url = redis.url();
    build.open(&url, &["bench"], 1).await?;
    let mut seen = Vec::new();
    for address in DENIED {
        let mut denied = NamedTempFile::new()?;
        denied.write_all(address.as_bytes())?;
        let file = denied.path().to_str().context("a path in UTF-8")?;
        let mut settings = options.settings();
        settings.push(("VOTE__SUSPICION__DENY_LIST_FILE", file));
        settings.extend(SETTINGS);
        let ingest = Server::service(&build.ingest, &[], Some(&url), &settings);
        ingest.takes_votes("bench").await?;
        let plan = |seconds| Plan {
            rate,
            seconds,
            connections: CONNECTIONS,
        };
        // What comes first makes lanes and connections.
        let warm = Load::start(build, &url, &ingest.address, plan(1))?;
        warm.end().await?;
        let seconds = options.seconds.unwrap_or(SECONDS);
        let load = Load::start(build, &url, &ingest.address, plan(seconds))?;
        seen.push(load.end().await?);
    }
    let seen: [Loaded; 2] = seen.try_into().ok().context("two of them")?;
    Ok(seen)
}
