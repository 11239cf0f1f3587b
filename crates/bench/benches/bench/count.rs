//! What callgrind counts the instructions of: `make callgrind-check` runs each subject for some times and for twice as many, so
//! that what is done once is in neither figure.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::System;
use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use futures_util::future::join_all;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use vote_domain::{
    IdempotencyKey, KeyDigest, Minute, MinuteSeries, Poll, PollDefinition, PollId, Tally,
    Transition,
};
use vote_http::launch;
use vote_results::Rendering;
use vote_runtime::{ServiceName, Settings, SystemClock, entropy};
use vote_store::{
    Confirmed, LaneConfig, Outcome, PollSnapshot, RedisConfig, Store, VoteToCast, VoteWriter,
    VoteWriterConfig,
};
use vote_testkit::RedisServer;

use crate::floors::NoRedis;
use crate::poll::open_poll;
use crate::poll_text::poll_text;
use crate::until::until;

const START: Duration = Duration::from_secs(60);
/// Votes that come at once: a batch.
const AT_ONCE: u32 = 500;
const VOTE: &[u8] = b"POST /v1/polls/bench/votes HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
    Idempotency-Key: \"8e03978e-40d5-43e8-bc93-6894a57f9324\"\r\nContent-Length: 19\r\n\r\n{\"candidate\":\"ana\"}";

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// From a vote's bytes to those of its answer, in a service that records nothing
    ParseAndAnswer,
    /// From votes that are read to their outcomes: gather, pack, send, and read the reply
    BuildBatch,
    /// From a poll's figures to its pages, in all formats and codings
    RenderRevision,
}

/// Does it so many times.
pub(crate) fn run(subject: Subject, times: u32) -> anyhow::Result<()> {
    match subject {
        Subject::ParseAndAnswer => System::new().block_on(parse_and_answer(times)),
        Subject::BuildBatch => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(build_batches(times)),
        Subject::RenderRevision => render_revisions(times),
    }
}

async fn parse_and_answer(times: u32) -> anyhow::Result<()> {
    let settings = [
        ("VOTE__HTTP__BIND", "127.0.0.1:0"),
        ("VOTE__ADMIN__BIND", "127.0.0.1:0"),
        ("VOTE__HTTP__WORKERS", "1"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::load(ServiceName::Ingest, None, settings.into_iter())?;
    let server = launch::<NoRedis>(settings, Arc::new(SystemClock), None).await?;
    let address = server.address();
    tokio::task::spawn_blocking(move || vote(address, times)).await?
}

/// Votes one after the other: each is one wake-up of the server.
fn vote(address: SocketAddr, times: u32) -> anyhow::Result<()> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    let mut answer = [0; 4096];
    for _ in 0..times {
        connection.write_all(VOTE)?;
        // An answer is small, and comes in one piece.
        let read = connection.read(&mut answer)?;
        let answer = answer.get(..read).unwrap_or_default();
        ensure!(
            answer.starts_with(b"HTTP/1.1 201"),
            "it answered {}",
            String::from_utf8_lossy(answer)
        );
    }
    Ok(())
}

/// The votes of a batch come in one go, and the next ones when it is recorded.
async fn build_batches(times: u32) -> anyhow::Result<()> {
    let redis = RedisServer::start().await;
    open_poll(&redis.url()).await?;
    let config = VoteWriterConfig {
        lane: LaneConfig {
            // Under callgrind nothing comes soon.
            accept_timeout: START,
            idempotency_window: START * 2,
            ..LaneConfig::default()
        },
        refresh_interval: Duration::from_secs(1),
        receipt_key: None,
        random,
    };
    let mut settings = RedisConfig::new(redis.url())?;
    settings.response_timeout = START;
    let writer = VoteWriter::start(&Store::new(&settings)?, config, &mut Registry::default());
    let poll = until(START, async || {
        writer
            .find("bench")
            .ok()
            .flatten()
            .context("it knows no poll")
    })
    .await?;
    let id = PollId::parse("bench")?;
    for batch in 0..times {
        let now = vote_domain::Clock::now(&SystemClock).as_millisecond();
        let votes = (0..AT_ONCE).map(|place| {
            let key = format!("key-{batch}-{place}");
            let key = IdempotencyKey::parse(&key);
            let key = key.map(|key| KeyDigest::new(&id, &key)).ok();
            poll.cast(VoteToCast {
                channel: 0,
                candidate: u8::try_from(place % 4).unwrap_or(0),
                received_at_ms: now,
                key,
                voter: None,
                is_withdrawn: false,
                quarantine: None,
                span: None,
            })
        });
        let outcomes = join_all(votes).await;
        let refused = outcomes
            .iter()
            .find(|it| !matches!(it, Outcome::Accepted(_)));
        ensure!(refused.is_none(), "a vote ended with {refused:?}");
    }
    Ok(())
}

#[expect(
    clippy::expect_used,
    reason = "without randomness there is nothing to go on with"
)]
fn random() -> [u8; 32] {
    entropy::random_bytes().expect("the operating system's randomness")
}

/// Two revisions in turn: nothing of the one before holds.
fn render_revisions(times: u32) -> anyhow::Result<()> {
    let now: Timestamp = "2026-11-24T12:00:00Z".parse()?;
    let definition = PollDefinition::parse_yaml(&poll_text("bench", 1, 1, now)?)?;
    let poll = Poll::draft(definition, now, "bench").transition(Transition::Open, now, "bench")?;
    let settings = Settings::load(ServiceName::Results, None, std::iter::empty())?;
    let mut rendering = Rendering::new(&settings);
    for revision in 0..times {
        let confirmed = Confirmed {
            snapshot: Arc::new(snapshot(&poll, revision % 2, now)?),
            confirmed_at: now,
        };
        rendering.render(&confirmed, now)?;
    }
    Ok(())
}

/// An hour of votes for four candidates.
fn snapshot(poll: &Poll, revision: u32, now: Timestamp) -> anyhow::Result<PollSnapshot> {
    const MINUTES: i64 = 60;
    let candidates = poll.definition.candidates().len();
    let (mut tally, mut minutes) = (Tally::new(1, candidates), MinuteSeries::new(1, candidates));
    for minute in 0..MINUTES {
        let at = Timestamp::from_second(now.as_second() - minute * 60)?;
        for candidate in 0..candidates {
            let votes = 1_000 + u64::try_from(candidate)? * 17 + u64::from(revision);
            tally.add(0, candidate, votes).context("too many votes")?;
            minutes
                .add(Minute::from_timestamp(at), 0, candidate, votes)
                .context("too many votes")?;
        }
    }
    Ok(PollSnapshot {
        revision: poll.revision + 1 + u64::from(revision),
        poll: poll.clone(),
        tally,
        annulled: Tally::new(1, candidates),
        minutes,
        late: Tally::new(1, candidates),
        quarantine: vote_domain::Quarantine::default(),
        ledger: vec![BTreeMap::new()],
        ended: Vec::new(),
        received_at: Some(now),
        sealed: None,
    })
}
