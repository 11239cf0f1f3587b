//! What Redis takes for a key that it remembers, with more and more of them. Votes go the way of all others, through lanes and their
//! script; only HTTP is left out.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use prometheus_client::registry::Registry;
use vote_domain::{Clock as _, KeyDigest};
use vote_runtime::SystemClock;
use vote_store::{OpenPoll, Outcome, RedisConfig, Store, VoteToCast, VoteWriter};
use vote_testkit::RedisServer;

use super::history::connection;
use super::voters::used;
use super::writers::patient;
use super::{Clock, Notes};
use crate::plot::{Chart, Curve, Point};
use crate::poll::open_poll_of;
use crate::poll_text::poll_text;
use crate::say::progress;
use crate::spread::{Spread, number};
use crate::until::until;

const SIZES: [u32; 5] = [100_000, 300_000, 1_000_000, 3_000_000, 6_000_000];
/// Votes that are on their way at a time.
const AT_ONCE: u32 = 4_096;
const PATIENCE: Duration = Duration::from_secs(30);
/// Keys are remembered for longer than it takes to bring them.
const REMEMBERED: Duration = Duration::from_secs(900);

pub(super) async fn measure(clock: Clock, notes: &mut Notes) -> anyhow::Result<Vec<Chart>> {
    let mut points = Vec::new();
    if let Err(error) = of_a_server(clock, &mut points).await {
        notes.add(format!("keys: {error:#}"));
    }
    Ok(vec![Chart {
        title: "Redis' memory of a key".to_owned(),
        size: "remembered keys of a poll".to_owned(),
        unit: "bytes a key".to_owned(),
        curves: vec![Curve {
            label: "one shard".to_owned(),
            points,
        }],
    }])
}

/// Votes with a key each, all in one shard.
async fn of_a_server(clock: Clock, points: &mut Vec<Point>) -> anyhow::Result<()> {
    let redis = RedisServer::start().await;
    let text = poll_text("bench", 1, 1, SystemClock.now())?;
    open_poll_of(&redis.url(), &text).await?;
    let store = Store::new(&RedisConfig::new(redis.url())?)?;
    let mut config = patient();
    config.lane.idempotency_window = REMEMBERED;
    let writer = VoteWriter::start(&store, config, &mut Registry::default());
    let found = || writer.find("bench").ok().flatten().context("no such poll");
    let poll = until(PATIENCE, async || found()).await?;
    let mut connection = connection(&redis).await?;
    // A few, so that what there is once is there: the script, the tally, the ledger.
    let mut there = vote(&poll, 0, 100).await?;
    let (before, few) = (used(&mut connection).await?, there);
    for size in SIZES {
        while there < size + few {
            ensure!(!clock.is_over(), "{size}: left out, the time was over");
            there = vote(&poll, there, (there + AT_ONCE).min(size + few)).await?;
        }
        let bytes = (used(&mut connection).await? - before) / f64::from(size);
        progress(&format!(
            "{} bytes for each of {size} keys",
            number(bytes, 1)
        ));
        points.push(Point {
            size: size.into(),
            value: Spread::of([bytes]).context("one value")?,
        });
    }
    let drained = writer.drain(PATIENCE).await;
    ensure!(drained.in_time, "the writer did not end");
    Ok(())
}

/// One vote with each of these keys; the number of the next one.
async fn vote(poll: &OpenPoll, from: u32, to: u32) -> anyhow::Result<u32> {
    let received_at_ms = SystemClock.now().as_millisecond();
    let votes = (from..to).map(|number| {
        poll.send(VoteToCast {
            channel: 0,
            candidate: 0,
            received_at_ms,
            key: Some(digest(number)),
            voter: None,
            is_withdrawn: false,
            quarantine: None,
            span: None,
        })
    });
    for vote in &mut votes.collect::<Vec<_>>() {
        match vote.outcome().await {
            Outcome::Accepted(_) => {}
            other => bail!("a vote ended with {other:?}"),
        }
    }
    Ok(to)
}

/// Bits that lie everywhere, as those of a digest do, and another for each number (SplitMix64).
fn digest(number: u32) -> KeyDigest {
    let mix = |seed: u64| {
        let mut bits = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    };
    let (first, second) = (u64::from(number), u64::from(number) | 1 << 40);
    let bits = u128::from(mix(first)) << 64 | u128::from(mix(second));
    KeyDigest::from_bytes(bits.to_be_bytes())
}
