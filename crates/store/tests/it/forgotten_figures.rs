//! What readers are given once Redis has forgotten something.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use vote_domain::Transition;
use vote_testkit::{FaultProxy, RedisServer, eventually};

use crate::forgetting::Backup;
use crate::snapshots::Reading;
use crate::support::{ANA, DEADLINE, Show, at, lane_config, vote};

/// Deletes all keys of the second shard: one cluster master that came back empty.
async fn forget_shard(show: &Show) {
    let mut connection = show.redis.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("vote:{paredao-01/1}:*")
        .query_async(&mut connection)
        .await
        .expect("read");
    assert!(!keys.is_empty());
    redis::cmd("DEL")
        .arg(keys)
        .exec_async(&mut connection)
        .await
        .expect("deleted");
}

#[tokio::test]
async fn a_shard_that_redis_forgot_is_not_read_as_without_votes() {
    let show = Show::open_on(RedisServer::start().await, 2).await;
    let voting = show.voting().await;
    join_all((0..20).map(|_| voting.cast(vote(ANA)))).await;
    let reading = Reading::start(&show.url);
    let before = reading.total(20).await;
    // Nobody who could put it right meanwhile.
    voting.writer.drain(DEADLINE).await;
    drop(voting);
    forget_shard(&show).await;
    let is = async |name: &str, value: &str| {
        eventually(DEADLINE, || async { reading.shows(name, value) }).await;
    };
    is("vote_fence_mismatch_shards{", " 1").await;
    reading.clock.set(at("2025-11-24T01:30:00Z"));
    // Some more readings, all of which must fail.
    let failures = reading.count("vote_snapshot_failures_total");
    eventually(DEADLINE, || async {
        reading.count("vote_snapshot_failures_total") > failures + 5
    })
    .await;
    let kept = reading.poll().expect("kept");
    assert!(Arc::ptr_eq(&before.snapshot, &kept.snapshot));
    assert_ne!(kept.confirmed_at, at("2025-11-24T01:30:00Z"), "it ages");

    // Who has never known more doesn't know now.
    let fresh = Reading::start(&show.url);
    eventually(DEADLINE, || async {
        fresh.snapshots.borrow().unread.contains_key(&show.id)
    })
    .await;
    assert!(fresh.poll().is_none());

    show.operator.fence(&show.poll().await).await.expect("done");
    is("vote_fence_mismatch_shards{", " 0").await;
    eventually(DEADLINE, || async {
        fresh.poll().is_some() && fresh.snapshots.borrow().unread.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_poll_that_redis_forgot_is_kept_and_said_until_it_is_there_again() {
    let show = Show::open().await;
    let voting = show.voting().await;
    for _ in 0..3 {
        voting.cast(vote(ANA)).await;
    }
    let backup = show
        .operator
        .backup(&show.id, at("2025-11-24T01:02:00Z"), "test", "test 1.0")
        .await
        .expect("taken")
        .expect("there");
    let paused = show
        .change(Transition::Pause, at("2025-11-24T01:03:00Z"))
        .await;
    // It would send its votes again.
    voting.writer.drain(DEADLINE).await;
    drop(voting);
    let resumed = show
        .change(Transition::Resume, at("2025-11-24T01:04:00Z"))
        .await;
    assert!(resumed.revision > paused.revision);
    let reading = Reading::start(&show.url);
    let before = reading.total(3).await;
    eventually(DEADLINE, || async {
        let read = reading.poll();
        read.is_some_and(|read| read.snapshot.poll.revision == resumed.revision)
    })
    .await;
    let regressions = |count: u64| {
        let reading = &reading;
        eventually(DEADLINE, move || async move {
            let found = reading.count("vote_poll_regressions_total");
            if found == count { Ok(()) } else { Err(found) }
        })
    };
    assert!(!reading.snapshots.borrow().is_incomplete);

    let mut connection = show.redis.connection().await;
    redis::cmd("DEL")
        .arg("vote:poll:paredao-01")
        .exec_async(&mut connection)
        .await
        .expect("deleted");
    regressions(1).await;
    redis::cmd("FLUSHALL")
        .exec_async(&mut connection)
        .await
        .expect("empty");
    reading.clock.set(at("2025-11-24T01:30:00Z"));
    let list_read = || reading.snapshots.borrow().polls_read_at;
    eventually(DEADLINE, || async {
        list_read() == Some(at("2025-11-24T01:30:00Z"))
    })
    .await;
    let kept = reading.poll().expect("kept");
    assert_eq!(kept.snapshot.tally, before.snapshot.tally);
    assert!(kept.confirmed_at < at("2025-11-24T01:30:00Z"), "it ages");
    assert!(reading.snapshots.borrow().is_incomplete);
    assert_eq!(
        reading.count("vote_poll_regressions_total"),
        1,
        "gone once, said once"
    );
    assert!(
        !reading.shows("vote_fence_mismatch_shards{", ""),
        "what its fences should be is not known"
    );

    let restored = show
        .operator
        .restore(&backup, at("2025-11-24T01:31:00Z"), "test", |_| {})
        .await
        .expect("restored");
    assert!(restored.poll.revision < resumed.revision);
    eventually(DEADLINE, || async {
        let read = reading.poll();
        read.is_some_and(|read| {
            read.confirmed_at == at("2025-11-24T01:30:00Z")
                && read.snapshot.poll.revision == restored.poll.revision
                && read.snapshot.tally.total() == 3
        })
    })
    .await;
    regressions(2).await;
    assert!(!reading.snapshots.borrow().is_incomplete);
}

#[tokio::test]
async fn forgotten_votes_are_not_missing_while_their_writer_repairs_them() {
    let show = Show::open().await;
    let proxy = FaultProxy::start(show.redis.port()).await;
    let voting = show.voting_with(&proxy.url(), lane_config()).await;
    let reading = Reading::start_every(Duration::from_millis(100), &show.url);
    voting.cast(vote(ANA)).await;
    let backup = Backup::take(show.redis.connection().await).await;
    voting.cast(vote(ANA)).await;
    voting.cast(vote(ANA)).await;
    let before = reading.total(3).await;

    proxy.down().await;
    backup.restore(show.redis.connection().await).await;
    let reads = reading.count("vote_snapshot_read_seconds_count");
    let now = at("2025-11-24T01:02:09Z");
    reading.clock.set(now);
    eventually(DEADLINE, || async {
        reading.count("vote_snapshot_read_seconds_count") > reads + 3
    })
    .await;
    let held = reading.poll().expect("the poll");
    assert_eq!(held.snapshot.tally.total(), 3);
    assert!(held.confirmed_at < now, "what it says of itself is true");
    assert_eq!(held.snapshot.revision, before.snapshot.revision);

    proxy.up().await;
    eventually(DEADLINE, || async {
        let read = reading.poll().expect("the poll");
        assert_eq!(read.snapshot.tally.total(), 3, "never less");
        read.confirmed_at >= now
    })
    .await;
}

#[tokio::test]
async fn votes_that_nobody_sends_again_are_missing_in_the_end() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let reading = Reading::start(&show.url);
    voting.cast(vote(ANA)).await;
    let backup = Backup::take(show.redis.connection().await).await;
    voting.cast(vote(ANA)).await;
    reading.total(2).await;
    drop(voting);
    backup.restore(show.redis.connection().await).await;
    reading.total(1).await;
}
