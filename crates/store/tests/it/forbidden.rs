//! Servers that forbid a command for which there is another one, as services that manage Redis do.

use vote_domain::Transition;
use vote_store::{Durability, Program, RedisConfig, Store, ask_for_user, try_commands};
use vote_testkit::{RedisCluster, RedisServer};

use crate::support::{ANA, Show, Voting, closes_at, is_accepted, keyed, lane_config, store, vote};

/// The one user of a server, with all rights but these.
async fn without(rights: &str) -> RedisServer {
    let user = format!("user default on nopass allkeys allchannels +@all {rights}\n");
    RedisServer::builder().acl(&user).start().await
}

/// Votes, and the poll's end: all scripts but those that restore.
async fn a_poll_is_run(show: &Show<impl Sized>) {
    let voting = Voting::start(&show.url, lane_config(), show.id.as_str()).await;
    for number in 0..10 {
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
        let vote = keyed(ANA, &format!("k{number}"));
        assert!(is_accepted(&voting.cast(vote).await));
    }
    let closed = show.change(Transition::Close, closes_at()).await;
    show.seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    let audit = show.audit().await;
    assert!(audit.passed && audit.total == 20, "{:?}", audit.differences);
}

#[tokio::test]
async fn where_scripts_may_not_be_loaded_or_called_by_digest_they_are_sent_whole() {
    for rights in ["-script|load", "-evalsha -evalsha_ro"] {
        let redis = without(rights).await;
        let url = redis.url();
        a_poll_is_run(&Show::open_at(redis, url, 2).await).await;
    }
}

#[tokio::test]
async fn where_no_script_may_be_run_at_all_it_says_so() {
    let redis = without("-script|load -eval -eval_ro").await;
    let poll = vote_testkit::fixtures::demo_poll().draft();
    let refused = store(&redis.url()).operator().save(&poll, 0).await;
    let refused = refused.expect_err("it is refused").to_string();
    assert!(refused.to_lowercase().contains("eval"), "{refused}");
}

#[tokio::test]
async fn the_slots_of_a_cluster_are_learnt_by_either_command_and_neither_is_said() {
    let cluster = RedisCluster::start().await;
    let users = |rights: &'static str| {
        let nodes = cluster.nodes().iter();
        let connections = nodes.map(|node| node.connection());
        async move {
            for connection in futures_util::future::join_all(connections).await {
                let mut connection = connection;
                redis::cmd("ACL")
                    .arg("SETUSER")
                    .arg("default")
                    .arg(rights.split(' ').collect::<Vec<_>>())
                    .exec_async(&mut connection)
                    .await
                    .expect("set");
            }
        }
    };
    users("-cluster|slots").await;
    let url = cluster.url();
    let show = Show::open_at((), url.clone(), 4).await;
    a_poll_is_run(&show).await;

    users("-cluster|shards").await;
    let error = store(&url).operator().listed().await;
    let error = error
        .expect_err("nobody says where the data is")
        .to_string();
    assert!(
        error.contains("nobody says") && error.contains("slots"),
        "{error}"
    );
}

#[tokio::test]
async fn each_forbidden_command_is_found_with_the_right_that_allows_it() {
    let redis = without("-info -hset -wait").await;
    let store = store(&redis.url());
    let rights = try_commands(&store, Program::Votectl, Durability::Memory).await;
    let [rights] = &rights.expect("it answers")[..] else {
        panic!("one server");
    };
    let found = rights.forbidden.clone().expect("known").expect("something");
    assert_eq!(
        found.seen,
        "the user of votectl may not say INFO, HSET vote:{doctor/0}:state, WAIT"
    );
    assert!(
        found.remedy.contains("+info (+hset ~vote:{*) +wait"),
        "{}",
        found.remedy
    );
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut redis.connection().await)
        .await
        .expect("it answers");
    assert_eq!(keys, [""; 0], "nothing is written by asking");
}

/// With `deploy/redis/acl`, and by whoever may ask for another user.
#[tokio::test]
async fn nothing_is_forbidden_to_our_users_and_an_administrator_can_ask_for_them() {
    let users = [
        include_str!("../../../../deploy/redis/acl/vote-ingest.acl"),
        include_str!("../../../../deploy/redis/acl/vote-results.acl"),
        include_str!("../../../../deploy/redis/acl/votectl.acl"),
    ];
    let users: String = users
        .iter()
        .map(|user| format!("{} >secret\n", user.trim_end()))
        .collect();
    let default = "user default on nopass allkeys allchannels +@all\nuser other on nopass -@all\n";
    let redis = RedisServer::builder().acl(&(users + default)).start().await;
    let admin = store(&redis.url());
    for program in Program::ALL {
        let user = program.as_str();
        let config = RedisConfig::new(redis.url_as(user, "secret")).expect("an address");
        let itself = Store::new(&config).expect("usable");
        let memory = Durability::Memory;
        for rights in [
            try_commands(&itself, program, memory).await,
            ask_for_user(&admin, program, memory, user).await,
        ] {
            assert_eq!(rights.expect("it answers")[0].forbidden, Ok(None), "{user}");
        }
        let others = ask_for_user(&admin, program, memory, "other").await;
        let found = others.expect("it answers")[0].forbidden.clone();
        let found = found.expect("known").expect("it may do nothing");
        assert!(found.seen.contains("INFO"), "{}", found.seen);
        let nobody = ask_for_user(&admin, program, memory, "nobody").await;
        assert!(nobody.expect("it answers")[0].forbidden.is_err());
        let not_asked = ask_for_user(&itself, program, memory, user).await;
        assert!(not_asked.expect("it answers")[0].forbidden.is_err());
    }
    // An ingest that waits for the disk needs one more.
    let config = RedisConfig::new(redis.url_as("vote-ingest", "secret")).expect("an address");
    let itself = Store::new(&config).expect("usable");
    let disk = try_commands(&itself, Program::Ingest, Durability::Fsync).await;
    let found = disk.expect("it answers")[0].forbidden.clone();
    let found = found.expect("known").expect("something");
    assert!(found.remedy.contains("+config|get"), "{}", found.remedy);
}
