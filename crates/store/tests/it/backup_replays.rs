//! Processes that still run when a backup is restored: what they send again, and what they don't.

use vote_testkit::{FaultProxy, eventually};

use crate::backup::{restored, taken};
use crate::support::{ANA, BIA, DEADLINE, Show, is_accepted, keyed, lane_config, vote};

#[tokio::test]
async fn a_process_that_is_cut_off_meanwhile_sends_again_what_came_after_the_backup() {
    let show = Show::open().await;
    let proxy = FaultProxy::start(show.redis.port()).await;
    let voting = show.voting_with(&proxy.url(), lane_config()).await;
    for number in 0..10 {
        assert!(is_accepted(
            &voting.cast(keyed(ANA, &format!("a{number}"))).await
        ));
    }
    let backup = taken(&show).await;
    for number in 0..5 {
        assert!(is_accepted(
            &voting.cast(keyed(BIA, &format!("b{number}"))).await
        ));
    }
    proxy.down().await;
    let mut connection = show.redis.connection().await;
    redis::cmd("FLUSHALL")
        .exec_async(&mut connection)
        .await
        .expect("empty");
    restored(&show.operator, &backup).await;
    proxy.up().await;
    eventually(DEADLINE, || async {
        let audit = show.audit().await;
        (audit.total == 15 && audit.passed)
            .then_some(())
            .ok_or(format!("{audit:?}"))
    })
    .await;
}

/// A process that votes, sees that Redis is empty, and then that a backup is there: what it was told to be accepted
/// after the backup is recorded, as far as its window reaches, and nothing twice. Gives the votes that it says are lost.
async fn seen_empty(before: u64, after: u64) -> u64 {
    // Some of the last batches, by far not all.
    seen_empty_with(1_000, before, after).await
}

/// The same with a window of so many bytes.
async fn seen_empty_with(replay_window_bytes: usize, before: u64, after: u64) -> u64 {
    let show = Show::open().await;
    let lane = vote_store::LaneConfig {
        replay_window_bytes,
        ..lane_config()
    };
    let voting = show.voting_with(&show.url, lane).await;
    for _ in 0..before {
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
    }
    let backup = taken(&show).await;
    for _ in 0..after {
        assert!(is_accepted(&voting.cast(vote(BIA)).await));
    }
    let mut connection = show.redis.connection().await;
    redis::cmd("FLUSHALL")
        .exec_async(&mut connection)
        .await
        .expect("empty");
    // Its lane has asked.
    eventually(DEADLINE, || async {
        voting.metric("vote_commit_retries_total") > 0.5
    })
    .await;
    restored(&show.operator, &backup).await;
    // The lane has ended once it has sent what it had to.
    voting.writer.drain(DEADLINE).await;
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    let counted = u64::try_from(audit.total).expect("few");
    let metric = |name| voting.metric(name).to_string().parse::<u64>();
    let lost = metric("vote_unrecoverable_votes_total").expect("a whole number");
    assert_eq!(metric("vote_unexpected_votes_total"), Ok(0));
    assert_eq!(counted + lost, before + after, "{audit:?}");
    lost
}

#[tokio::test]
async fn a_process_that_has_seen_the_emptied_redis_sends_nothing_again_that_the_backup_has() {
    assert_eq!(seen_empty(30, 0).await, 0);
    assert_eq!(seen_empty(30, 2).await, 0);
}

#[tokio::test]
async fn what_a_backup_brings_back_is_not_lost_where_nothing_is_left_of_the_window() {
    assert_eq!(seen_empty_with(0, 30, 0).await, 0);
    assert_eq!(seen_empty_with(0, 30, 20).await, 20);
}

#[tokio::test]
async fn what_neither_a_backup_nor_a_window_has_is_counted_as_lost() {
    let lost = seen_empty(30, 20).await;
    assert!((1..20).contains(&lost), "{lost}");
}

#[tokio::test]
async fn what_is_forgotten_once_more_after_a_backup_was_restored_is_sent_again_too() {
    let show = Show::open().await;
    let empty = taken(&show).await;
    let voting = show.voting().await;
    for number in 0..30 {
        assert!(is_accepted(
            &voting.cast(keyed(ANA, &format!("k{number}"))).await
        ));
    }
    let full = taken(&show).await;
    for backup in [&full, &empty] {
        let mut connection = show.redis.connection().await;
        redis::cmd("FLUSHALL")
            .exec_async(&mut connection)
            .await
            .expect("empty");
        // Also that it has seen that the poll is not there at all.
        eventually(DEADLINE, || async {
            voting.metric("vote_missing_votes") > 0.0 && voting.is_forgotten()
        })
        .await;
        restored(&show.operator, backup).await;
        eventually(DEADLINE, || async {
            let audit = show.audit().await;
            (audit.total == 30 && audit.passed && voting.metric("vote_missing_votes") < 0.5)
                .then_some(())
                .ok_or(format!("{audit:?}"))
        })
        .await;
    }
    assert!(voting.metric("vote_unrecoverable_votes_total") < 0.5);
}
