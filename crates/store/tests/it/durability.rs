//! Votes that count only when there are copies of them.

use std::time::Duration;

use vote_store::{Durability, LaneConfig, Outcome, ReplicasMissing, StoreError};
use vote_testkit::{RedisServer, eventually, newer_redis_server};

use crate::support::{ANA, DEADLINE, Show, is_accepted, keyed, lane_config, store, tally_of, vote};

/// A master and a replica that follows it.
async fn pair() -> (RedisServer, RedisServer) {
    let master = RedisServer::start().await;
    let replica = RedisServer::builder()
        .replica_of(master.port())
        .start()
        .await;
    let mut connection = master.connection().await;
    eventually(DEADLINE, || {
        let mut connection = connection.clone();
        async move {
            let info: String = redis::cmd("INFO")
                .arg("replication")
                .query_async(&mut connection)
                .await
                .expect("it answers");
            info.contains("state=online")
        }
    })
    .await;
    // So that a replica that stands still is not taken for one that has gone.
    let _: () = redis::cmd("CONFIG")
        .arg(&["SET", "repl-timeout", "3600"])
        .query_async(&mut connection)
        .await
        .expect("set");
    (master, replica)
}

fn lanes(missing: ReplicasMissing) -> LaneConfig {
    LaneConfig {
        accept_timeout: Duration::from_millis(400),
        durability: Durability::Replicas {
            count: 1,
            timeout: Duration::from_millis(100),
        },
        replicas_missing: missing,
        ..lane_config()
    }
}

#[tokio::test]
async fn nothing_is_accepted_while_the_replica_does_not_have_it() {
    let (master, replica) = pair().await;
    let show = Show::open_on(master, 1).await;
    let voting = show
        .voting_with(&show.url, lanes(ReplicasMissing::Refuse))
        .await;
    assert!(is_accepted(&voting.cast(keyed(ANA, "k1")).await));

    replica.pause();
    let outcome = voting.cast(keyed(ANA, "k2")).await;
    assert!(matches!(outcome, Outcome::Unknown), "{outcome:?}");
    let outcome = voting.cast(keyed(ANA, "k3")).await;
    assert!(matches!(outcome, Outcome::NotRecorded), "{outcome:?}");
    let blocked = voting.writer.ready().expect_err("blocked");
    assert!(blocked.contains("blocked"), "{blocked}");

    replica.resume();
    eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
    let outcome = voting.cast(keyed(ANA, "k2")).await;
    assert!(matches!(outcome, Outcome::Duplicate(_)), "{outcome:?}");
    assert!(is_accepted(&voting.cast(keyed(ANA, "k3")).await));
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 3)]));
}

#[tokio::test]
async fn an_idle_lane_notices_that_its_replica_is_missing_and_that_it_is_back() {
    let (master, replica) = pair().await;
    let show = Show::open_on(master, 1).await;
    let voting = show
        .voting_with(&show.url, lanes(ReplicasMissing::Refuse))
        .await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    drop(replica);
    // No vote comes: the heartbeat finds it. A replica that has gone has had all that there was.
    let outcome = voting.cast(keyed(ANA, "k")).await;
    assert!(matches!(outcome, Outcome::Unknown), "{outcome:?}");
    eventually(DEADLINE, || async { voting.writer.ready().is_err() }).await;
    let _replica = RedisServer::builder()
        .replica_of(show.redis.port())
        .start()
        .await;
    eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
}

#[tokio::test]
async fn where_it_may_degrade_votes_are_accepted_without_the_replica_and_counted() {
    let (master, replica) = pair().await;
    let show = Show::open_on(master, 1).await;
    let voting = show
        .voting_with(&show.url, lanes(ReplicasMissing::Degrade))
        .await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    assert!(voting.metric("vote_unconfirmed_votes_total").abs() < 0.5);

    replica.pause();
    for _ in 0..5 {
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
    }
    assert!((voting.metric("vote_unconfirmed_votes_total") - 5.0).abs() < 0.5);
    assert!(voting.writer.ready().is_ok());

    replica.resume();
    eventually(DEADLINE, || async {
        let before = voting.metric("vote_unconfirmed_votes_total");
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
        (voting.metric("vote_unconfirmed_votes_total") - before).abs() < 0.5
    })
    .await;
}

#[tokio::test]
async fn a_server_that_cannot_say_what_is_on_disk_is_refused_at_start() {
    let memory_only = RedisServer::start().await;
    let refused = Durability::Fsync.check(&store(&memory_only.url())).await;
    assert!(
        matches!(&refused, Err(StoreError::Unsupported(why)) if why.contains("WAITAOF")),
        "{refused:?}"
    );
    Durability::Memory
        .check(&store(&memory_only.url()))
        .await
        .expect("nothing to check");

    let url = memory_only.url();
    drop(memory_only);
    let away = Durability::Fsync.check(&store(&url)).await;
    assert!(matches!(away, Err(StoreError::Connect(_))), "{away:?}");
}

#[tokio::test]
async fn a_vote_is_on_disk_before_it_is_accepted() {
    let Some(newer) = newer_redis_server() else {
        println!("left out: no server that knows WAITAOF is here (`make setup` brings one)");
        return;
    };
    let memory_only = RedisServer::builder().binary(&newer).start().await;
    let refused = Durability::Fsync.check(&store(&memory_only.url())).await;
    assert!(
        matches!(&refused, Err(StoreError::Unsupported(why)) if why.contains("appendonly")),
        "{refused:?}"
    );

    let redis = RedisServer::builder()
        .binary(&newer)
        .append_only(true)
        .config("appendfsync", "always")
        .start()
        .await;
    Durability::Fsync
        .check(&store(&redis.url()))
        .await
        .expect("it can");
    let mut show = Show::open_on(redis, 1).await;
    let config = LaneConfig {
        durability: Durability::Fsync,
        ..lane_config()
    };
    let voting = show.voting_with(&show.url, config).await;
    for _ in 0..20 {
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
    }
    show.redis.kill9();
    show.redis.restart().await;
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 20)]));
}

/// A vote would be confirmed before it is on disk, or nobody knows when it is.
#[tokio::test]
async fn an_append_only_file_that_is_written_later_is_refused_at_start_and_at_each_connection() {
    let Some(newer) = newer_redis_server() else {
        println!("left out: no server that knows WAITAOF is here (`make setup` brings one)");
        return;
    };
    let redis = RedisServer::builder()
        .binary(&newer)
        .append_only(true)
        .config("appendfsync", "everysec")
        .start()
        .await;
    let refused = Durability::Fsync.check(&store(&redis.url())).await;
    assert!(
        matches!(&refused, Err(StoreError::Unsupported(why)) if why.contains("appendfsync always")
            && why.contains("has appendfsync everysec")),
        "{refused:?}"
    );
    let connection = redis.connection().await;
    let set = |policy: &'static str| {
        let mut connection = connection.clone();
        async move {
            redis::cmd("CONFIG")
                .arg(&["SET", "appendfsync", policy])
                .exec_async(&mut connection)
                .await
                .expect("set");
        }
    };
    set("always").await;
    Durability::Fsync
        .check(&store(&redis.url()))
        .await
        .expect("it can");
    set("no").await;
    let show = Show::open_on(redis, 1).await;
    let config = LaneConfig {
        durability: Durability::Fsync,
        accept_timeout: Duration::from_millis(400),
        ..lane_config()
    };
    let voting = show.voting_with(&show.url, config).await;
    let outcome = voting.cast(vote(ANA)).await;
    assert!(matches!(outcome, Outcome::NotRecorded), "{outcome:?}");
    let blocked = eventually(DEADLINE, || async { voting.writer.ready().err() }).await;
    assert!(blocked.contains("blocked"), "{blocked}");
}
