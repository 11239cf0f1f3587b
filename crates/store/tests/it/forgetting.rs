//! A Redis that forgets what it had acknowledged, as after a crash or a failover.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use vote_domain::Transition;
use vote_store::{Acceptance, LaneConfig, Outcome};
use vote_testkit::{Fault, FaultProxy, RedisServer, eventually};

use crate::support::{
    ANA, BIA, DEADLINE, Show, by_voter, closes_at, is_accepted, keyed, lane_config, opens_at,
    repeated, store, tally_of, vote,
};

/// Everything that a Redis holds, to be brought back later.
pub(crate) struct Backup(BTreeMap<String, Vec<u8>>);

impl Backup {
    pub(crate) async fn take(mut redis: MultiplexedConnection) -> Self {
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
    pub(crate) async fn restore(&self, mut redis: MultiplexedConnection) {
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
    let repeat = repeated(&voting.cast(keyed(ANA, "k1")).await);
    backup.restore(show.redis.connection().await).await;
    assert!(!show.proves(repeat).await);
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    assert_eq!(
        show.tally().await,
        tally_of(&[("torcida/ana", 22), ("torcida/bia", 20), ("unico/bia", 20)])
    );
    assert!(show.proves(repeat).await, "a batch of repeats comes back");
    assert!(matches!(
        voting.cast(keyed(ANA, "k19")).await,
        Outcome::Duplicate(_)
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

/// As somebody reads it who was not there: in the audit, in the sealed result under its digest, and after a restore.
#[tokio::test]
async fn votes_that_were_counted_as_lost_are_named_by_audit_and_sealed_result_and_backup() {
    let show = Show::open().await;
    let config = LaneConfig {
        replay_window: Duration::ZERO,
        ..lane_config()
    };
    let voting = show.voting_with(&show.redis.url(), config).await;
    let Outcome::Accepted(Acceptance { place, .. }) = voting.cast(vote(ANA)).await else {
        panic!("not accepted");
    };
    let forgets = async |votes: usize| {
        let backup = Backup::take(show.redis.connection().await).await;
        for _ in 0..votes {
            assert!(is_accepted(&voting.cast(vote(BIA)).await));
        }
        backup.restore(show.redis.connection().await).await;
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
    };
    forgets(7).await;
    // Under another name by now: what was lost under both is one figure.
    forgets(5).await;
    let counted = voting.metric("vote_unrecoverable_votes_total");
    assert!(counted > 0.5, "{counted}");
    voting.writer.drain(DEADLINE).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    let sealed = show.seal(&closed, closes_at(), "test").await;
    let sealed = sealed.expect("sealed");
    assert_eq!(sealed.verify(), Ok(()));
    let lost = f64::from(u32::try_from(sealed.lost).expect("small"));
    assert!((lost - counted).abs() < 0.5, "{lost}, not {counted}");
    let ledger = sealed.shards[0].writers.iter();
    let by_writer: Vec<_> = ledger.filter(|entry| entry.lost > 0).collect();
    assert_eq!(by_writer.len(), 1, "{by_writer:?}");
    assert_eq!(by_writer[0].writer, place.writer, "as the lane began");
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    assert_eq!(audit.lost.len(), 1);
    assert_eq!(audit.lost[0].votes, sealed.lost);

    let backup = show
        .operator
        .backup(&show.id, closes_at(), "test", "test 1.0");
    let backup = backup.await.expect("taken").expect("there");
    let json = backup.to_json().expect("JSON");
    let backup = vote_store::Backup::parse(json.as_bytes()).expect("read back");
    let target = RedisServer::start().await;
    let operator = store(&target.url()).operator();
    operator
        .restore(&backup, closes_at(), "test", |_| {})
        .await
        .expect("restored");
    let restored = operator.audit(&show.id).await.expect("it answers");
    let restored = restored.expect("there");
    assert!(restored.passed, "{:?}", restored.differences);
    assert_eq!(restored.lost, audit.lost);
}

#[tokio::test]
async fn what_a_repair_could_not_record_is_not_recorded_by_the_next_one() {
    let show = Show::open().await;
    let proxy = FaultProxy::start(show.redis.port()).await;
    proxy.only(["EVALSHA"]);
    let voting = show.voting_with(&proxy.url(), lane_config()).await;
    let backup = Backup::take(show.redis.connection().await).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    for _ in 0..2 {
        assert!(is_accepted(&voting.cast(by_voter(ANA, "v1")).await));
    }
    // Redis forgets, and the voter's votes are used up at another process before this one notices.
    proxy.schedule([Fault::CutBeforeRequest; 1_000]);
    backup.restore(show.redis.connection().await).await;
    let other = show.voting().await;
    for _ in 0..2 {
        assert!(is_accepted(&other.cast(by_voter(BIA, "v1")).await));
    }
    proxy.pass();
    let lost = || voting.metric("vote_unrecoverable_votes_total");
    eventually(DEADLINE, || async { lost() > 1.5 }).await;
    // It forgets once more, and the other process is gone: there is room for the votes again, but they
    // were said to be lost.
    drop(other);
    backup.restore(show.redis.connection().await).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 2)]));
    assert!((lost() - 2.0).abs() < 0.5, "{}", lost());
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn votes_that_are_missing_under_the_last_sequence_are_counted_as_lost_once() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let Outcome::Accepted(Acceptance { place, .. }) = voting.cast(vote(ANA)).await else {
        panic!("not accepted");
    };
    let backup = Backup::take(show.redis.connection().await).await;
    join_all((0..5).map(|_| voting.cast(vote(BIA)))).await;
    let last = voting.cast(vote(BIA)).await;
    let Outcome::Accepted(Acceptance { place: last, .. }) = last else {
        panic!("{last:?}");
    };
    backup.restore(show.redis.connection().await).await;
    // As an attempt leaves it that was given up, comes late and is refused: its sequence is taken.
    let mut redis = show.redis.connection().await;
    redis::cmd("HSET")
        .arg("vote:{paredao-01/0}:writers")
        .arg(format!("{}/sequence", place.writer))
        .arg(last.sequence)
        .exec_async(&mut redis)
        .await
        .expect("set");
    let lost = || voting.metric("vote_unrecoverable_votes_total");
    eventually(DEADLINE, || async { lost() > 0.5 }).await;
    assert!((lost() - 6.0).abs() < 0.5, "{}", lost());
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    // The next heartbeat has nothing to say.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!((lost() - 6.0).abs() < 0.5, "{}", lost());
    assert!(voting.metric("vote_unexpected_votes_total") < 0.5);
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 2)]));
}

#[tokio::test]
async fn votes_that_nobody_was_told_of_are_said() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let Outcome::Accepted(Acceptance { place, .. }) = voting.cast(vote(ANA)).await else {
        panic!("not accepted");
    };
    let mut redis = show.redis.connection().await;
    redis::cmd("HINCRBY")
        .arg("vote:{paredao-01/0}:writers")
        .arg(format!("{}/votes", place.writer))
        .arg(3)
        .exec_async(&mut redis)
        .await
        .expect("tampered with");
    let unexpected = || voting.metric("vote_unexpected_votes_total");
    eventually(DEADLINE, || async { unexpected() > 0.5 }).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!((unexpected() - 3.0).abs() < 0.5, "{}", unexpected());
    assert!(voting.metric("vote_unrecoverable_votes_total") < 0.5);
}

#[tokio::test]
async fn what_is_forgotten_of_a_writer_that_was_started_over_from_is_counted_too() {
    let show = Show::open().await;
    let config = LaneConfig {
        replay_window_bytes: 400,
        ..lane_config()
    };
    let voting = show.voting_with(&show.redis.url(), config).await;
    let empty = Backup::take(show.redis.connection().await).await;
    for _ in 0..3 {
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
    }
    let backup = Backup::take(show.redis.connection().await).await;
    for _ in 0..9 {
        assert!(is_accepted(&voting.cast(vote(BIA)).await));
    }
    backup.restore(show.redis.connection().await).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    let lost = || voting.metric("vote_unrecoverable_votes_total");
    let first = lost();
    assert!(first > 0.5);
    // Less than the first time: nothing is left of what the old writer had on record.
    empty.restore(show.redis.connection().await).await;
    eventually(DEADLINE, || async { lost() > first + 0.5 }).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let total: u64 = show.tally().await.values().sum();
    let total = f64::from(u32::try_from(total).expect("small"));
    assert!(
        (total + lost() - 13.0).abs() < 0.5,
        "{total} in the tally, {} lost",
        lost()
    );
    assert!(lost() > first + 2.5, "{first}, then {}", lost());
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
