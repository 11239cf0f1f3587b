//! What operators do on purpose while votes come in: planned failovers, and slots that move by the servers' own means.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::Value;
use vote_domain::{Secret, Transition};
use vote_store::{LaneConfig, Outcome, RedisConfig, Store};
use vote_testkit::{
    RedisCluster, RedisClusterBuilder, RedisSentinels, RedisSentinelsBuilder, RedisServer,
    eventually, redis_server_8_4, valkey_server_9,
};

use crate::support::{ANA, DEADLINE, Show, Voting, closes_at, is_accepted, lane_config, vote};
use crate::topologies::{assert_total, cast_all};

/// Sentinels that are listened to.
const LISTENED_TO: &str = "vote_sentinels_listened_to";
const HOLDING: &str = "vote_failover_holding";
const FOLLOWED: &str = "vote_failover_holds_total{end=\"followed\"}";
const GIVEN_UP: &str = "vote_failover_holds_total{end=\"given_up\"}";
const GAPS: &str = "vote_gaps_total";
const UNRECOVERABLE: &str = "vote_unrecoverable_votes_total";

fn is(voting: &Voting, metric: &str, value: f64) -> bool {
    (voting.metric(metric) - value).abs() < 0.5
}

async fn listens(voting: &Voting) {
    eventually(DEADLINE, || async { is(voting, LISTENED_TO, 3.0) }).await;
}

/// Casts votes in rounds until `change` is through; gives the rounds.
async fn cast_during<R>(show: &Show<R>, voting: &Voting, change: impl Future<Output = ()>) -> u128 {
    let is_through = AtomicBool::new(false);
    let change = async {
        change.await;
        is_through.store(true, Ordering::Relaxed);
    };
    let casting = async {
        let mut rounds = 0;
        while !is_through.load(Ordering::Relaxed) {
            cast_all(show, voting, &format!("round-{rounds}"), 30).await;
            rounds += 1;
        }
        rounds
    };
    let ((), rounds) = tokio::join!(change, casting);
    rounds
}

#[tokio::test]
async fn votes_wait_while_a_failover_is_under_way_and_go_on_where_it_is_given_up() {
    let redis = RedisSentinels::start().await;
    let url = redis.url();
    let show = Show::open_at(redis, url, 1).await;
    let impatient = LaneConfig {
        accept_timeout: Duration::from_millis(200),
        ..lane_config()
    };
    let voting = show.voting_with(&show.url, impatient).await;
    listens(&voting).await;
    eventually(DEADLINE, || async {
        is_accepted(&voting.cast(vote(ANA)).await)
    })
    .await;
    let before = show.audit().await.total;

    // No replica can be promoted, and the master takes everything all the time.
    let master = show.redis.master_index().await;
    for replica in (0..3).filter(|index| *index != master) {
        show.redis.server(replica).pause();
    }
    show.redis.fail_over().await;
    eventually(DEADLINE, || async { is(&voting, HOLDING, 1.0) }).await;
    let held = voting.cast(vote(ANA)).await;
    assert!(matches!(held, Outcome::NotRecorded), "{held:?}");
    assert_eq!(show.audit().await.total, before, "nothing was sent");
    assert_eq!(voting.writer.ready(), Ok(()), "the process takes votes");

    eventually(DEADLINE, || async { is(&voting, GIVEN_UP, 1.0) }).await;
    eventually(DEADLINE, || async {
        is_accepted(&voting.cast(vote(ANA)).await)
    })
    .await;
    assert!(is(&voting, HOLDING, 0.0));
    assert_eq!(show.audit().await.total, before + 1);
    assert!(is(&voting, GAPS, 0.0));
}

#[tokio::test]
async fn votes_go_on_after_a_planned_failover_and_each_counts_once() {
    let redis = RedisSentinels::start().await;
    let url = redis.url();
    let show = Show::open_at(redis, url, 2).await;
    let voting = show.voting().await;
    listens(&voting).await;
    let old = show.redis.master_port().await;
    let rounds = cast_during(&show, &voting, async {
        show.redis.fail_over().await;
        show.redis.wait_for_master_other_than(old).await;
    })
    .await;
    cast_all(&show, &voting, "after", 100).await;
    eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
    assert!(is(&voting, FOLLOWED, 1.0), "it was seen");
    assert!(is(&voting, UNRECOVERABLE, 0.0));
    assert_total(&show, 100 + 30 * rounds).await;
}

#[tokio::test]
async fn a_coordinated_failover_forgets_nothing() {
    let Some(valkey) = valkey_server_9() else {
        println!("left out: no Valkey 9, see `make setup`");
        return;
    };
    let redis = RedisSentinels::builder().binary(valkey).start().await;
    let url = redis.url();
    let show = Show::open_at(redis, url, 2).await;
    let voting = show.voting().await;
    let old = show.redis.master_port().await;
    let rounds = cast_during(&show, &voting, async {
        show.redis.fail_over_coordinated().await;
        show.redis.wait_for_master_other_than(old).await;
    })
    .await;
    cast_all(&show, &voting, "after", 100).await;
    eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
    assert!(is(&voting, GAPS, 0.0), "there was nothing to repair");
    assert_total(&show, 100 + 30 * rounds).await;
}

#[tokio::test]
async fn a_clusters_own_failover_forgets_nothing() {
    let redis = RedisCluster::start().await;
    let url = redis.url();
    let show = Show::open_at(redis, url, 6).await;
    let voting = show.voting().await;
    cast_all(&show, &voting, "before", 30).await;
    let rounds = cast_during(&show, &voting, async {
        for master in 0..3 {
            let heir = show.redis.replica_of(master).await.expect("a replica");
            show.redis.fail_over_to(heir).await;
        }
        show.redis.wait_until_ok().await;
    })
    .await;
    cast_all(&show, &voting, "after", 100).await;
    assert!(is(&voting, GAPS, 0.0), "there was nothing to repair");
    assert_total(&show, 130 + 30 * rounds).await;
}

/// Which of the servers' own ways a slot goes.
#[derive(Debug, Clone, Copy)]
enum By {
    /// Valkey's `CLUSTER MIGRATESLOTS`.
    Source,
    /// Redis' `CLUSTER MIGRATION IMPORT`.
    Target,
}

/// The slot of a shard goes to a master that has never run the script, and on to the next.
async fn a_slot_moves(redis: RedisCluster, by: By) {
    let url = redis.url();
    let show = Show::open_at(redis, url, 1).await;
    let voting = show.voting().await;
    cast_all(&show, &voting, "before", 100).await;
    let slot = show.redis.slot_of(&format!("{{{}/0}}", show.id)).await;
    let rounds = cast_during(&show, &voting, async {
        for _ in 0..3 {
            let to = (show.redis.owner_of(slot).await + 1) % 3;
            let forget = redis::cmd("SCRIPT").arg("FLUSH").to_owned();
            let mut target = show.redis.node(to).connection().await;
            forget.exec_async(&mut target).await.expect("forgotten");
            match by {
                By::Source => show.redis.migrate_slot(slot, to).await,
                By::Target => show.redis.import_slot(slot, to).await,
            }
        }
    })
    .await;
    cast_all(&show, &voting, "after", 100).await;
    assert!(
        voting.metric("vote_commit_retries_total") > 0.0,
        "nothing was redirected"
    );
    assert!(is(&voting, GAPS, 0.0), "nothing was forgotten on the way");
    assert_total(&show, 200 + 30 * rounds).await;
    for node in show.redis.nodes() {
        assert_nothing_was_refused(node).await;
    }
}

/// No user wanted more than its rights.
async fn assert_nothing_was_refused(server: &RedisServer) {
    let log = redis::cmd("ACL").arg("LOG").to_owned();
    let log: Value = log
        .query_async(&mut server.connection().await)
        .await
        .expect("a log");
    assert_eq!(log, Value::Array(Vec::new()), "refused");
}

/// Nodes that come to each other with no more rights than replication and moves of slots take.
fn as_replicas(cluster: RedisClusterBuilder) -> RedisClusterBuilder {
    let everybody = "user default on nopass allkeys allchannels +@all";
    let replica = format!("{} >secret", NODE.trim());
    cluster
        .acl(&format!("{everybody}\n{replica}"))
        .config("masteruser", "replica")
        .config("masterauth", "secret")
}

#[tokio::test]
async fn a_slot_that_valkey_moves_takes_its_votes_along_and_each_counts_once() {
    let Some(valkey) = valkey_server_9() else {
        println!("left out: no Valkey 9, see `make setup`");
        return;
    };
    let redis = as_replicas(RedisCluster::builder().binary(valkey))
        .start()
        .await;
    a_slot_moves(redis, By::Source).await;
}

#[tokio::test]
async fn a_slot_that_redis_moves_takes_its_votes_along_and_each_counts_once() {
    let Some(program) = redis_server_8_4() else {
        println!("left out: no Redis 8.4, which VOTE_TEST_NEWER_REDIS may name");
        return;
    };
    let redis = as_replicas(RedisCluster::builder().binary(program))
        .start()
        .await;
    a_slot_moves(redis, By::Target).await;
}

#[tokio::test]
async fn an_operators_script_runs_where_its_slot_is_about_to_be() {
    let redis = RedisCluster::start().await;
    let url = redis.url();
    let show = Show::open_at(redis, url, 1).await;
    let slot = show.redis.slot_of(&format!("{{{}/0}}", show.id)).await;
    let to = (show.redis.owner_of(slot).await + 1) % 3;
    let forget = redis::cmd("SCRIPT").arg("FLUSH").to_owned();
    let mut target = show.redis.node(to).connection().await;
    forget.exec_async(&mut target).await.expect("forgotten");
    // All keys have gone, the slot has not: the source answers `ASK`, and the target knows no script.
    let moving = show.redis.begin_move(slot, to).await;
    while moving.move_keys(100).await > 0 {}
    show.change(Transition::Pause, closes_at()).await;
    moving.finish().await;
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
}

/// The users of `deploy/redis/sentinel`: two at the sentinels, and the sentinels' own at the servers.
const SERVICES: &str = include_str!("../../../../deploy/redis/sentinel/vote-services.acl");
const FAILOVER: &str = include_str!("../../../../deploy/redis/sentinel/vote-failover.acl");
const SENTINEL: &str = include_str!("../../../../deploy/redis/sentinel/sentinel.acl");

/// As nodes of a cluster come to each other that move slots by their own means.
const NODE: &str = include_str!("../../../../deploy/redis/cluster/replica.acl");

/// As Compose's replicas come to their master.
const REPLICA: &str = include_str!("../../../../deploy/compose/redis/acl/replica.acl");

/// A failover in which everybody has no more rights than these users, and who may not lead one can't.
async fn a_failover_with_the_least_rights(redis: RedisSentinelsBuilder, words: &[&str]) {
    let user = |rights: &str| format!("{} >secret\n", rights.trim());
    let acl = format!(
        "user default on nopass allkeys allchannels +@all\n{}{}",
        user(SENTINEL),
        user(REPLICA)
    );
    let redis = redis
        .acl(&acl)
        .config("masteruser", "replica")
        .config("masterauth", "secret")
        .sentinel_config("auth-user", "sentinel")
        .sentinel_config("auth-pass", "secret")
        .start()
        .await;
    for sentinel in redis.sentinels() {
        let mut connection = sentinel.connection().await;
        for rights in [SERVICES, FAILOVER] {
            let mut set = redis::cmd("ACL");
            set.arg("SETUSER")
                .arg(user(rights).split_whitespace().skip(1).collect::<Vec<_>>());
            set.exec_async(&mut connection)
                .await
                .expect("a sentinel has users");
        }
    }
    let url = redis.url();
    let show = Show::open_at(redis, url, 2).await;
    let as_services = RedisConfig {
        sentinel_username: Some("vote-services".to_owned()),
        sentinel_password: Some(Secret::new("secret")),
        ..RedisConfig::new(&show.url).expect("an address")
    };
    let store = Store::new(&as_services).expect("usable");
    let voting = Voting::start_on(&store, lane_config(), show.id.as_str()).await;
    listens(&voting).await;
    cast_all(&show, &voting, "before", 30).await;
    let old = show.redis.master_port().await;
    let fail_over = async |user: &str| {
        let client = show.redis.sentinels()[0].client_as(user, "secret");
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd("SENTINEL");
        command.arg(words).exec_async(&mut connection).await
    };
    let refused = fail_over("vote-services")
        .await
        .expect_err("not for the services");
    assert_eq!(refused.code(), Some("NOPERM"), "{refused}");
    fail_over("vote-failover").await.expect("it may");
    show.redis.wait_for_master_other_than(old).await;
    show.redis.wait_until_replicas_follow().await;
    cast_all(&show, &voting, "after", 30).await;
    assert!(is(&voting, FOLLOWED, 1.0), "it was seen");
    assert_total(&show, 60).await;
    for server in show.redis.servers() {
        assert_nothing_was_refused(server).await;
    }
}

#[tokio::test]
async fn sentinels_and_who_asks_them_need_no_more_than_their_users_rights() {
    let words = ["FAILOVER", "vote"];
    a_failover_with_the_least_rights(RedisSentinels::builder(), &words).await;
}

#[tokio::test]
async fn nor_do_they_for_a_coordinated_failover() {
    let Some(valkey) = valkey_server_9() else {
        println!("left out: no Valkey 9, see `make setup`");
        return;
    };
    let redis = RedisSentinels::builder().binary(valkey);
    a_failover_with_the_least_rights(redis, &["FAILOVER", "vote", "COORDINATED"]).await;
}
