//! What a server must be: what is refused, what is only said, and that a server that changes is noticed.

use std::time::Duration;

use vote_domain::Clock as _;
use vote_store::{Durability, Finding, Problem, inspect};
use vote_testkit::{RedisServer, eventually};

use crate::clocks::clock_of;
use crate::snapshots::Reading;
use crate::support::{ANA, DEADLINE, Show, is_accepted, store, vote};

async fn say(server: &RedisServer, words: &[&str]) {
    let mut connection = server.connection().await;
    redis::cmd(words[0])
        .arg(&words[1..])
        .exec_async(&mut connection)
        .await
        .expect("the server does it");
}

async fn findings(server: &RedisServer, durability: Durability) -> Vec<Finding> {
    let clock = clock_of(server, 0).await;
    let mut inspections = inspect(&store(&server.url()), durability, &clock)
        .await
        .expect("there is one server");
    assert_eq!(inspections.len(), 1);
    inspections.remove(0).findings
}

fn problems(findings: &[Finding]) -> Vec<Problem> {
    findings.iter().map(|finding| finding.problem).collect()
}

#[tokio::test]
async fn a_server_that_keeps_what_it_acknowledges_has_no_findings_and_others_say_what_is_wrong() {
    let server = RedisServer::builder().append_only(true).start().await;
    assert_eq!(findings(&server, Durability::Memory).await, []);
    say(&server, &["CONFIG", "SET", "appendonly", "no"]).await;
    say(&server, &["CONFIG", "SET", "maxmemory", "100mb"]).await;
    say(
        &server,
        &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"],
    )
    .await;
    let two = Durability::Replicas {
        count: 2,
        timeout: Duration::from_millis(100),
    };
    let found = findings(&server, two).await;
    assert_eq!(
        problems(&found),
        [
            Problem::Eviction,
            Problem::NoAppendOnlyFile,
            Problem::ReplicasMissing
        ]
    );
    assert!(found[0].seen.contains("allkeys-lru"), "{found:?}");
    assert!(found[0].remedy.contains("noeviction"), "{found:?}");
    let fsync = findings(&server, Durability::Fsync).await;
    assert_eq!(problems(&fsync).last(), Some(&Problem::Fsync), "{fsync:?}");
}

#[tokio::test]
async fn a_user_that_may_not_ask_is_told_which_right_is_missing() {
    let users = "user blind on >secret ~* +@all -info\nuser default on nopass ~* &* +@all\n";
    let server = RedisServer::builder().acl(users).start().await;
    let blind = store(&server.url_as("blind", "secret"));
    let clock = clock_of(&server, 0).await;
    let inspections = inspect(&blind, Durability::Memory, &clock)
        .await
        .expect("a server");
    let found = &inspections[0].findings;
    assert_eq!(problems(found), [Problem::Forbidden]);
    assert!(found[0].remedy.contains("+info"), "{found:?}");
    assert!(
        inspections[0].version.starts_with("redis "),
        "{inspections:?}"
    );
}

#[tokio::test]
async fn a_replica_behind_the_address_is_refused_and_named() {
    let master = RedisServer::start().await;
    let replica = RedisServer::builder()
        .replica_of(master.port())
        .start()
        .await;
    let found = findings(&replica, Durability::Memory).await;
    assert_eq!(problems(&found), [Problem::Unusable]);
    assert!(found[0].seen.contains("is a replica"), "{found:?}");
    let listed = store(&replica.url()).operator().list().await;
    let refused = listed.expect_err("refused").to_string();
    assert!(
        refused.contains("give the address of its master"),
        "{refused}"
    );
}

/// The figures of a replica whose master is away would be confirmed for ever.
#[tokio::test]
async fn nothing_is_confirmed_any_more_once_a_server_has_become_a_replica() {
    let show = Show::open().await;
    let voting = show.voting().await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    let reading = Reading::start(&show.url);
    let confirmed_at = || reading.poll().map(|poll| poll.confirmed_at);
    eventually(DEADLINE, || async { confirmed_at().is_some() }).await;

    // No server is there to follow: it answers reads from what it has.
    say(&show.redis, &["REPLICAOF", "127.0.0.1", "1"]).await;
    let fails_again = || async {
        let before = reading.count("vote_snapshot_failures");
        eventually(DEADLINE, || async {
            reading.count("vote_snapshot_failures") > before + 1
        })
        .await;
    };
    fails_again().await;
    reading.clock.advance(Duration::from_secs(1));
    fails_again().await;
    let now = reading.clock.now();
    assert!(
        confirmed_at().is_some_and(|at| at < now),
        "read from a replica"
    );

    say(&show.redis, &["REPLICAOF", "NO", "ONE"]).await;
    eventually(DEADLINE, || async { confirmed_at() == Some(now) }).await;
}
