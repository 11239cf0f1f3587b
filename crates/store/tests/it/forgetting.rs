//! A Redis that forgets what it had acknowledged, as after a crash or a failover.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use vote_domain::Transition;
use vote_store::{LaneConfig, Outcome};
use vote_testkit::eventually;

use crate::support::{
    ANA, BIA, DEADLINE, Show, by_voter, is_accepted, keyed, lane_config, opens_at, tally_of, vote,
};

/// Everything that a Redis holds, to be brought back later.
struct Backup(BTreeMap<String, Vec<u8>>);

impl Backup {
    async fn take(mut redis: MultiplexedConnection) -> Self {
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg("*")
            .query_async(&mut redis)
            .await
            .expect("keys");
        let mut values = BTreeMap::new();
        for key in keys {
            let value = redis::cmd("DUMP")
                .arg(&key)
                .query_async(&mut redis)
                .await
                .expect("a value");
            values.insert(key, value);
        }
        Self(values)
    }

    /// In one step, as a failover is for those who see it.
    async fn restore(&self, mut redis: MultiplexedConnection) {
        let mut pipeline = redis::pipe();
        pipeline.atomic().cmd("FLUSHALL").ignore();
        for (key, value) in &self.0 {
            pipeline.cmd("RESTORE").arg(key).arg(0).arg(value).ignore();
        }
        pipeline.exec_async(&mut redis).await.expect("restored");
    }
}

#[tokio::test]
async fn forgotten_batches_are_recorded_again_by_the_next_vote() {
    let show = Show::open().await;
    let voting = show.voting().await;
    assert!(is_accepted(&voting.cast(keyed(ANA, "before")).await));
    let backup = Backup::take(show.redis.connection().await).await;
    for n in 0..20 {
        assert!(is_accepted(
            &voting.cast(keyed(ANA, &format!("k{n}"))).await
        ));
        assert!(is_accepted(&voting.cast(vote(BIA)).await));
        assert!(is_accepted(
            &voting.cast(by_voter(BIA, &format!("v{n}"))).await
        ));
    }
    assert!(matches!(
        voting.cast(keyed(BIA, "k1")).await,
        Outcome::Mismatch
    ));
    backup.restore(show.redis.connection().await).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    assert_eq!(
        show.tally().await,
        tally_of(&[("torcida/ana", 22), ("torcida/bia", 20), ("unico/bia", 20)])
    );
    assert!(matches!(
        voting.cast(keyed(ANA, "k19")).await,
        Outcome::Duplicate
    ));
    assert!(is_accepted(&voting.cast(by_voter(ANA, "v3")).await));
    assert!(matches!(
        voting.cast(by_voter(ANA, "v3")).await,
        Outcome::LimitReached
    ));
    assert!(show.audit().await.passed);
    assert!(voting.metric("vote_unrecoverable_votes_total") < 0.5);
}

#[tokio::test]
async fn an_idle_lane_finds_and_repairs_a_gap_by_itself() {
    let show = Show::open().await;
    let voting = show.voting().await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    let backup = Backup::take(show.redis.connection().await).await;
    join_all((0..300).map(|_| voting.cast(vote(BIA)))).await;
    backup.restore(show.redis.connection().await).await;
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 1)]));
    eventually(DEADLINE, || async {
        show.tally().await == tally_of(&[("torcida/ana", 1), ("torcida/bia", 300)])
    })
    .await;
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn what_was_accepted_is_recorded_again_even_when_the_poll_takes_no_votes_any_more() {
    for transition in [Transition::Pause, Transition::Close] {
        let show = Show::open().await;
        let voting = show.voting().await;
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
        let backup = Backup::take(show.redis.connection().await).await;
        for n in 0..5 {
            assert!(is_accepted(
                &voting.cast(keyed(BIA, &format!("k{n}"))).await
            ));
        }
        backup.restore(show.redis.connection().await).await;
        // Brought forward to before the votes: what was answered as accepted counts all the same.
        show.change(transition, opens_at()).await;
        eventually(DEADLINE, || async {
            show.tally().await == tally_of(&[("torcida/ana", 1), ("torcida/bia", 5)])
        })
        .await;
        let audit = show.audit().await;
        assert!(audit.passed, "{transition}: {:?}", audit.differences);
    }
}

#[tokio::test]
async fn a_poll_that_is_void_before_its_gap_is_repaired_ends_the_repair_and_counts_the_loss_once() {
    let show = Show::open().await;
    let voting = show.voting().await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    let backup = Backup::take(show.redis.connection().await).await;
    for n in 0..5 {
        assert!(is_accepted(
            &voting.cast(keyed(BIA, &format!("k{n}"))).await
        ));
    }
    backup.restore(show.redis.connection().await).await;
    show.change(Transition::Void, opens_at()).await;
    eventually(DEADLINE, || async {
        let lost = voting.metric("vote_unrecoverable_votes_total");
        let repaired = voting.metric("vote_repaired_votes_total");
        lost + repaired > 0.5
    })
    .await;
    let lost = voting.metric("vote_unrecoverable_votes_total");
    let repaired = voting.metric("vote_repaired_votes_total");
    let total = f64::from(u32::try_from(show.audit().await.total).expect("small"));
    // Six were accepted: each is in the tally, or said to be lost, once.
    assert!(
        (total + lost - 6.0).abs() < 0.5,
        "{total} in the tally, {lost} lost, {repaired} repaired"
    );
}

#[tokio::test]
async fn a_repair_waits_for_a_fence_that_was_forgotten_as_well() {
    let show = Show::open().await;
    let voting = show.voting().await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    let mut backup = Backup::take(show.redis.connection().await).await;
    backup.0.remove("vote:{paredao-01/0}:state");
    join_all((0..5).map(|_| voting.cast(vote(BIA)))).await;
    backup.restore(show.redis.connection().await).await;
    eventually(DEADLINE, || async { voting.writer.ready().is_err() }).await;
    let poll = show.poll().await;
    show.operator.fence(&poll).await.expect("fenced again");
    eventually(DEADLINE, || async {
        show.tally().await == tally_of(&[("torcida/ana", 1), ("torcida/bia", 5)])
    })
    .await;
    assert!(voting.metric("vote_unrecoverable_votes_total") < 0.5);
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn of_a_gap_that_the_window_reaches_in_part_that_part_is_repaired_and_the_rest_counted() {
    let show = Show::open().await;
    // Room for about three batches.
    let config = LaneConfig {
        replay_window_bytes: 400,
        ..lane_config()
    };
    let voting = show.voting_with(&show.redis.url(), config).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    let backup = Backup::take(show.redis.connection().await).await;
    for _ in 0..9 {
        assert!(is_accepted(&voting.cast(vote(BIA)).await));
    }
    backup.restore(show.redis.connection().await).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    let lost = voting.metric("vote_unrecoverable_votes_total");
    let repaired = voting.metric("vote_repaired_votes_total");
    let tally = show.tally().await;
    assert!(
        lost > 0.5 && repaired > 0.5,
        "{lost} lost, {repaired} repaired"
    );
    assert!(
        (lost + repaired - 9.0).abs() < 0.5,
        "{lost} lost, {repaired} repaired"
    );
    let total = f64::from(u32::try_from(tally.values().sum::<u64>()).expect("small"));
    assert!(
        (total - (2.0 + repaired)).abs() < 0.5,
        "{tally:?}, {repaired} repaired"
    );
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn what_is_beyond_the_replay_window_is_counted_as_lost_exactly() {
    let show = Show::open().await;
    let config = LaneConfig {
        replay_window: Duration::ZERO,
        ..lane_config()
    };
    let voting = show.voting_with(&show.redis.url(), config).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    let backup = Backup::take(show.redis.connection().await).await;
    for _ in 0..7 {
        assert!(is_accepted(&voting.cast(vote(BIA)).await));
    }
    backup.restore(show.redis.connection().await).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    let lost = voting.metric("vote_unrecoverable_votes_total");
    let tally = show.tally().await;
    let total: u64 = tally.values().sum();
    // Nine votes were answered as accepted: each is in the tally or said to be lost.
    assert!(
        (lost + f64::from(u32::try_from(total).expect("small")) - 9.0).abs() < 0.5,
        "{lost} {tally:?}"
    );
    assert!(lost > 0.0);
    assert!(
        is_accepted(&voting.cast(vote(ANA)).await),
        "the lane goes on"
    );
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_kill_9_of_redis_loses_nothing() {
    let redis = vote_testkit::RedisServer::builder()
        .append_only(true)
        .config("appendfsync", "everysec")
        .start()
        .await;
    let mut show = Show::open_on(redis, 1).await;
    let voting = show.voting().await;
    let mut accepted = 0;
    for _ in 0..3 {
        let outcomes = join_all((0..200).map(|_| voting.cast(vote(ANA)))).await;
        accepted += outcomes
            .iter()
            .filter(|outcome| is_accepted(outcome))
            .count();
        show.redis.kill9();
        show.redis.restart().await;
    }
    eventually(DEADLINE, || async {
        show.tally().await == tally_of(&[("torcida/ana", accepted as u64)])
    })
    .await;
    assert_eq!(accepted, 600);
    assert!(show.audit().await.passed);
}
