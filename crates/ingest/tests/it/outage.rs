//! Redis away, late, or full.

use futures_util::future::join_all;
use vote_testkit::{RedisServer, eventually};

use crate::app::{App, DEADLINE, Show};

#[tokio::test]
async fn with_redis_gone_votes_get_503_and_with_it_back_they_are_taken() {
    let mut show = Show::open().await;
    let app = show
        .app_with(&[("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "200")])
        .await;
    assert!(app.vote("ana", None).await.is_accepted());
    show.redis.stop().await;
    let mut unknown = 0;
    for _ in 0..5 {
        let answer = app.vote("ana", None).await;
        match answer.status.as_u16() {
            503 => assert_eq!(answer.code(), "not-recorded"),
            504 => unknown += 1,
            _ => panic!("{answer:?}"),
        }
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    }
    assert!(
        unknown <= 1,
        "only what was in flight when the connection broke can be unknown"
    );
    eventually(DEADLINE, || async {
        let ready = app
            .client
            .get(format!("{}/readyz", app.url))
            .send()
            .await
            .expect("an answer");
        ready.status() == 503
    })
    .await;
    show.redis.restart().await;
    eventually(DEADLINE, || async {
        app.vote("ana", None).await.is_accepted()
    })
    .await;
    let total = show.total().await;
    assert!(total == 2 || total == 2 + unknown, "{total}");
}

#[tokio::test]
async fn a_vote_in_flight_when_redis_stalls_is_unknown_and_its_key_tells() {
    let show = Show::open().await;
    let app = show
        .app_with(&[("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "200")])
        .await;
    assert!(app.vote("ana", None).await.is_accepted());
    show.redis.pause();
    let answer = app.vote("ana", Some("k")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (504, "outcome-unknown")
    );
    assert!(
        answer.detail().contains("same Idempotency-Key"),
        "{answer:?}"
    );
    show.redis.resume();
    eventually(DEADLINE, || async {
        app.vote("ana", Some("k")).await.is_repeat()
    })
    .await;
    assert_eq!(show.total().await, 2);
}

#[tokio::test]
async fn a_full_lane_refuses_at_once_and_records_what_it_accepts() {
    let show = Show::open().await;
    let app = show
        .app_with(&[("VOTE__COMMIT__QUEUE_CAPACITY", "16")])
        .await;
    show.redis.pause();
    let votes = join_all((0..64).map(|_| app.vote("ana", None)));
    let (answers, ()) = tokio::join!(votes, async {
        let full = || async {
            let metrics = app.metrics().await;
            let mut votes = metrics
                .lines()
                .filter(|line| line.starts_with("vote_votes_total"));
            let full = votes.find(|line| line.contains("outcome=\"queue_full\""));
            full.is_some_and(|line| !line.ends_with(" 0"))
        };
        eventually(DEADLINE, full).await;
        show.redis.resume();
    });
    let accepted = answers.iter().filter(|answer| answer.is_accepted()).count();
    let refused = answers
        .iter()
        .filter(|answer| answer.code() == "overloaded")
        .count();
    assert_eq!(accepted + refused, 64, "{answers:?}");
    assert!(refused > 0);
    assert!(
        answers
            .iter()
            .filter(|answer| answer.code() == "overloaded")
            .all(|answer| answer.headers.contains_key("retry-after"))
    );
    assert_eq!(show.total().await, accepted as u128);
}

#[tokio::test]
async fn the_service_starts_before_redis_and_says_that_it_does_not_know_yet() {
    // With a key of its own it needs nothing else of Redis, and knows the polls no sooner.
    let key = "07".repeat(32);
    for settings in [&[][..], &[("VOTE__RECEIPTS__KEY", key.as_str())]] {
        let mut redis = RedisServer::start().await;
        redis.stop().await;
        let app = App::start(&redis.url(), settings).await;
        let answer = app.vote("ana", None).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (503, "store-unavailable"),
            "{settings:?}"
        );
        let healthy = app
            .client
            .get(format!("{}/healthz", app.url))
            .send()
            .await
            .expect("an answer");
        assert!(healthy.status().is_success());
        // There is no lane yet that could say so.
        let ready = async || {
            let answer = app.client.get(format!("{}/readyz", app.url)).send().await;
            answer.expect("an answer").status().as_u16()
        };
        assert_eq!(ready().await, 503, "{settings:?}");
        redis.restart().await;
        eventually(DEADLINE, || async { ready().await == 200 }).await;
        eventually(DEADLINE, || async {
            app.vote("ana", None).await.code() == "unknown-poll"
        })
        .await;
    }
}
