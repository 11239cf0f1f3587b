//! The engine against a small server that accepts, refuses, forgets to answer and cuts.

use crate::engine;
use crate::pacer::Pace;
use crate::plan::{Ballot, Plan};
use crate::reconcile::{Finding, Reconciliation, TallySource, reconcile};
use crate::stats::{Progress, Stats};
use crate::stop::Stop;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How the server treats its requests, counted from 0 over all connections.
type Behaviour = fn(u64) -> Act;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Accept,
    Busy,
    /// Asks for a pause of five seconds.
    BusyForLong,
    /// Counts the vote and says that it doesn't know.
    TimeOut,
    CutBeforeCounting,
    CutAfterCounting,
    /// Answers as accepted, and counts nothing.
    Lie,
    Refuse,
    AcceptAfter(Duration),
}

struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    behaviour: Behaviour,
    requests: AtomicU64,
    tally: AtomicU64,
    keys: Mutex<BTreeSet<String>>,
}

impl TallySource for Server {
    async fn total(&self) -> anyhow::Result<u128> {
        Ok(self.shared.tally.load(Ordering::SeqCst).into())
    }
}

impl Server {
    async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            behaviour,
            requests: AtomicU64::new(0),
            tally: AtomicU64::new(0),
            keys: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&accepting);
                tokio::spawn(async move { serve(stream, &shared).await });
            }
        });
        Self { address, shared }
    }

    fn plan(&self, keys: bool, votes: u64) -> Plan {
        let target = format!("http://{}", self.address)
            .parse()
            .expect("it can be parsed");
        let ballot = Ballot {
            target: &target,
            poll: "paredao-01",
            channel: None,
            candidates: &["ana", "bia"],
        };
        let mut plan = Plan::new(self.address.into(), ballot, keys.then(|| "run".to_owned()));
        plan.pace = Pace { rate: 2_000, votes }.into();
        (plan.connections, plan.threads) = (16, 2);
        (plan.attempts, plan.timeout) = (10, Duration::from_secs(5));
        plan
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut key) = (0, None);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().ok()?,
                Some(("idempotency-key", value)) => key = Some(value.to_owned()),
                _ if line == "\r\n" => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let act = (shared.behaviour)(shared.requests.fetch_add(1, Ordering::SeqCst));
        let count = || {
            let fresh = key.clone().is_none_or(|key| {
                shared
                    .keys
                    .lock()
                    .expect("nobody panicked with the lock")
                    .insert(key)
            });
            shared.tally.fetch_add(u64::from(fresh), Ordering::SeqCst);
            if fresh {
                ("201 Created", r#"{"status":"accepted"}"#)
            } else {
                ("200 OK", r#"{"status":"already_accepted"}"#)
            }
        };
        let (status, body) = match act {
            Act::Accept => count(),
            Act::AcceptAfter(delay) => {
                tokio::time::sleep(delay).await;
                count()
            }
            Act::Busy | Act::BusyForLong => ("503 Service Unavailable", r#"{"code":"overloaded"}"#),
            Act::TimeOut => {
                count();
                ("504 Gateway Timeout", r#"{"code":"outcome_unknown"}"#)
            }
            Act::CutBeforeCounting => return None,
            Act::CutAfterCounting => {
                count();
                return None;
            }
            Act::Lie => ("201 Created", r#"{"status":"accepted"}"#),
            Act::Refuse => ("410 Gone", r#"{"code":"poll_closed"}"#),
        };
        let pause = if act == Act::BusyForLong { 5 } else { 0 };
        let head = format!(
            "HTTP/1.1 {status}\r\nretry-after: {pause}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
    }
}

async fn reconciled(server: &Server, stats: &Stats, patience: Duration) -> Reconciliation {
    reconcile(server, 0, stats, patience, std::future::pending())
        .await
        .expect("the run comes to its end")
}

async fn run(plan: Plan) -> engine::Completed {
    engine::run(plan, Arc::new(Progress::default()), Stop::default())
        .await
        .expect("the run comes to its end")
}

#[tokio::test]
async fn accepted_votes_reconcile_to_the_vote() {
    let server = Server::start(|_| Act::Accept).await;
    let outcome = run(server.plan(true, 500)).await;
    assert_eq!(
        (
            outcome.stats.counts.sent,
            outcome.stats.counts.accepted,
            outcome.stats.counts.attempts
        ),
        (500, 500, 500)
    );
    assert!(!outcome.stopped && outcome.stats.errors.is_empty());
    let found = reconciled(&server, &outcome.stats, Duration::from_secs(5)).await;
    assert_eq!(found.finding, Finding::Reconciled);
    // 500 votes at 2,000 per second take a quarter of a second, however fast the server is.
    assert!(
        outcome.elapsed >= Duration::from_millis(249),
        "{:?}",
        outcome.elapsed
    );
}

#[tokio::test]
async fn with_keys_every_failure_is_sent_again_until_it_is_known_and_counts_once() {
    let server = Server::start(|request| match request % 13 {
        1 => Act::Busy,
        2 => Act::TimeOut,
        3 => Act::CutBeforeCounting,
        4 => Act::CutAfterCounting,
        _ => Act::Accept,
    })
    .await;
    let mut plan = server.plan(true, 300);
    plan.attempts = 100;
    let outcome = run(plan).await;
    assert_eq!(
        (
            outcome.stats.counts.accepted,
            outcome.stats.counts.unknown,
            outcome.stats.counts.refused
        ),
        (300, 0, 0)
    );
    assert!(outcome.stats.counts.attempts > 300);
    for error in ["503 overloaded", "504 outcome_unknown", "connection cut"] {
        assert!(outcome.stats.errors[error].attempts > 0, "{error}");
        assert_eq!(outcome.stats.errors[error].votes, 0, "{error}");
    }
    let found = reconciled(&server, &outcome.stats, Duration::from_secs(5)).await;
    assert_eq!(found.finding, Finding::Reconciled);
}

#[tokio::test]
async fn without_keys_an_unknown_outcome_stays_unknown() {
    let server = Server::start(|request| match request % 5 {
        1 => Act::TimeOut,
        2 => Act::CutBeforeCounting,
        3 => Act::Busy,
        _ => Act::Accept,
    })
    .await;
    let outcome = run(server.plan(false, 200)).await;
    let stats = &outcome.stats;
    assert!(
        stats.counts.unknown > 0 && stats.counts.refused == 0,
        "{stats:?}"
    );
    assert_eq!(stats.counts.accepted + stats.counts.unknown, 200);
    let found = reconciled(&server, stats, Duration::from_millis(100)).await;
    // Those that were answered 504 are in the tally, those that were cut are not.
    assert_eq!(found.finding, Finding::WithinUnknown);
    assert!(found.difference > 0 && found.difference < i128::from(stats.counts.unknown));
}

#[tokio::test]
async fn votes_answered_and_not_counted_are_found() {
    let server = Server::start(|request| if request == 17 { Act::Lie } else { Act::Accept }).await;
    let outcome = run(server.plan(true, 50)).await;
    let found = reconciled(&server, &outcome.stats, Duration::from_millis(100)).await;
    assert_eq!((found.finding, found.difference), (Finding::Missing, -1));
}

#[tokio::test]
async fn refused_votes_are_not_sent_again() {
    let server = Server::start(|_| Act::Refuse).await;
    let outcome = run(server.plan(true, 50)).await;
    assert_eq!(
        (outcome.stats.counts.refused, outcome.stats.counts.attempts),
        (50, 50)
    );
    assert_eq!(outcome.stats.errors["410 poll_closed"].votes, 50);
}

#[tokio::test]
async fn a_service_that_is_not_there_gets_nothing_and_has_refused_nothing() {
    let mut plan = Server::start(|_| Act::Accept).await.plan(true, 5);
    plan.endpoint.address = ([127, 0, 0, 1], vote_testkit::free_port()).into();
    plan.attempts = 2;
    let outcome = run(plan).await;
    let stats = &outcome.stats;
    assert_eq!((stats.counts.no_connection, stats.counts.sent), (5, 0));
    assert_eq!((stats.counts.refused, stats.counts.unknown), (0, 0));
    assert!(!outcome.stopped);
    assert_eq!(stats.errors["no connection"].attempts, 10);
}

/// A service that is gone once it has given this answer to its first request.
async fn brief(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("somebody connects");
        drop(listener);
        let _read = stream.read(&mut [0; 4096]).await;
        let _written = stream.write_all(answer.as_bytes()).await;
    });
    address
}

#[tokio::test]
async fn a_vote_that_was_sent_is_judged_by_that_also_where_the_service_is_gone_then() {
    let busy = "HTTP/1.1 503 No\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n";
    for (answer, refused, unknown) in [(busy, 1, 0), ("", 0, 1)] {
        let mut plan = Server::start(|_| Act::Accept).await.plan(true, 1);
        (plan.endpoint.address, plan.attempts) = (brief(answer).await, 3);
        let outcome = run(plan).await;
        let stats = &outcome.stats;
        assert_eq!(stats.errors["no connection"].attempts, 2, "{stats:?}");
        assert_eq!(
            (
                stats.counts.sent,
                stats.counts.refused,
                stats.counts.unknown
            ),
            (1, refused, unknown)
        );
        assert_eq!(stats.counts.no_connection, 0, "{stats:?}");
    }
}

#[tokio::test]
async fn latency_counts_from_the_intended_time_when_the_connections_are_too_few() {
    let server = Server::start(|_| Act::AcceptAfter(Duration::from_millis(10))).await;
    let mut plan = server.plan(true, 50);
    plan.pace = Pace {
        rate: 1_000,
        votes: plan.pace.votes(),
    }
    .into();
    (plan.connections, plan.threads) = (1, 1);
    let outcome = run(plan).await;
    // One connection serves 100 per second of the 1,000 that are due: the last vote is due after 49 ms and can't be
    // answered before 500 ms, though every single answer takes little more than 10 ms.
    let latency = &outcome.stats.latency;
    assert!(latency.max() >= 450_000, "{} µs", latency.max());
    assert!(outcome.stats.start_delay.max() >= 440_000);
    assert!(latency.min() >= 10_000);
}

#[tokio::test]
async fn a_stopped_run_sends_no_more_and_still_knows_what_it_sent() {
    let server = Server::start(|_| Act::AcceptAfter(Duration::from_millis(5))).await;
    let mut plan = server.plan(true, 1_000_000);
    plan.pace = Pace {
        rate: 1_000,
        votes: plan.pace.votes(),
    }
    .into();
    let (progress, stop) = (Arc::new(Progress::default()), Stop::default());
    let running = tokio::spawn(engine::run(plan, Arc::clone(&progress), stop.clone()));
    vote_testkit::eventually(Duration::from_secs(10), || async {
        Progress::read(&progress.done) > 20
    })
    .await;
    stop.stop_sending();
    let outcome = running
        .await
        .expect("the run comes to its end")
        .expect("the run comes to its end");
    assert!(outcome.stopped && outcome.stats.counts.sent < 1_000_000);
    assert_eq!(outcome.stats.counts.sent, outcome.stats.counts.accepted);
    let found = reconciled(&server, &outcome.stats, Duration::from_secs(5)).await;
    assert_eq!(found.finding, Finding::Reconciled);
}

#[tokio::test]
async fn a_stopped_run_sends_no_vote_again_and_waits_for_no_pause() {
    let server = Server::start(|_| Act::BusyForLong).await;
    let mut plan = server.plan(true, 16);
    plan.attempts = 100;
    let (progress, stop) = (Arc::new(Progress::default()), Stop::default());
    let running = tokio::spawn(engine::run(plan, Arc::clone(&progress), stop.clone()));
    vote_testkit::eventually(Duration::from_secs(10), || async {
        Progress::read(&progress.failures) == 16
    })
    .await;
    stop.stop_sending();
    let outcome = running
        .await
        .expect("the run comes to its end")
        .expect("the run comes to its end");
    let stats = &outcome.stats;
    assert!(
        outcome.elapsed < Duration::from_secs(5),
        "{:?}",
        outcome.elapsed
    );
    assert_eq!(
        (
            stats.counts.sent,
            stats.counts.refused,
            stats.counts.attempts
        ),
        (16, 16, 16)
    );
    // The attempt before the stop was each vote's last.
    assert_eq!(stats.errors["503 overloaded"].votes, 16);
}

/// A tally that is as slow to read as Redis when it hangs, from a certain reading on.
struct Hangs(AtomicU64);

impl TallySource for Hangs {
    async fn total(&self) -> anyhow::Result<u128> {
        if self.0.fetch_add(1, Ordering::SeqCst) > 0 {
            std::future::pending::<()>().await;
        }
        Ok(7)
    }
}

#[tokio::test]
async fn a_tally_that_hangs_is_waited_for_no_longer_than_is_enough() {
    let hour = Duration::from_secs(3_600);
    let (stats, never) = (Stats::new(), Hangs(AtomicU64::new(1)));
    let found = reconcile(&never, 0, &stats, hour, std::future::ready(())).await;
    assert_eq!(
        found.expect_err("it is refused").reason,
        "it was not waited for"
    );
    // What was read until then is known.
    let later = Hangs(AtomicU64::new(0));
    let enough = tokio::time::sleep(Duration::from_millis(200));
    let found = reconcile(&later, 0, &stats, hour, enough)
        .await
        .expect("the run comes to its end");
    assert_eq!((found.after, found.finding), (7, Finding::Surplus));
}
