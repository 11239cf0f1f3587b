//! Minutes that are over: read once, and again where a batch of one has come late.

use redis::aio::MultiplexedConnection;

use crate::snapshots::Reading;
use crate::support::{ANA, Show, at, opens_at, vote};

/// Records votes of a minute as a batch of it does.
async fn record(redis: &mut MultiplexedConnection, minute: i64, votes: u64) {
    let mut pipeline = redis::pipe();
    pipeline.atomic();
    for (key, field) in [
        (format!("minutes:{minute}"), "torcida/ana"),
        ("tally".to_owned(), "torcida/ana"),
        ("writers".to_owned(), "00000000000000aa/votes"),
        ("writers".to_owned(), "00000000000000aa/sequence"),
    ] {
        let key = format!("vote:{{paredao-01/0}}:{key}");
        pipeline.cmd("HINCRBY").arg(key).arg(field).arg(votes);
    }
    pipeline.exec_async(redis).await.expect("recorded");
}

fn minute_of_opening() -> i64 {
    opens_at().as_second() / 60
}

#[tokio::test]
async fn a_batch_of_a_minute_long_ago_is_found_and_so_is_what_comes_next() {
    let show = Show::open_on(vote_testkit::RedisServer::start().await, 2).await;
    let mut redis = show.redis.connection().await;
    // More minutes than a first look reads.
    for minute in 0..1_500 {
        record(&mut redis, minute_of_opening() + minute, 1).await;
    }
    let reading = Reading::start(&show.url);
    reading.clock.set(at("2025-11-25T02:00:00Z"));
    reading.total(1_500).await;
    let mut votes = 1_500;
    for late in [3, 3, 1_400, 700, 3] {
        record(&mut redis, minute_of_opening() + late, 5).await;
        votes += 5;
        let read = reading.total(votes).await.snapshot;
        assert_eq!(read.minutes.sum().as_ref(), Ok(&read.tally));
        let late = vote_domain::Minute::from_since_epoch(minute_of_opening() + late);
        let of_minute = read.minutes.get(late.expect("a minute"));
        assert!(of_minute.is_some_and(|tally| tally.total() > 5));
    }
    // In Redis it is as the reader has it.
    assert!(show.audit().await.passed);
    assert_eq!(reading.count("vote_snapshot_disagreements_total"), 0);
}

#[tokio::test]
async fn votes_ahead_of_the_clock_are_found_and_kept_apart_when_it_comes_to_them() {
    let show = Show::open().await;
    let mut redis = show.redis.connection().await;
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    let reading = Reading::start(&show.url);
    reading.clock.set(at("2025-11-24T00:30:00Z"));
    reading.total(1).await;
    record(&mut redis, minute_of_opening() + 90, 1).await;
    reading.total(2).await;
    for now in [
        "2025-11-24T01:29:50Z",
        "2025-11-24T01:02:03Z",
        "2025-11-24T01:30:10Z",
    ] {
        reading.clock.set(at(now));
        let before = reading.poll().expect("known").snapshot.tally.total();
        record(&mut redis, minute_of_opening() + 90, 1).await;
        let read = reading.total(before + 1).await.snapshot;
        assert_eq!(read.minutes.sum().as_ref(), Ok(&read.tally));
        assert_eq!(read.minutes.iter().count(), 2);
    }
}

#[tokio::test]
async fn figures_that_do_not_agree_are_shown_and_said() {
    let show = Show::open().await;
    let mut redis = show.redis.connection().await;
    for minute in 0..600 {
        record(&mut redis, minute_of_opening() + minute, 1).await;
    }
    let reading = Reading::start(&show.url);
    reading.clock.set(at("2025-11-25T02:00:00Z"));
    reading.total(600).await;
    for key in ["tally", "minutes:1"] {
        redis::cmd("HINCRBY")
            .arg(format!("vote:{{paredao-01/0}}:{key}"))
            .arg("torcida/ana")
            .arg(7)
            .exec_async(&mut redis)
            .await
            .expect("tampered with");
    }
    let read = reading.total(607).await.snapshot;
    assert_eq!(read.minutes.total(), 600);
    assert!(reading.count("vote_snapshot_disagreements_total") > 0);
    // Votes go on to be shown, late ones too.
    record(&mut redis, minute_of_opening() + 1_559, 1).await;
    reading.total(608).await;
    record(&mut redis, minute_of_opening() + 5, 1).await;
    let read = reading.total(609).await.snapshot;
    assert!(read.minutes.total() >= 601);
    assert!(!show.audit().await.passed);
}
