//! What readers are given.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use vote_domain::{Clock as _, ManualClock, Poll, Transition};
use vote_store::{Confirmed, SnapshotConfig, Snapshots, Snapshotter, Store, VoteToCast};
use vote_testkit::{FaultProxy, RedisServer, eventually};

use crate::support::{ANA, DEADLINE, Show, at, closes_at, store, vote, voting_ms};

pub(crate) struct Reading {
    pub(crate) snapshots: watch::Receiver<Snapshots>,
    pub(crate) clock: Arc<ManualClock>,
    registry: Registry,
    _stop: DropGuard,
}

impl Reading {
    pub(crate) fn start(url: &str) -> Self {
        Self::start_every(Duration::from_millis(10), url)
    }

    pub(crate) fn start_every(interval: Duration, url: &str) -> Self {
        Self::start_on(&store(url), interval)
    }

    pub(crate) fn start_on(store: &Store, interval: Duration) -> Self {
        let clock = Arc::new(ManualClock::new(at("2025-11-24T01:02:04Z")));
        let stop = CancellationToken::new();
        let config = SnapshotConfig {
            interval,
            polls_interval: Duration::from_millis(20),
            stale_after: interval * 8,
        };
        let mut registry = Registry::default();
        let snapshots =
            Snapshotter::start(store, clock.clone(), config, &mut registry, stop.clone());
        Self {
            snapshots,
            clock,
            registry,
            _stop: stop.drop_guard(),
        }
    }

    pub(crate) fn poll(&self) -> Option<Confirmed> {
        self.snapshots.borrow().polls.get("paredao-01").cloned()
    }

    /// Whether a metric has a sample whose line starts with `name` and ends with `value`.
    pub(crate) fn shows(&self, name: &str, value: &str) -> bool {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("encodes");
        text.lines()
            .any(|line| line.starts_with(name) && line.ends_with(value))
    }

    /// The sum of the samples of a counter.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("encodes");
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    pub(crate) fn knows(&self, poll: &Poll) -> bool {
        let snapshots = self.snapshots.borrow();
        snapshots.polls.contains_key(poll.definition.id())
    }

    pub(crate) async fn total(&self, votes: u128) -> Confirmed {
        eventually(DEADLINE, || async {
            self.poll()
                .filter(|poll| poll.snapshot.tally.total() == votes)
        })
        .await
    }
}

#[tokio::test]
async fn a_snapshot_has_all_shards_and_one_revision_for_all_readers() {
    let show = Show::open_on(RedisServer::start().await, 4).await;
    let voting = show.voting().await;
    let (one, other) = (
        Reading::start(&show.redis.url()),
        Reading::start(&show.redis.url()),
    );
    join_all((0..200).map(|_| voting.cast(vote(ANA)))).await;
    let first = one.total(200).await;
    let second = other.total(200).await;
    assert_eq!(first.snapshot.revision, second.snapshot.revision);
    assert_eq!(first.snapshot.minutes.total(), 200);
    voting.cast(vote(ANA)).await;
    assert!(one.total(201).await.snapshot.revision > first.snapshot.revision);
}

#[tokio::test]
async fn an_unchanged_snapshot_is_confirmed_and_not_made_anew() {
    let show = Show::open().await;
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    let reading = Reading::start(&show.redis.url());
    let before = reading.total(1).await;
    reading.clock.set(at("2025-11-24T01:02:09Z"));
    let after = eventually(DEADLINE, || async {
        reading
            .poll()
            .filter(|poll| poll.confirmed_at == at("2025-11-24T01:02:09Z"))
    })
    .await;
    assert!(Arc::ptr_eq(&before.snapshot, &after.snapshot));
}

#[tokio::test]
async fn what_a_server_has_said_is_as_of_the_time_when_it_was_asked() {
    let show = Show::open().await;
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    let proxy = FaultProxy::start(show.redis.port()).await;
    // The list of polls is due at each tick.
    let reading = Reading::start_every(Duration::from_millis(40), &proxy.url());
    reading.total(1).await;
    let asked_at = reading.clock.now();
    proxy.hold(|words| words[0].eq_ignore_ascii_case(b"INFO"));
    let held = async |count| eventually(DEADLINE, || async { proxy.counts().held >= count }).await;
    // The first one may have been on its way to a tick that reads everything.
    held(1).await;
    proxy.go_on();
    held(2).await;
    reading.clock.set(at("2025-11-24T01:30:00Z"));
    proxy.go_on();
    held(3).await;
    let snapshots = reading.snapshots.borrow();
    assert_eq!(snapshots.polls_read_at, Some(asked_at));
    assert_eq!(snapshots.polls["paredao-01"].confirmed_at, asked_at);
}

#[tokio::test]
async fn with_redis_gone_the_last_snapshot_stays_and_its_confirmation_ages() {
    let mut show = Show::open_on(RedisServer::builder().append_only(true).start().await, 1).await;
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    let reading = Reading::start(&show.redis.url());
    let before = reading.total(1).await;
    show.redis.stop().await;
    reading.clock.set(at("2025-11-24T01:30:00Z"));
    let kept = reading.poll().expect("kept");
    assert!(Arc::ptr_eq(&before.snapshot, &kept.snapshot));
    show.redis.restart().await;
    eventually(DEADLINE, || async {
        reading
            .poll()
            .filter(|poll| poll.confirmed_at == at("2025-11-24T01:30:00Z"))
    })
    .await;
}

#[tokio::test]
async fn a_vote_of_an_hour_that_was_already_over_is_found() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let reading = Reading::start(&show.redis.url());
    reading.clock.set(at("2025-11-24T09:00:00Z"));
    voting.cast(vote(ANA)).await;
    reading.total(1).await;
    let long_ago = VoteToCast {
        received_at_ms: voting_ms() + 1,
        ..vote(ANA)
    };
    voting.cast(long_ago).await;
    let found = reading.total(2).await;
    assert_eq!(found.snapshot.minutes.total(), 2);
}

#[tokio::test]
async fn a_sealed_poll_is_served_from_its_sealed_result() {
    let show = Show::open().await;
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    let reading = Reading::start(&show.redis.url());
    reading.total(1).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    let sealed = show
        .seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    let last = eventually(DEADLINE, || async {
        reading.poll().and_then(|poll| poll.snapshot.sealed.clone())
    })
    .await;
    assert_eq!(*last, sealed);
}

#[tokio::test]
async fn the_mark_of_a_drained_writer_makes_no_new_revision() {
    let show = Show::open().await;
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    eventually(DEADLINE, || async {
        let undrained = show.operator.undrained(&closed).await.expect("answers");
        undrained.is_empty()
    })
    .await;
    let reading = Reading::start(&show.redis.url());
    let read = reading.total(1).await;
    assert_eq!(read.snapshot.revision, closed.revision + 1);
}

#[tokio::test]
async fn a_document_that_cannot_be_read_keeps_no_other_poll_from_its_readers() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let mut redis = show.redis.connection().await;
    for (command, key, value) in [
        ("SADD", "vote:polls", "of-a-later-version"),
        ("SET", "vote:poll:of-a-later-version", "{\"novelty\":true}"),
    ] {
        redis::cmd(command)
            .arg(key)
            .arg(value)
            .exec_async(&mut redis)
            .await
            .expect("written");
    }
    let reading = Reading::start(&show.redis.url());
    voting.cast(vote(ANA)).await;
    reading.total(1).await;
    // It is there, and nothing is known of it: not the same as no such poll.
    let unread = reading.snapshots.borrow().unread.clone();
    assert!(unread.contains_key("of-a-later-version"), "{unread:?}");
}

#[tokio::test]
async fn an_operators_change_that_redis_forgot_is_said() {
    let show = Show::open_on(RedisServer::start().await, 2).await;
    let reading = Reading::start(&show.url);
    reading.total(0).await;
    let is = async |name: &str, value: &str| {
        eventually(DEADLINE, || async { reading.shows(name, value) }).await;
    };
    is("vote_fence_mismatch_shards{", " 0").await;
    is("vote_poll_regressions_total{", " 0").await;

    let mut connection = show.redis.connection().await;
    let document: String = redis::cmd("GET")
        .arg("vote:poll:paredao-01")
        .query_async(&mut connection)
        .await
        .expect("read");
    // A failover in a cluster: one shard's fence goes back to what it was, the document later as well.
    let paused = show
        .change(Transition::Pause, at("2025-11-24T01:00:00Z"))
        .await;
    eventually(DEADLINE, || async {
        let read = reading.poll();
        read.is_some_and(|read| read.snapshot.poll.revision == paused.revision)
    })
    .await;
    let _: () = redis::cmd("HSET")
        .arg(&[
            "vote:{paredao-01/1}:state",
            "state",
            "open",
            "revision",
            "2",
        ])
        .query_async(&mut connection)
        .await
        .expect("written");
    is("vote_fence_mismatch_shards{", " 1").await;
    let audit = show.audit().await;
    assert!(!audit.passed, "the audit says so as well");

    let _: () = redis::cmd("SET")
        .arg("vote:poll:paredao-01")
        .arg(document)
        .query_async(&mut connection)
        .await
        .expect("written");
    is("vote_poll_regressions_total{", " 1").await;
}

#[tokio::test]
async fn a_new_poll_is_there_before_its_fences_are() {
    let show = Show::open_on(RedisServer::start().await, 2).await;
    let draft = show.draft("ensaio").await;
    let mut connection = show.redis.connection().await;
    for shard in 0..2 {
        redis::cmd("DEL")
            .arg(format!("vote:{{ensaio/{shard}}}:state"))
            .exec_async(&mut connection)
            .await
            .expect("deleted");
    }
    let reading = Reading::start(&show.url);
    let is = async |value: &str| {
        let shown =
            || async { reading.shows("vote_fence_mismatch_shards{poll=\"ensaio\"}", value) };
        eventually(DEADLINE, shown).await;
    };
    is(" 2").await;
    // It has no votes: that is known.
    eventually(DEADLINE, || async { reading.knows(&draft) }).await;
    show.operator.fence(&draft).await.expect("done");
    is(" 0").await;
    assert_eq!(reading.count("vote_snapshot_failures_total"), 0);
}

#[tokio::test]
async fn a_change_that_was_completed_later_is_no_longer_said_of_a_poll_at_rest() {
    let show = Show::open_on(RedisServer::start().await, 2).await;
    let void = show
        .change(Transition::Void, at("2025-11-24T01:00:00Z"))
        .await;
    // As between the first shard's fence and the second's.
    let mut connection = show.redis.connection().await;
    let mut fence = async |state: &str, revision: u64| {
        redis::cmd("HSET")
            .arg("vote:{paredao-01/1}:state")
            .arg("state")
            .arg(state)
            .arg("revision")
            .arg(revision)
            .exec_async(&mut connection)
            .await
            .expect("written");
    };
    fence("open", void.revision - 1).await;
    let reading = Reading::start(&show.url);
    let is = async |value: &str| {
        let shown = || async { reading.shows("vote_fence_mismatch_shards{", value) };
        eventually(DEADLINE, shown).await;
    };
    is(" 1").await;
    fence("void", void.revision).await;
    is(" 0").await;
}
