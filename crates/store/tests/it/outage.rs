//! Redis away: what clients are told, and that it is true.

use std::time::Duration;

use futures_util::future::join_all;
use vote_store::{LaneConfig, Outcome};
use vote_testkit::{RedisServer, eventually};

use crate::support::{
    ANA, DEADLINE, Show, is_accepted, keyed, lane_config, tally_of, vote, voting_ms,
};

fn impatient() -> LaneConfig {
    LaneConfig {
        accept_timeout: Duration::from_millis(200),
        ..lane_config()
    }
}

#[tokio::test]
async fn with_redis_gone_votes_are_not_recorded_and_stay_so() {
    let mut show = Show::open_on(RedisServer::builder().append_only(true).start().await, 1).await;
    let voting = show.voting_with(&show.redis.url(), impatient()).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
    show.redis.stop().await;
    let outcomes = join_all((0..50).map(|_| voting.cast(vote(ANA)))).await;
    // The first batch may have been on its way when the connection broke.
    let unknown = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Unknown))
        .count();
    let later = join_all((0..50).map(|_| voting.cast(vote(ANA)))).await;
    assert!(
        outcomes
            .iter()
            .chain(&later)
            .all(|outcome| matches!(outcome, Outcome::NotRecorded | Outcome::Unknown)),
        "{outcomes:?} {later:?}"
    );
    eventually(DEADLINE, || async { voting.writer.ready().is_err() }).await;

    show.redis.restart().await;
    eventually(DEADLINE, || async {
        is_accepted(&voting.cast(vote(ANA)).await)
    })
    .await;
    eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
    let total = show.audit().await.total;
    let recorded = voting.metric(
        "vote_accepted_votes_total{poll=\"paredao-01\",channel=\"torcida\",candidate=\"ana\"}",
    );
    assert!(show.audit().await.passed);
    assert!(
        (recorded - as_f64(total)).abs() < 0.5,
        "{recorded} accepted, {total} in the tally"
    );
    assert!(total <= 2 + unknown as u128 + 50, "{total}");
}

#[tokio::test]
async fn with_redis_stalled_a_vote_in_flight_is_unknown_and_found_by_its_key() {
    let show = Show::open().await;
    let voting = show.voting_with(&show.redis.url(), impatient()).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    show.redis.pause();
    let first = voting.cast(keyed(ANA, "k1")).await;
    let second = voting.cast(keyed(ANA, "k2")).await;
    assert!(matches!(first, Outcome::Unknown), "{first:?}");
    assert!(matches!(second, Outcome::NotRecorded), "{second:?}");
    show.redis.resume();
    eventually(DEADLINE, || async {
        matches!(voting.cast(keyed(ANA, "k1")).await, Outcome::Duplicate(_))
    })
    .await;
    // What was recalled was not recorded behind the client's back.
    assert!(is_accepted(&voting.cast(keyed(ANA, "k2")).await));
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 3)]));
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_server_that_refuses_to_write_records_nothing_and_says_so() {
    let show = Show::open().await;
    let voting = show.voting_with(&show.redis.url(), impatient()).await;
    assert!(is_accepted(&voting.cast(keyed(ANA, "k1")).await));
    let mut redis = show.redis.connection().await;
    let set = |value: &'static str| {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxmemory").arg(value);
        command
    };
    set("1")
        .exec_async(&mut redis)
        .await
        .expect("out of memory");
    // The second has a key, and its window is there: no command may slip in before the one that is refused.
    for refused in [vote(ANA), keyed(ANA, "k2")] {
        let outcome = voting.cast(refused).await;
        assert!(matches!(outcome, Outcome::NotRecorded), "{outcome:?}");
    }
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 1)]));
    // It answers questions. For three of those that an idle lane asks: not ready, since no vote would be taken.
    let asked = voting.metric("vote_commit_retries_total");
    eventually(DEADLINE, || async {
        let ready = voting.writer.ready();
        assert!(ready.is_err(), "{ready:?}");
        let retries = voting.metric("vote_commit_retries_total");
        if retries > asked + 2.5 {
            Ok(())
        } else {
            Err(retries)
        }
    })
    .await;
    set("0").exec_async(&mut redis).await.expect("memory again");
    eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
    eventually(DEADLINE, || async {
        is_accepted(&voting.cast(vote(ANA)).await)
    })
    .await;
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_lane_is_ready_again_without_a_vote_even_after_its_window() {
    let config = LaneConfig {
        replay_window: Duration::ZERO,
        ..impatient()
    };
    let mut show = Show::open_on(RedisServer::builder().append_only(true).start().await, 1).await;
    let voting = show.voting_with(&show.redis.url(), config).await;
    show.redis.stop().await;
    assert!(!is_accepted(&voting.cast(vote(ANA)).await));
    eventually(DEADLINE, || async { voting.writer.ready().is_err() }).await;
    show.redis.restart().await;
    eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
}

#[tokio::test]
async fn one_lane_that_can_write_is_enough_and_idle_ones_find_out_whether_they_can() {
    let show = Show::open_on(RedisServer::start().await, 2).await;
    let voting = show.voting_with(&show.redis.url(), impatient()).await;
    for accepted in [voting.cast(vote(ANA)).await, voting.cast(vote(ANA)).await] {
        assert!(is_accepted(&accepted), "{accepted:?}");
    }
    let mut redis = show.redis.connection().await;
    let spoil = |shard: u16| {
        let state = format!("vote:{{paredao-01/{shard}}}:state");
        let mut pipe = redis::pipe();
        pipe.cmd("RENAME").arg(&state).arg(format!("{state}-kept"));
        pipe.cmd("SET").arg(&state).arg("no hash");
        pipe
    };
    spoil(1).exec_async(&mut redis).await.expect("spoilt");
    let outcomes = join_all((0..2).map(|_| voting.cast(vote(ANA)))).await;
    let refused = outcomes.iter().filter(|outcome| !is_accepted(outcome));
    assert_eq!(refused.count(), 1, "{outcomes:?}");
    let asked = voting.metric("vote_commit_retries_total");
    eventually(DEADLINE, || async {
        let ready = voting.writer.ready();
        assert!(ready.is_ok(), "half of the votes go through: {ready:?}");
        let retries = voting.metric("vote_commit_retries_total");
        if retries > asked + 2.5 {
            Ok(())
        } else {
            Err(retries)
        }
    })
    .await;

    // Nobody votes: it is the other lane that asks.
    spoil(0).exec_async(&mut redis).await.expect("spoilt");
    eventually(DEADLINE, || async { voting.writer.ready().is_err() }).await;
    redis::cmd("RENAME")
        .arg("vote:{paredao-01/1}:state-kept")
        .arg("vote:{paredao-01/1}:state")
        .exec_async(&mut redis)
        .await
        .expect("as before");
    eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
}

#[tokio::test]
async fn a_key_of_another_type_stops_a_batch_before_its_first_write() {
    let show = Show::open().await;
    let voting = show.voting_with(&show.redis.url(), impatient()).await;
    assert!(is_accepted(&voting.cast(keyed(ANA, "k1")).await));
    let mut redis = show.redis.connection().await;
    let minutes = format!("minutes:{}", voting_ms() / 60_000);
    for key in [minutes.as_str(), "tally", "seen", "writers"] {
        let key = format!("vote:{{paredao-01/0}}:{key}");
        let rename = |from: String, to: String| {
            let mut command = redis::cmd("RENAME");
            command.arg(from).arg(to);
            command
        };
        let aside = format!("{key}:aside");
        rename(key.clone(), aside.clone())
            .exec_async(&mut redis)
            .await
            .unwrap_or_else(|error| panic!("{key}: {error}"));
        redis::cmd("SET")
            .arg(&key)
            .arg("not a hash")
            .exec_async(&mut redis)
            .await
            .expect("set");
        let outcome = voting.cast(keyed(ANA, "k2")).await;
        assert!(!is_accepted(&outcome), "{key}: {outcome:?}");
        rename(aside, key.clone())
            .exec_async(&mut redis)
            .await
            .expect("back");
        eventually(DEADLINE, || async {
            is_accepted(&voting.cast(vote(ANA)).await)
        })
        .await;
        let audit = show.audit().await;
        assert!(audit.passed, "{key}: {:?}", audit.differences);
    }
}

#[tokio::test]
async fn a_process_that_starts_before_redis_takes_votes_once_it_is_there() {
    let mut show = Show::open_on(RedisServer::builder().append_only(true).start().await, 1).await;
    show.redis.stop().await;
    let url = show.redis.url();
    let starting = crate::support::Voting::start(&url, lane_config(), "paredao-01");
    let (voting, ()) = tokio::join!(starting, show.redis.restart());
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    eventually(DEADLINE, || async { voting.writer.receipt_key().is_some() }).await;
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn as_f64(count: u128) -> f64 {
    count as f64
}
