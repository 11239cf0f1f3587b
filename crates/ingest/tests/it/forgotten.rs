//! What a process does with a poll, or a receipts' key, that it can't read or that Redis has forgotten.

use redis::aio::MultiplexedConnection;
use vote_domain::{Receipt, ReceiptKey};
use vote_testkit::eventually;

use crate::app::{Answer, App, DEADLINE, POLL, Show};

const KEY: &str = "vote:receipts:key";

async fn run(redis: &mut MultiplexedConnection, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.exec_async(redis).await.expect("Redis answers");
}

/// A vote for a poll that there never was.
async fn to_another_poll(app: &App) -> Answer {
    let vote = serde_json::json!({ "candidate": "ana" });
    Answer::of(app.post("paredao-99").json(&vote)).await
}

#[tokio::test]
async fn a_poll_that_only_a_later_version_can_read_is_not_unknown_to_a_process_that_starts() {
    let show = Show::open().await;
    let running = show.app().await;
    let mut redis = show.redis.connection().await;
    let document: String = redis::cmd("GET")
        .arg("vote:poll:paredao-01")
        .query_async(&mut redis)
        .await
        .expect("read");
    run(
        &mut redis,
        &["SET", "vote:poll:paredao-01", "{\"novelty\":true}"],
    )
    .await;
    let fresh = show.app().await;
    let answer = fresh.vote("ana", None).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (503, "store-unavailable")
    );
    assert!(answer.headers.contains_key("retry-after"));
    let other = to_another_poll(&fresh).await;
    assert_eq!(other.code(), "unknown-poll");
    // Who had read it before goes on.
    assert!(running.vote("ana", None).await.is_accepted());

    run(&mut redis, &["SET", "vote:poll:paredao-01", &document]).await;
    eventually(DEADLINE, || async {
        fresh.vote("ana", None).await.is_accepted()
    })
    .await;
    assert_eq!(show.total().await, 2);
}

#[tokio::test]
async fn a_poll_whose_document_redis_forgot_goes_on_taking_votes() {
    let show = Show::open().await;
    let app = show.app().await;
    let mut redis = show.redis.connection().await;
    let document: String = redis::cmd("GET")
        .arg("vote:poll:paredao-01")
        .query_async(&mut redis)
        .await
        .expect("read");
    run(&mut redis, &["DEL", "vote:poll:paredao-01"]).await;
    // It has no way of knowing the poll, and sees it as soon as the other process does.
    let fresh = show.app().await;
    assert_eq!(fresh.vote("ana", None).await.code(), "store-unavailable");
    for _ in 0..5 {
        assert!(app.vote("ana", None).await.is_accepted());
    }
    run(&mut redis, &["SET", "vote:poll:paredao-01", &document]).await;
    assert_eq!(show.total().await, 5);
}

#[tokio::test]
async fn a_poll_that_is_gone_from_redis_is_neither_unknown_nor_written_to() {
    let show = Show::open().await;
    let app = show.app().await;
    assert!(app.vote("ana", None).await.is_accepted());
    let mut redis = show.redis.connection().await;
    run(&mut redis, &["FLUSHALL"]).await;
    let answer = app.sees("store-unavailable").await;
    assert_eq!(answer.status, 503);
    assert_eq!(to_another_poll(&app).await.code(), "unknown-poll");
    eventually(DEADLINE, || async {
        let key: bool = redis::cmd("EXISTS")
            .arg(KEY)
            .query_async(&mut show.redis.connection().await)
            .await
            .expect("read");
        key
    })
    .await;
    for _ in 0..5 {
        assert_eq!(app.vote("ana", None).await.code(), "store-unavailable");
    }
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("vote:{{{POLL}/*"))
        .query_async(&mut redis)
        .await
        .expect("read");
    assert!(keys.is_empty(), "a backup has its place: {keys:?}");
}

fn is_genuine(receipt: &str, key: &ReceiptKey) -> bool {
    Receipt::verify(receipt, key).is_ok()
}

#[tokio::test]
async fn the_receipts_key_that_redis_forgot_is_put_back_by_who_signs_with_it() {
    let show = Show::open().await;
    let first = show.app().await;
    let receipt = async |app: &App| {
        let answer = app.vote("ana", None).await;
        assert!(answer.is_accepted(), "{answer:?}");
        answer.body["receipt"].as_str().expect("a text").to_owned()
    };
    let before = receipt(&first).await;
    let shared = async || show.operator.receipt_key().await.expect("Redis answers");
    assert!(is_genuine(&before, &shared().await.expect("a key")));

    run(&mut show.redis.connection().await, &["DEL", KEY]).await;
    let key = eventually(DEADLINE, || async { shared().await }).await;
    assert!(is_genuine(&before, &key), "the same one");
    let second = show.app().await;
    for receipt in [receipt(&first).await, receipt(&second).await, before] {
        let key = shared().await.expect("a key");
        assert!(is_genuine(&receipt, &key), "{receipt}");
    }
}

#[tokio::test]
async fn a_process_takes_over_the_receipts_key_that_readers_know() {
    let show = Show::open().await;
    let app = show.app().await;
    assert!(app.vote("ana", None).await.is_accepted());
    // Another process was quicker to make one.
    let bytes = [7_u8; 32];
    redis::cmd("SET")
        .arg(KEY)
        .arg(&bytes)
        .exec_async(&mut show.redis.connection().await)
        .await
        .expect("written");
    let key = ReceiptKey::from_bytes(bytes);
    eventually(DEADLINE, || async {
        let answer = app.vote("ana", None).await;
        assert!(answer.is_accepted(), "{answer:?}");
        is_genuine(answer.body["receipt"].as_str().expect("a text"), &key)
    })
    .await;
    // What is no key keeps nobody from voting.
    run(&mut show.redis.connection().await, &["SET", KEY, "short"]).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let answer = app.vote("ana", None).await;
    assert!(is_genuine(
        answer.body["receipt"].as_str().expect("a text"),
        &key
    ));
    let ready = app.client.get(format!("{}/readyz", app.url)).send().await;
    assert!(ready.expect("an answer").status().is_success());
}
