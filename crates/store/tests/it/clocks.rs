//! Clocks that are apart: how far they may be, and that it is seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use prometheus_client::registry::Registry;
use redis::Cmd;
use tokio_util::sync::CancellationToken;
use vote_domain::Clock;
use vote_store::{
    Clocks, Durability, LaneConfig, Outcome, Problem, Program, VoteToCast, Watched, inspect,
    longest_apart, watch,
};
use vote_testkit::{RedisServer, eventually};

use crate::support::{ANA, DEADLINE, Show, Voting, is_accepted, keyed, store, voting_ms};

/// A clock that goes on from a server's time, and that a test sets.
pub(crate) struct SetClock {
    base: Timestamp,
    since: Instant,
    ahead_s: AtomicI64,
}

impl SetClock {
    fn set(&self, ahead_s: i64) {
        self.ahead_s.store(ahead_s, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.ahead_s.load(Ordering::Relaxed));
        self.base + self.since.elapsed() + ahead
    }
}

/// A clock that shows a server's time, or another one by so many seconds.
pub(crate) async fn clock_of(server: &RedisServer, ahead_s: i64) -> SetClock {
    let mut connection = server.connection().await;
    let (seconds, micros): (i64, i64) = redis::cmd("TIME")
        .query_async(&mut connection)
        .await
        .expect("the time");
    let base = Timestamp::from_microsecond(seconds * 1_000_000 + micros);
    SetClock {
        base: base.expect("a time"),
        since: Instant::now(),
        ahead_s: AtomicI64::new(ahead_s),
    }
}

/// Two ingest processes on one show, whose clocks are apart.
struct TwoClocks {
    show: Show,
    first: Voting,
    second: Voting,
    number: u32,
}

impl TwoClocks {
    async fn open() -> Self {
        let show = Show::open().await;
        let (first, second) = (show.voting().await, show.voting().await);
        Self {
            show,
            first,
            second,
            number: 0,
        }
    }

    /// Whether a vote of the one process is found again by the other, whose clock is ahead by `ahead`, `later` than that.
    /// The first one is received at the end of a sixteenth of a key window, or at its start: whatever is worse for that.
    async fn finds(&mut self, ahead_ms: i64, later: Duration, at_end: bool) -> bool {
        self.number += 1;
        let part_ms = ms(LaneConfig::default().idempotency_window / 16);
        let start = (voting_ms() / part_ms + 2) * part_ms;
        let first_ms = if at_end { start - 1 } else { start };
        let vote = |received_at_ms| VoteToCast {
            received_at_ms,
            ..keyed(ANA, &format!("k{}", self.number))
        };
        assert!(is_accepted(&self.first.cast(vote(first_ms)).await));
        let second = vote(first_ms + ms(later) + ahead_ms);
        match self.second.cast(second).await {
            Outcome::Duplicate(_) => true,
            Outcome::Accepted(_) => false,
            other => panic!("{other:?}"),
        }
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("short")
}

/// ARCHITECTURE.md, "Clocks": for the whole window, and a twelfth of it for each of two processes, one on either side.
#[tokio::test]
async fn repeats_are_found_for_as_long_as_is_promised_while_clocks_are_within_the_bound() {
    let window = LaneConfig::default().idempotency_window;
    let apart = ms(2 * longest_apart(window));
    let mut trial = TwoClocks::open().await;
    for at_end in [true, false] {
        for later in [Duration::ZERO, window / 2, window] {
            for ahead in [apart, -apart, 0] {
                assert!(
                    trial.finds(ahead, later, at_end).await,
                    "{ahead} {later:?} {at_end}"
                );
            }
        }
        assert!(trial.finds(0, window * 19 / 16, at_end).await);
    }
    assert_eq!(trial.show.audit().await.total, 20, "each counts once");
}

#[tokio::test]
async fn keys_are_forgotten_within_five_quarters_of_their_window() {
    let window = LaneConfig::default().idempotency_window;
    let mut trial = TwoClocks::open().await;
    for at_end in [true, false] {
        assert!(!trial.finds(0, window * 5 / 4, at_end).await);
        // As it was seen: five minutes.
        assert!(!trial.finds(300_000, Duration::ZERO, at_end).await);
    }
}

/// What a clock that is ahead has written is no older for one that is behind.
#[tokio::test]
async fn a_process_that_is_behind_finds_what_one_ahead_has_recorded() {
    let mut trial = TwoClocks::open().await;
    for at_end in [true, false] {
        assert!(trial.finds(-300_000, Duration::ZERO, at_end).await);
    }
}

#[tokio::test]
async fn a_server_whose_clock_is_apart_is_found_with_the_difference() {
    let server = RedisServer::builder().append_only(true).start().await;
    let store = store(&server.url());
    for (ahead, seen) in [(-3, "ahead of ours"), (3, "behind ours")] {
        let clock = clock_of(&server, ahead).await;
        let inspections = inspect(&store, Durability::Memory, &clock).await;
        let found = inspections.expect("a server").remove(0).findings;
        assert_eq!(found[0].problem, Problem::Clock, "{found:?}");
        assert!(found[0].seen.contains(seen), "{found:?}");
        assert!(found[0].remedy.contains("NTP"), "{found:?}");
    }
}

/// What a process knows of its clock, which a test sets.
struct Process {
    clock: Arc<SetClock>,
    clocks: Arc<Clocks>,
    registry: Registry,
    stop: CancellationToken,
}

impl Process {
    fn start(url: &str, clock: SetClock) -> Self {
        let (clock, mut registry) = (Arc::new(clock), Registry::default());
        let watched = Watched {
            program: Program::Ingest,
            durability: Durability::Memory,
            clock: clock.clone(),
            longest_apart: Some(longest_apart(LaneConfig::default().idempotency_window)),
        };
        let stop = CancellationToken::new();
        let clocks = watch(&store(url), watched, &mut registry, stop.clone());
        Self {
            clock,
            clocks,
            registry,
            stop,
        }
    }

    async fn becomes(&self, trusted: bool) {
        eventually(DEADLINE, || async { self.clocks.are_trusted() == trusted }).await;
        assert_eq!(self.clocks.ready().is_ok(), trusted);
    }

    fn exposition(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("encodes");
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn a_process_is_ready_once_its_clock_was_compared_and_not_while_it_is_wrong() {
    let server = RedisServer::start().await;
    let process = Process::start(&server.url(), clock_of(&server, 300).await);
    assert!(!process.clocks.are_trusted(), "nothing is known yet");
    eventually(DEADLINE, || async {
        process.exposition().contains("\nvote_clock_wrong 1\n")
    })
    .await;
    let why = process.clocks.ready().expect_err("not ready");
    assert!(
        why.contains("ahead of Redis', and may be off by 10 s"),
        "{why}"
    );
    let text = process.exposition();
    let difference = text
        .lines()
        .find(|line| line.starts_with("vote_clock_difference_seconds{"));
    assert!(
        difference.is_some_and(|line| line.contains("} 29") || line.contains("} 30")),
        "{text}"
    );
    eventually(DEADLINE, || async {
        process.exposition().contains("problem=\"clock\"} 1")
    })
    .await;

    // Somebody sets it right: seen within a second or two, not at the next round of questions.
    process.clock.set(0);
    process.becomes(true).await;
    assert!(process.exposition().contains("\nvote_clock_wrong 0\n"));
    process.clock.set(-11);
    process.becomes(false).await;
    process.clock.set(9);
    process.becomes(true).await;
}

/// Not to know is worse than to know, and better than no votes at all.
#[tokio::test]
async fn where_the_time_is_forbidden_the_process_goes_on_and_says_so() {
    let users = "user blind on >secret ~* &* +@all -time\nuser default on nopass ~* &* +@all\n";
    let server = RedisServer::builder().acl(users).start().await;
    let url = server.url_as("blind", "secret");
    let process = Process::start(&url, clock_of(&server, 300).await);
    process.becomes(true).await;
    eventually(DEADLINE, || async {
        process.exposition().contains("problem=\"forbidden\"} 1")
    })
    .await;
    let mut connection = server.connection().await;
    let mut allow = Cmd::new();
    allow.arg(&["ACL", "SETUSER", "blind", "+time"]);
    allow.exec_async(&mut connection).await.expect("allowed");
}
