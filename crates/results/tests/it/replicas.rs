//! Several processes on one Redis: the same figures are the same bytes, whoever answers.

use std::time::Duration;

use serde_json::json;
use vote_domain::Transition;
use vote_testkit::RedisServer;

use crate::support::{ANA, App, BIA, ID, PRODUCTION, Producer, published, results, voting};

/// All pages of a poll and the list, as bytes and entity tags. Series are made a moment after the standing.
async fn pages(app: &App) -> Vec<(String, String, Vec<u8>)> {
    let results = results();
    let revision = app.get_as(PRODUCTION, &results).await.json()["revision"].clone();
    for series in ["hourly", "minutely"] {
        let path = format!("{results}/{series}");
        app.until(&path, |series| series["revision"] == revision)
            .await;
    }
    let mut pages = Vec::new();
    for path in [
        "/v1/polls".to_owned(),
        format!("/v1/polls/{ID}"),
        results.clone(),
        format!("{results}/hourly"),
        format!("{results}/minutely"),
        format!("{results}/hourly?tz=Asia/Tokyo"),
    ] {
        let answer = app.get_as(PRODUCTION, &path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let etag = answer.header("etag").to_owned();
        pages.push((path, etag, answer.body));
    }
    pages
}

/// Asserts that both give the same, and that what one gave is known to the other.
async fn assert_same(one: &App, other: &App) {
    let (of_one, of_other) = (pages(one).await, pages(other).await);
    for (one, other) in of_one.iter().zip(&of_other) {
        let text = |page: &(String, String, Vec<u8>)| String::from_utf8_lossy(&page.2).into_owned();
        assert_eq!(text(one), text(other), "{}", one.0);
        assert_eq!(one.1, other.1, "{}", one.0);
    }
    for (path, etag, _) in of_one {
        let answer = other.get_with(&path, &[("if-none-match", &etag)]).await;
        assert_eq!(answer.status, 304, "{path}");
        assert!(!answer.header("figures-confirmed-at").is_empty());
    }
}

#[tokio::test]
async fn the_same_revision_is_the_same_bytes_whenever_a_process_has_started() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let writer = producer.voting().await;
    let first = App::start(&redis.url()).await;
    first.until_votes(0).await;
    writer.vote(ANA, voting()).await;
    first.until_votes(1).await;
    // It reads the same vote three seconds later than the first one has.
    let second = App::start(&redis.url()).await;
    second.clock.advance(Duration::from_secs(3));
    second.until_votes(1).await;
    assert_same(&first, &second).await;

    let later = voting() + Duration::from_millis(1500);
    writer.vote(BIA, later).await;
    // It came late: what is newer stays.
    writer.vote(BIA, voting()).await;
    for app in [&first, &second] {
        let standing = app.until_votes(3).await.json();
        assert_eq!(standing["as_of"], "2026-11-24T01:02:04.500Z");
    }
    assert_same(&first, &second).await;

    // A change of the poll has its own time.
    let paused = voting() + Duration::from_secs(2);
    producer.change(ID, Transition::Pause, paused).await;
    for app in [&first, &second] {
        let standing = app
            .until(&results(), |standing| standing["state"] == "paused")
            .await;
        assert_eq!(standing.json()["as_of"], "2026-11-24T01:02:05.000Z");
        app.until("/v1/polls", |list| list["polls"][0]["state"] == "paused")
            .await;
    }
    assert_same(&first, &second).await;
    // And who starts now says the same.
    let third = App::start(&redis.url()).await;
    third.until_votes(3).await;
    assert_same(&first, &third).await;
    writer.end().await;
}

#[tokio::test]
async fn the_time_of_the_last_confirmation_is_in_a_header_field() {
    let redis = RedisServer::start().await;
    let (_, app) = published(&redis).await;
    let before = app.until_votes(0).await;
    assert_eq!(
        before.header("figures-confirmed-at"),
        "2026-11-24T01:02:03.000Z"
    );
    app.clock.advance(Duration::from_secs(1));
    vote_testkit::eventually(crate::support::DEADLINE, || async {
        let answer = app.get(&results()).await;
        assert_eq!(answer.body, before.body);
        (answer.header("figures-confirmed-at") == "2026-11-24T01:02:04.000Z").then_some(())
    })
    .await;
}
