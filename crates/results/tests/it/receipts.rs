//! What receipts prove.

use serde_json::json;
use vote_domain::{PollId, ReceiptKey, WriterId};
use vote_testkit::{RedisServer, eventually};

use crate::support::{
    ANA, App, DEADLINE, ID, Producer, RECEIPT_KEY, problem, published, receipt_of, results, vote,
    voting,
};

fn settings_key() -> ReceiptKey {
    let mut bytes = [0; 32];
    for (byte, value) in bytes.iter_mut().zip(1..) {
        *byte = value;
    }
    ReceiptKey::from_bytes(bytes)
}

#[tokio::test]
async fn a_receipt_is_in_the_tally_once_its_batch_is_also_after_sealing() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let app = App::start_with(&redis.url(), &[("VOTE__RECEIPTS__KEY", RECEIPT_KEY)]).await;
    let voters = producer.voting().await;
    let place = voters.vote(ANA, voting()).await;
    app.until_votes(1).await;

    let receipt = receipt_of(place);
    let path = format!("/v1/receipts/{}", receipt.sign(&settings_key()));
    let answer = app.get(&path).await;
    assert_eq!(answer.header("cache-control"), "private, no-store");
    assert_eq!(
        answer.json(),
        json!({
            "genuine": true, "in_tally": true, "poll": ID, "kind": "live", "direction": "eliminate",
            "state": "open", "status": "provisional", "as_of": "2026-11-24T01:02:03.000Z",
            "accepted_at": "2026-11-24T01:02:03.000Z", "shard": place.shard,
            "writer": place.writer.to_string(), "sequence": place.sequence, "place": place.place,
        })
    );

    let mut later = receipt.clone();
    later.sequence += 1;
    let mut other_writer = receipt.clone();
    other_writer.writer = WriterId::from_bytes([9; 8]);
    let mut other_shard = receipt.clone();
    other_shard.shard = 255;
    let not_yet = [later, other_writer, other_shard].map(|receipt| {
        let text = receipt.sign(&settings_key());
        format!("/v1/receipts/{text}")
    });
    for path in &not_yet {
        assert_eq!(app.get(path).await.json()["in_tally"], false);
    }

    producer.seal(ID, voting()).await;
    app.until(&results(), |standing| standing["status"] == "final")
        .await;
    let sealed = app.get(&path).await.json();
    assert_eq!(
        (&sealed["in_tally"], &sealed["status"]),
        (&json!(true), &json!("final"))
    );
    for path in &not_yet {
        assert_eq!(app.get(path).await.json()["in_tally"], false);
    }
}

#[tokio::test]
async fn the_receipt_of_a_repeat_elsewhere_is_in_the_tally_too_also_after_sealing() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let app = App::start_with(&redis.url(), &[("VOTE__RECEIPTS__KEY", RECEIPT_KEY)]).await;
    let (one, other) = (producer.voting().await, producer.voting().await);
    let vote = vote(ANA, voting());
    let first = one.cast(ID, vote.clone()).await;
    let mut paths = Vec::new();
    for voters in [&one, &other, &other] {
        let place = voters.cast(ID, vote.clone()).await;
        assert_ne!(place, first);
        paths.push(format!(
            "/v1/receipts/{}",
            receipt_of(place).sign(&settings_key())
        ));
    }
    for path in &paths {
        app.until(path, |report| report["in_tally"] == true).await;
    }
    app.until_votes(1).await;
    producer.seal(ID, voting()).await;
    app.until(&results(), |standing| standing["status"] == "final")
        .await;
    for path in &paths {
        assert_eq!(app.get(path).await.json()["in_tally"], true);
    }
}

#[tokio::test]
async fn the_key_that_the_services_share_is_taken_where_none_is_set() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    // The writer draws the key at its start.
    let place = producer.voting().await.vote(ANA, voting()).await;
    app.until_votes(1).await;
    let key = eventually(DEADLINE, || async {
        producer
            .operator
            .receipt_key()
            .await
            .expect("Redis answers")
    })
    .await;
    let path = format!("/v1/receipts/{}", receipt_of(place).sign(&key));
    let report = app.until(&path, |report| report["in_tally"] == true).await;
    assert_eq!(report.json()["poll"], ID);
}

#[tokio::test]
async fn what_is_not_genuine_is_refused() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let app = App::start_with(&redis.url(), &[("VOTE__RECEIPTS__KEY", RECEIPT_KEY)]).await;
    let place = producer.voting().await.vote(ANA, voting()).await;
    app.until_votes(1).await;

    let genuine = receipt_of(place).sign(&settings_key());
    let forged = receipt_of(place).sign(&ReceiptKey::from_bytes([1; 32]));
    let long = "x".repeat(8000);
    for text in [
        &forged,
        &genuine[..genuine.len() - 1],
        &genuine.replacen("v1", "v2", 1),
        "x",
        "v1..",
        "..%2f..%2fetc",
        "%ff%fe",
        "v1.%C3%A9.%C3%A9",
        &long,
    ] {
        let answer = app.get(&format!("/v1/receipts/{text}")).await;
        assert_eq!(
            answer.problem(),
            problem(400, "invalid-receipt"),
            "{text:.40}"
        );
    }
    assert_eq!(
        app.get("/v1/receipts/").await.problem(),
        problem(404, "not-found")
    );

    let mut gone = receipt_of(place);
    gone.poll = PollId::parse("another").expect("an id");
    let path = format!("/v1/receipts/{}", gone.sign(&settings_key()));
    assert_eq!(app.get(&path).await.problem(), problem(404, "unknown-poll"));
}

#[tokio::test]
async fn without_redis_a_receipt_can_not_be_judged_and_nonsense_can() {
    let mut redis = RedisServer::start().await;
    redis.kill9();
    let app = App::start(&redis.url()).await;
    let place = vote_store::Place {
        writer: WriterId::from_bytes([1; 8]),
        shard: 0,
        sequence: 1,
        place: 0,
    };
    let path = format!("/v1/receipts/{}", receipt_of(place).sign(&settings_key()));
    assert_eq!(
        app.get(&path).await.problem(),
        problem(503, "snapshot-unavailable")
    );
    assert_eq!(
        app.get("/v1/receipts/x").await.problem(),
        problem(400, "invalid-receipt")
    );
}
