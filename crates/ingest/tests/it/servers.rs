//! Which Redis the process is started on: what it refuses at start, and what it takes votes with.

use std::time::Duration;

use serde_json::json;
use vote_domain::{Poll, Transition};
use vote_store::{RedisConfig, Store};
use vote_testkit::{
    ChildProcess, ChildProcessBuilder, RedisSentinels, RedisServer, eventually, free_port,
};

use crate::app::{DEADLINE, POLL, ago, definition, now};

fn ingest() -> ChildProcessBuilder {
    ChildProcess::builder(env!("CARGO_BIN_EXE_vote-ingest"))
        .env("VOTE__HTTP__BIND", "127.0.0.1:0")
        .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
}

#[tokio::test]
async fn a_server_that_can_not_do_what_is_asked_ends_the_start_with_the_reason() {
    let redis = RedisServer::start().await;
    for (url, durability, says) in [
        // Neither is this server of Redis 7.2, nor has it an append-only file.
        (redis.url(), "fsync", "WAITAOF"),
        ("redis://h:port".to_owned(), "memory", "redis.url"),
        ("redis+sentinel://h".to_owned(), "memory", "MASTER"),
    ] {
        let mut process = ingest()
            .env("VOTE__REDIS__URL", &url)
            .env("VOTE__COMMIT__DURABILITY", durability)
            .spawn();
        let exit = process.wait(DEADLINE).await;
        assert_ne!(exit.code(), Some(0), "{url}");
        let said = format!("{}{}", exit.stdout(), exit.stderr());
        assert!(said.contains(says), "{url}: {said}");
    }
}

#[tokio::test]
async fn votes_are_taken_through_sentinels_and_only_with_a_replica() {
    let redis = RedisSentinels::start().await;
    let operator = Store::new(&RedisConfig::new(redis.url()).expect("an address"))
        .expect("a usable address")
        .operator();
    let draft = Poll::draft(definition(ago(60), ago(-3_600)), now(), "test");
    operator.save(&draft, 0).await.expect("saved");
    let open = draft
        .transition(Transition::Open, now(), "test")
        .expect("legal");
    operator.save(&open, draft.revision).await.expect("saved");

    let address = format!("127.0.0.1:{}", free_port());
    let _process = ingest()
        .env("VOTE__REDIS__URL", redis.url())
        .env("VOTE__HTTP__BIND", &address)
        .env("VOTE__COMMIT__DURABILITY", "replicas(2, 200)")
        .env("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "500")
        .spawn();
    let client = reqwest::Client::new();
    let ready = format!("http://{address}/readyz");
    let is_ready = || async {
        let ready = client.get(&ready).send().await;
        ready.is_ok_and(|answer| answer.status().is_success())
    };
    eventually(DEADLINE, is_ready).await;
    let vote = async |key: &'static str| {
        let answer = client
            .post(format!("http://{address}/v1/polls/{POLL}/votes"))
            .header("Idempotency-Key", key)
            .json(&json!({ "candidate": "ana" }))
            .send()
            .await
            .expect("an answer");
        answer.status().as_u16()
    };
    assert_eq!(vote("first").await, 201);

    let master = redis.master_index().await;
    let replica = (0..redis.servers().len())
        .find(|index| *index != master)
        .expect("a replica");
    redis.server(replica).pause();
    assert_eq!(vote("second").await, 504, "sent, and on one replica only");
    assert_eq!(vote("third").await, 503, "not even sent");
    redis.server(replica).resume();
    eventually(DEADLINE, is_ready).await;
    assert_eq!(vote("second").await, 200, "it was recorded after all");
    assert_eq!(vote("third").await, 201);
    tokio::time::timeout(
        Duration::from_secs(10),
        operator.audit(open.definition.id()),
    )
    .await
    .expect("in time")
    .expect("Redis answers")
    .filter(|audit| audit.passed && audit.total == 3)
    .expect("three votes");
}
