//! Allocations of 10,000 votes, from their bytes to those of their answers: in the service, and in one that records nothing.
//! A program of its own, for what runs beside it in its process would be counted as well.
#![expect(clippy::expect_used, reason = "a test has nobody to hand an error to")]

#[path = "../../benches/bench/floors/no_redis.rs"]
mod no_redis;
#[path = "../../benches/common/poll.rs"]
mod poll;
#[path = "../../benches/common/poll_text.rs"]
mod poll_text;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::System;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use vote_http::{Service, launch};
use vote_ingest::Ingest;
use vote_runtime::sampling::Sampling;
use vote_runtime::{ServiceName, Settings, SystemClock};
use vote_testkit::{RedisServer, eventually};

use crate::no_redis::NoRedis;
use crate::poll::open_poll;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// What a vote may take; beside its own, its share of a full batch's.
const MOST: f64 = 4.0;
/// What it takes to parse and answer it, with what goes on beside 10,000 of them.
const PARSED: f64 = 2.1;
const VOTES: usize = 10_000;
/// Votes one after the other, each in a batch of its own.
const ALONE: usize = 1_000;
/// Votes of a full batch.
const BATCH: f64 = 128.0;
/// Votes that come together, and share a batch.
const AT_ONCE: usize = 250;
/// In which all that is made once has been made.
const WARM: usize = 1_000;

/// One test for all of it: what runs beside it would be counted as well.
#[test]
fn a_vote_takes_memory_at_most_four_times() {
    System::new().block_on(async {
        let mut seen = Vec::new();
        for is_keyed in [false, true] {
            let of = of_votes::<NoRedis>(None, is_keyed, None).await;
            seen.push(("parsed and answered", is_keyed, of));
            // What is not sampled has no span.
            let of = of_votes::<NoRedis>(None, is_keyed, Some(0.0)).await;
            seen.push(("the same, not sampled", is_keyed, of));
        }
        let redis = RedisServer::start().await;
        open_poll(&redis.url()).await.expect("a poll");
        for is_keyed in [false, true] {
            let of = of_votes::<Ingest>(Some(&redis.url()), is_keyed, None).await;
            seen.push(("recorded", is_keyed, of));
        }
        for (what, is_keyed, allocations) in &seen {
            println!("{what}, keyed: {is_keyed}: {allocations:.2} allocations a vote");
        }
        for (what, _, allocations) in &seen {
            let most = if *what == "recorded" { MOST } else { PARSED };
            assert!(*allocations <= most, "{what}: at most {most}: {seen:?}");
        }
    });
}

/// Allocations a vote of this service, in this process; `sampled` is the share of the votes that are traced, if any may be.
async fn of_votes<S: Service>(redis: Option<&str>, is_keyed: bool, sampled: Option<f64>) -> f64 {
    let settings = [
        ("VOTE__HTTP__BIND", "127.0.0.1:0"),
        ("VOTE__ADMIN__BIND", "127.0.0.1:0"),
        ("VOTE__HTTP__WORKERS", "1"),
        ("VOTE__REDIS__URL", redis.unwrap_or("redis://127.0.0.1:1")),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings =
        Settings::load(ServiceName::Ingest, None, settings.into_iter()).expect("settings");
    let sampling = sampled.map(Sampling::parent_based);
    let server = launch::<S>(settings, Arc::new(SystemClock), sampling)
        .await
        .expect("a service");
    let address = server.address();
    eventually(Duration::from_secs(20), || async move {
        let taken = tokio::task::spawn_blocking(move || Voters::new(address, 1, false).vote(1));
        taken.await.is_ok_and(|taken| taken == 1)
    })
    .await;
    let admin = server.admin_address();
    let voting = tokio::task::spawn_blocking(move || {
        let [together, alone] = [(AT_ONCE, VOTES), (1, ALONE)].map(|(at_once, votes)| {
            let mut voters = Voters::new(address, at_once, is_keyed);
            voters.vote(WARM);
            let (batches, before) = (batches(admin), ALLOCATOR.stats());
            let accepted = voters.vote(votes);
            let taken = ALLOCATOR.stats() - before;
            assert_eq!(accepted, votes);
            let batches = self::batches(admin) - batches;
            Taken {
                votes: as_f64(votes),
                batches,
                allocations: as_f64(taken.allocations + taken.reallocations),
            }
        });
        of_one(together, alone)
    });
    let count = voting.await.expect("voters");
    // What it goes on to do in its time is as good as nothing beside a vote's.
    std::mem::forget(server);
    count
}

/// What was taken for so many votes in so many batches.
#[derive(Clone, Copy)]
struct Taken {
    votes: f64,
    batches: f64,
    allocations: f64,
}

/// What a vote takes with its share of a full batch. How many share a batch depends on the time that all takes; what a vote and what a
/// batch takes does not: it follows from both ways to cast them.
fn of_one(together: Taken, alone: Taken) -> f64 {
    // votes × vote + batches × batch = allocations, twice.
    let determinant = together.votes * alone.batches - alone.votes * together.batches;
    if determinant <= 0.0 {
        return together.allocations / together.votes;
    }
    let vote =
        (together.allocations * alone.batches - alone.allocations * together.batches) / determinant;
    let batch =
        (together.votes * alone.allocations - alone.votes * together.allocations) / determinant;
    vote + batch / BATCH
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("not so many"))
}

/// Batches so far.
fn batches(admin: SocketAddr) -> f64 {
    let mut connection = TcpStream::connect(admin).expect("a connection");
    connection
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        .expect("a question");
    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .expect("an answer in text");
    let of = |line: &str| -> Option<f64> {
        let sample = line.strip_prefix("vote_batch_votes_count")?;
        sample.rsplit(' ').next()?.trim().parse().ok()
    };
    answer.lines().filter_map(of).sum()
}

/// Connections that vote at the same time, and take no memory for it.
struct Voters {
    connections: Vec<TcpStream>,
    vote: Vec<u8>,
    /// Where the digits of the key are.
    key: Option<usize>,
    count: usize,
}

impl Voters {
    fn new(address: SocketAddr, connections: usize, is_keyed: bool) -> Self {
        let key = if is_keyed {
            "Idempotency-Key: \"vote-00000000\"\r\n"
        } else {
            ""
        };
        let vote = format!(
            "POST /v1/polls/bench/votes HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
             {key}Content-Length: 19\r\n\r\n{{\"candidate\":\"ana\"}}"
        );
        let connect = |_| {
            let connection = TcpStream::connect(address).expect("a connection");
            connection.set_nodelay(true).expect("an option");
            connection
        };
        Self {
            connections: (0..connections).map(connect).collect(),
            key: is_keyed.then(|| vote.find("00000000").expect("a key")),
            vote: vote.into_bytes(),
            // Others' keys are others.
            count: connections * 100_000,
        }
    }

    /// Casts so many, all connections at once; how many were accepted.
    fn vote(&mut self, votes: usize) -> usize {
        let (mut answer, mut accepted) = ([0; 4096], 0);
        for _ in 0..votes / self.connections.len() {
            for connection in &mut self.connections {
                self.count += 1;
                if let Some(at) = self.key {
                    let mut rest = self.count;
                    for digit in self.vote[at..at + 8].iter_mut().rev() {
                        *digit = b'0' + u8::try_from(rest % 10).expect("a digit");
                        rest /= 10;
                    }
                }
                connection.write_all(&self.vote).expect("a vote is sent");
            }
            for connection in &mut self.connections {
                // An answer is small, and comes in one piece.
                let read = connection.read(&mut answer).expect("an answer");
                accepted += usize::from(answer[..read].starts_with(b"HTTP/1.1 201"));
            }
        }
        accepted
    }
}
