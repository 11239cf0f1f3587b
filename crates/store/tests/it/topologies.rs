//! Masters that move: Sentinel's failover, a cluster's failover and resharding, TLS.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use vote_domain::Secret;
use vote_store::{Outcome, RedisConfig, Store};
use vote_testkit::{Certificates, RedisCluster, RedisSentinels, RedisServer, eventually};

use crate::support::{ANA, BIA, DEADLINE, Show, Voting, keyed, store};

/// Casts keyed votes of both candidates until each is accepted, or known from an attempt before.
pub(crate) async fn cast_all<R>(show: &Show<R>, voting: &Voting, name: &str, votes: usize) {
    let polls = voting.poll();
    let cast = (0..votes).map(|number| {
        let poll = Arc::clone(&polls);
        async move {
            let candidate = if number % 3 == 0 { BIA } else { ANA };
            loop {
                match poll
                    .cast(keyed(candidate, &format!("{name}-{number}")))
                    .await
                {
                    Outcome::Accepted(_) | Outcome::Duplicate(_) => return,
                    Outcome::Unknown | Outcome::NotRecorded => {}
                    other => panic!("{name}-{number}: {other:?}"),
                }
            }
        }
    });
    tokio::time::timeout(DEADLINE * 2, join_all(cast))
        .await
        .unwrap_or_else(|_| {
            panic!(
                "votes of {} did not get through: {:?}",
                show.id,
                voting.writer.ready()
            )
        });
}

pub(crate) async fn assert_total<R>(show: &Show<R>, votes: u128) {
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    assert_eq!(audit.total, votes);
}

#[tokio::test]
async fn votes_go_on_after_a_failover_and_none_is_lost_with_the_master() {
    let redis = RedisSentinels::start().await;
    let url = redis.url();
    let mut show = Show::open_at(redis, url, 2).await;
    let voting = show.voting().await;
    cast_all(&show, &voting, "before", 200).await;

    // The replica lags: what comes now dies with the master.
    let master = show.redis.master_index().await;
    let replicas: Vec<usize> = (0..show.redis.servers().len())
        .filter(|at| *at != master)
        .collect();
    for replica in &replicas {
        show.redis.server(*replica).pause();
    }
    // What was sent to them would be read when they go on.
    let mut master_connection = show.redis.server(master).connection().await;
    let _: u64 = redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "replica"])
        .query_async(&mut master_connection)
        .await
        .expect("killed");
    cast_all(&show, &voting, "forgotten", 200).await;
    let port = show.redis.server(master).port();
    show.redis.server_mut(master).kill9();
    for replica in &replicas {
        show.redis.server(*replica).resume();
    }
    show.redis.wait_for_master_other_than(port).await;

    cast_all(&show, &voting, "after", 200).await;
    eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
    assert!(voting.metric("vote_repaired_votes_total") >= 200.0);
    assert!(voting.metric("vote_unrecoverable_votes_total").abs() < 0.5);
    assert_total(&show, 600).await;
}

#[tokio::test]
async fn a_master_that_was_demoted_is_not_written_to_any_more() {
    let redis = RedisSentinels::start().await;
    let url = redis.url();
    let show = Show::open_at(redis, url, 1).await;
    let voting = show.voting().await;
    cast_all(&show, &voting, "before", 20).await;

    // It hangs, loses its office, and comes back as what it was, for a moment.
    let old = show.redis.master_index().await;
    let port = show.redis.server(old).port();
    show.redis.server(old).pause();
    show.redis.wait_for_master_other_than(port).await;
    show.redis.server(old).resume();
    cast_all(&show, &voting, "after", 200).await;
    show.redis.wait_until_replicas_follow().await;
    eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
    assert_total(&show, 220).await;
}

#[tokio::test]
async fn sentinels_with_users_of_their_own_are_asked_as_one_of_them() {
    let redis = RedisSentinels::start().await;
    for sentinel in redis.sentinels() {
        let mut connection = sentinel.connection().await;
        let rules = "-@all +@connection +sentinel|get-master-addr-by-name";
        let mut rights = redis::cmd("ACL");
        rights.arg(&["SETUSER", "vote-services", "on", ">wach", "allchannels"]);
        rights.arg(rules.split(' ').collect::<Vec<_>>());
        rights
            .exec_async(&mut connection)
            .await
            .expect("a sentinel has users");
        redis::cmd("ACL")
            .arg(&["SETUSER", "default", "resetpass", ">other"])
            .exec_async(&mut connection)
            .await
            .expect("and a password for all others");
    }
    let asking = |username: Option<&str>, password: Option<&str>| {
        let store = Store::new(&RedisConfig {
            sentinel_username: username.map(str::to_owned),
            sentinel_password: password.map(Secret::new),
            ..RedisConfig::new(redis.url()).expect("an address")
        });
        async move { store.expect("usable").operator().list().await }
    };
    let known = asking(Some("vote-services"), Some("wach")).await;
    assert!(known.expect("it may ask").is_empty());
    let by_password = asking(None, Some("other")).await;
    assert!(by_password.expect("it may ask").is_empty());
    for (username, password) in [
        (None, None),
        (None, Some("wach")),
        (Some("vote-services"), Some("other")),
    ] {
        let error = asking(username, password).await.expect_err("refused");
        let text = error.to_string();
        assert!(
            text.contains("nobody says where the data is") && !text.contains("wach"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn without_sentinels_or_with_an_unknown_master_nothing_is_recorded_and_it_says_why() {
    let mut redis = RedisSentinels::start().await;
    let unknown = redis.url().replace("/vote", "/other");
    let error = store(&unknown)
        .operator()
        .list()
        .await
        .expect_err("no such master");
    assert!(error.to_string().contains("does not know"), "{error}");

    let url = redis.url();
    for sentinel in 0..redis.sentinels().len() {
        redis.sentinel_mut(sentinel).kill9();
    }
    let error = store(&url)
        .operator()
        .list()
        .await
        .expect_err("no sentinel");
    assert!(
        error.to_string().contains("nobody says where the data is"),
        "{error}"
    );
}

#[tokio::test]
async fn a_clusters_shards_are_on_all_masters_and_one_may_die() {
    let redis = RedisCluster::start().await;
    let url = redis.url();
    let mut show = Show::open_at(redis, url, 12).await;
    let voting = show.voting().await;
    cast_all(&show, &voting, "before", 300).await;
    let mut owners = Vec::new();
    for shard in 0..12 {
        let slot = show
            .redis
            .slot_of(&format!("{{{}/{shard}}}", show.id))
            .await;
        owners.push(show.redis.owner_of(slot).await);
    }
    let victim = owners[0];
    owners.sort_unstable();
    owners.dedup();
    assert_eq!(owners.len(), 3, "the shards are spread");

    show.redis.node_mut(victim).kill9();
    cast_all(&show, &voting, "after", 300).await;
    show.redis.wait_until_ok().await;
    eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
    assert!(voting.metric("vote_unrecoverable_votes_total").abs() < 0.5);
    assert_total(&show, 600).await;
}

#[tokio::test]
async fn slots_move_between_masters_under_load() {
    let redis = RedisCluster::start().await;
    let url = redis.url();
    let show = Show::open_at(redis, url, 3).await;
    let voting = show.voting().await;
    cast_all(&show, &voting, "before", 100).await;
    let moving = async {
        for shard in 0..3 {
            let slot = show
                .redis
                .slot_of(&format!("{{{}/{shard}}}", show.id))
                .await;
            for _ in 0..2 {
                let owner = show.redis.owner_of(slot).await;
                let to = (0..show.redis.nodes().len())
                    .find(|index| *index != owner && *index < 3)
                    .expect("another master");
                show.redis.move_slot(slot, to).await;
            }
        }
        // The poll's own document moves as well.
        let slot = show.redis.slot_of(&format!("vote:poll:{}", show.id)).await;
        let owner = show.redis.owner_of(slot).await;
        show.redis.move_slot(slot, (owner + 1) % 3).await;
    };
    let moved = std::sync::atomic::AtomicBool::new(false);
    let moving = async {
        moving.await;
        moved.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let voting_meanwhile = async {
        let mut rounds: u128 = 0;
        while !moved.load(std::sync::atomic::Ordering::Relaxed) {
            cast_all(&show, &voting, &format!("round-{rounds}"), 30).await;
            rounds += 1;
        }
        rounds
    };
    let ((), rounds) = tokio::join!(moving, voting_meanwhile);
    assert!(
        voting.metric("vote_commit_retries_total") > 0.0,
        "nothing was redirected"
    );
    // Who is on the move for long is found as well.
    let slot = show.redis.slot_of(&format!("vote:poll:{}", show.id)).await;
    let owner = show.redis.owner_of(slot).await;
    let moving = show.redis.begin_move(slot, (owner + 1) % 3).await;
    assert_eq!(show.poll().await.definition.id(), &show.id);
    drop(moving);
    assert_total(&show, 100 + 30 * rounds).await;
}

#[tokio::test]
async fn one_node_of_a_cluster_is_no_server_by_itself() {
    let redis = RedisCluster::start().await;
    let one = format!("redis://127.0.0.1:{}", redis.node(0).port());
    let operator = store(&one).operator();
    let mut errors = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let id = vote_domain::PollId::parse(name).expect("valid");
        errors.extend(operator.get(&id).await.err());
    }
    let error = errors
        .first()
        .expect("some key is on another node")
        .to_string();
    assert!(error.to_lowercase().contains("moved"), "{error}");
}

fn over_tls(url: &str) -> RedisConfig {
    RedisConfig {
        connect_timeout: Duration::from_secs(2),
        ..RedisConfig::new(url).expect("an address")
    }
}

#[tokio::test]
async fn over_tls_the_server_is_checked_and_so_may_be_the_client() {
    let certificates = Certificates::generate();
    let redis = RedisServer::builder()
        .tls(&certificates)
        .config("tls-auth-clients", "yes")
        .start()
        .await;
    let authority = Some(certificates.authority());
    let known = RedisConfig {
        tls_ca_file: authority.clone(),
        tls_cert_file: Some(certificates.client_certificate()),
        tls_key_file: Some(certificates.client_key()),
        ..over_tls(&redis.url())
    };
    let store = Store::new(&known).expect("usable");
    let polls = store.operator().list().await;
    assert!(polls.expect("it answers").is_empty());

    let stranger = Certificates::generate();
    let wrong = RedisConfig {
        tls_ca_file: Some(stranger.authority()),
        ..over_tls(&redis.url())
    };
    let nameless = RedisConfig {
        tls_ca_file: authority,
        ..over_tls(&redis.url())
    };
    for config in [wrong, nameless, over_tls(&redis.url())] {
        let store = Store::new(&config).expect("usable");
        assert!(store.operator().list().await.is_err(), "{config:?}");
    }
}

#[test]
fn tls_files_that_cannot_be_used_are_named() {
    let missing = |url| RedisConfig {
        tls_ca_file: Some("/nowhere/ca.pem".into()),
        ..over_tls(url)
    };
    let half = RedisConfig {
        tls_cert_file: Some("/nowhere/client.pem".into()),
        ..over_tls("rediss://h")
    };
    for (config, says) in [
        (missing("rediss://h"), "/nowhere/ca.pem"),
        (missing("redis://h"), "rediss://"),
        (half, "one is missing"),
    ] {
        let error = Store::new(&config).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    }
}
