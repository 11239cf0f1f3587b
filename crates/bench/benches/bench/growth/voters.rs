//! What Redis takes for a voter whose votes are counted, with more and more of them, on several servers. Votes go the way of all
//! others, through lanes and their script; only HTTP is left out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use redis::aio::MultiplexedConnection;
use tokio::process::Command;
use vote_domain::Clock as _;
use vote_runtime::SystemClock;
use vote_store::{OpenPoll, Outcome, RedisConfig, Store, VoteToCast, VoteWriter};
use vote_testkit::{RedisServer, newer_redis_server};

use super::history::connection;
use super::writers::patient;
use super::{Clock, Notes};
use crate::carried::CHANNELS;
use crate::cli::GrowthOptions;
use crate::plot::{Chart, Curve, Point};
use crate::poll::open_poll_of;
use crate::poll_text::poll_text;
use crate::say::progress;
use crate::spread::{Spread, as_f64, number};
use crate::until::until;

const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
/// The channel that gives a voter one vote.
const CHANNEL: &str = "unico";
/// Votes that are on their way at a time.
const AT_ONCE: u32 = 4_096;
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut curves = Vec::new();
    for program in servers(options) {
        let label = match version(&program).await {
            Ok(label) => label,
            Err(error) => {
                notes.add(format!("{}: {error:#}", program.display()));
                continue;
            }
        };
        let mut points = Vec::new();
        if let Err(error) = of_server(&program, clock, &label, &mut points).await {
            notes.add(format!("voters on {label}: {error:#}"));
        }
        curves.push(Curve { label, points });
    }
    Ok(vec![Chart {
        title: "Redis' memory of a voter".to_owned(),
        size: "voters with one vote each".to_owned(),
        unit: "bytes a voter".to_owned(),
        curves,
    }])
}

/// Those that were named, else the system's own and the newer one of the tests, where there is one.
fn servers(options: &GrowthOptions) -> Vec<PathBuf> {
    if options.redis_servers.is_empty() {
        let own = Some(PathBuf::from("redis-server"));
        own.into_iter().chain(newer_redis_server()).collect()
    } else {
        options.redis_servers.clone()
    }
}

/// What a server says that it is: `Redis 7.0.15`.
async fn version(program: &Path) -> anyhow::Result<String> {
    let said = Command::new(program).arg("--version").output().await;
    let said = said.context("it can't be run")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let (product, rest) = said
        .split_once(" server v=")
        .with_context(|| format!("it is no Redis: {said}"))?;
    let version = rest.split_whitespace().next().unwrap_or_default();
    Ok(format!("{product} {version}"))
}

/// Votes of more and more voters, all in one shard.
async fn of_server(
    program: &Path,
    clock: Clock,
    label: &str,
    points: &mut Vec<Point>,
) -> anyhow::Result<()> {
    let redis = RedisServer::builder().binary(program).start().await;
    let text = poll_text("bench", 1, 1, SystemClock.now())? + CHANNELS;
    open_poll_of(&redis.url(), &text).await?;
    let store = Store::new(&RedisConfig::new(redis.url())?)?;
    let writer = VoteWriter::start(&store, patient(), &mut Registry::default());
    let poll = until(PATIENCE, async || known(&writer)).await?;
    let mut connection = connection(&redis).await?;
    // A few, so that what there is once is there: the script, the tally, the ledger.
    let mut there = vote(&poll, 0, 100).await?;
    let before = used(&mut connection).await?;
    let few = there;
    for size in SIZES {
        while there < size + few {
            ensure!(
                !clock.is_over(),
                "{size} voters: left out, the time was over"
            );
            there = vote(&poll, there, (there + AT_ONCE).min(size + few)).await?;
        }
        let bytes = (used(&mut connection).await? - before) / f64::from(size);
        progress(&format!(
            "{label}: {} bytes for each of {size} voters",
            number(bytes, 1)
        ));
        points.push(Point {
            size: size.into(),
            value: Spread::of([bytes]).context("one value")?,
        });
    }
    ensure!(
        writer.drain(PATIENCE).await.in_time,
        "the writer did not end"
    );
    Ok(())
}

/// The poll, once the key of its voters' digests is known.
fn known(writer: &VoteWriter) -> anyhow::Result<Arc<OpenPoll>> {
    let poll = writer.find("bench").ok().flatten();
    let poll = poll.context("the writer does not know the poll")?;
    poll.voter(channel(&poll)?, "nobody", SystemClock.now())?;
    Ok(poll)
}

fn channel(poll: &OpenPoll) -> anyhow::Result<u8> {
    let index = poll.poll().definition.channel_index(CHANNEL);
    Ok(u8::try_from(
        index.context("the poll has no such channel")?,
    )?)
}

/// One vote of each of these voters; the number of the next one.
async fn vote(poll: &OpenPoll, from: u32, to: u32) -> anyhow::Result<u32> {
    let (channel, now) = (channel(poll)?, SystemClock.now());
    let mut votes = Vec::new();
    for voter in from..to {
        votes.push(poll.send(of_voter(poll, channel, voter, now)?));
    }
    for vote in &mut votes {
        match vote.outcome().await {
            Outcome::Accepted(_) => {}
            other => bail!("a vote ended with {other:?}"),
        }
    }
    Ok(to)
}

fn of_voter(
    poll: &OpenPoll,
    channel: u8,
    voter: u32,
    now: Timestamp,
) -> anyhow::Result<VoteToCast> {
    let digest = poll.voter(channel, &format!("voter-{voter}"), now)?;
    Ok(VoteToCast {
        channel,
        candidate: u8::try_from(voter % 4)?,
        received_at_ms: now.as_millisecond(),
        key: None,
        voter: Some(digest.context("the channel counts no voters")?),
        is_withdrawn: false,
        quarantine: None,
        span: None,
    })
}

/// Bytes that the server has taken for what it holds.
pub(super) async fn used(connection: &mut MultiplexedConnection) -> anyhow::Result<f64> {
    let mut question = redis::cmd("INFO");
    question.arg("memory");
    let said: String = question.query_async(connection).await?;
    let used = said.lines().find_map(|it| it.strip_prefix("used_memory:"));
    Ok(as_f64(used.context("it does not say")?.trim().parse()?))
}
