//! Votes over time, in any zone.

use std::time::Duration;

use serde_json::{Value, json};
use vote_domain::Transition;
use vote_testkit::{RedisServer, eventually};

use crate::support::{ANA, App, BIA, DEADLINE, ID, Producer, at, problem, results};

/// Three votes: at 00:30, 01:10 and 01:59 UTC; it is 03:05, when the poll was paused for a moment.
async fn app() -> (RedisServer, App) {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    // The clock is moved by more than it takes for figures to be stale.
    let patient = [("VOTE__SNAPSHOT__STALE_AFTER_MS", "600000")];
    let app = App::start_with(&redis.url(), &patient).await;
    app.clock.set(at("2026-11-24T03:05:00Z"));
    let voters = producer.voting().await;
    voters.vote(ANA, at("2026-11-24T00:30:00Z")).await;
    voters.vote(BIA, at("2026-11-24T01:10:00Z")).await;
    voters.vote(ANA, at("2026-11-24T01:59:59.999Z")).await;
    for transition in [Transition::Pause, Transition::Resume] {
        producer
            .change(ID, transition, at("2026-11-24T03:05:00Z"))
            .await;
    }
    app.until_votes(3).await;
    (redis, app)
}

fn rows(series: &Value, member: &str) -> Vec<(String, u64)> {
    let rows = series[member].as_array().expect("a list");
    rows.iter()
        .map(|row| {
            let start = row["start"].as_str().expect("text").to_owned();
            (start, row["total_votes"].as_u64().expect("a count"))
        })
        .collect()
}

fn row(start: &str, votes: u64) -> (String, u64) {
    (start.to_owned(), votes)
}

#[tokio::test]
async fn hours_are_dense_and_in_the_polls_zone_or_any_other() {
    let (_redis, app) = app().await;
    let hourly = format!("{}/hourly", results());
    let own = app
        .until(&hourly, |series| {
            rows(series, "hours").len() == 4 && series["hours"][1]["total_votes"] == 2
        })
        .await
        .json();
    assert_eq!(own["timezone"], "America/Sao_Paulo");
    assert_eq!(own["direction"], "eliminate");
    assert_eq!(own["kind"], "live");
    assert_eq!(
        rows(&own, "hours"),
        [
            row("2026-11-23T21:00:00-03:00", 1),
            row("2026-11-23T22:00:00-03:00", 2),
            row("2026-11-23T23:00:00-03:00", 0),
            row("2026-11-24T00:00:00-03:00", 0),
        ]
    );
    assert_eq!(own["hours"][1]["candidates"], json!({ "ana": 1, "bia": 1 }));

    let kolkata = app.get(&format!("{hourly}?tz=asia/kolkata")).await.json();
    assert_eq!(kolkata["timezone"], "Asia/Kolkata");
    assert_eq!(
        rows(&kolkata, "hours"),
        [
            row("2026-11-24T05:00:00+05:30", 0),
            row("2026-11-24T06:00:00+05:30", 2),
            row("2026-11-24T07:00:00+05:30", 1),
            row("2026-11-24T08:00:00+05:30", 0),
        ]
    );
    // The poll's own zone by name is the body that was made ahead.
    let named = app.get(&format!("{hourly}?tz=america/sao_paulo")).await;
    assert_eq!(named.header("etag"), app.get(&hourly).await.header("etag"));
}

#[tokio::test]
async fn minutes_are_dense_and_can_be_bounded() {
    let (_redis, app) = app().await;
    let minutely = format!("{}/minutely", results());
    let all = app
        .until(&minutely, |series| {
            rows(series, "minutes").len() == 186 && rows(series, "minutes")[119].1 == 1
        })
        .await
        .json();
    let all = rows(&all, "minutes");
    assert_eq!(all.len(), 3 * 60 + 6);
    assert_eq!(all[30], row("2026-11-23T21:30:00-03:00", 1));
    let path = format!("{minutely}?from=2026-11-24T01:08:59Z&until=2026-11-24T01:11:00Z");
    let part = app.get(&path).await;
    assert_eq!(
        rows(&part.json(), "minutes"),
        [
            row("2026-11-23T22:08:00-03:00", 0),
            row("2026-11-23T22:09:00-03:00", 0),
            row("2026-11-23T22:10:00-03:00", 1),
        ]
    );
    let gzip = app
        .get_with(&minutely, &[("accept-encoding", "gzip")])
        .await;
    assert_eq!(gzip.header("content-encoding"), "gzip");
    let known = [("if-none-match", part.header("etag"))];
    assert_eq!(app.get_with(&path, &known).await.status, 304);
    let nothing = app
        .get(&format!("{minutely}?from=2026-11-25T00:00:00Z"))
        .await
        .json();
    assert_eq!(nothing["minutes"], json!([]), "not come yet");
}

/// A process whose clock is ahead, or that has read a moment later, says the same of the same figures.
#[tokio::test]
async fn a_minute_that_passes_without_news_changes_no_byte() {
    let (_redis, app) = app().await;
    let minutely = format!("{}/minutely", results());
    let before = app
        .until(&minutely, |series| rows(series, "minutes").len() == 186)
        .await;
    app.clock.advance(Duration::from_secs(61));
    // Confirmed a minute later: that is in a header field.
    let after = eventually(DEADLINE, || async {
        let answer = app.get(&minutely).await;
        let is_later =
            answer.header("figures-confirmed-at") > before.header("figures-confirmed-at");
        is_later.then_some(answer)
    })
    .await;
    assert_eq!(after.header("etag"), before.header("etag"));
    assert_eq!(after.body, before.body);
}

#[tokio::test]
async fn many_readers_of_one_zone_cost_one_body() {
    let (_redis, app) = app().await;
    // The poll's own zone is made ahead: that has to be done before anything is counted.
    app.until(&format!("{}/hourly", results()), |series| {
        series["hours"][1]["total_votes"] == 2
    })
    .await;
    let path = format!("{}/hourly?tz=Europe/Lisbon", results());
    app.until(&path, |_| true).await;
    let renders = || app.count("vote_render_seconds_count", &["hourly"]);
    let before = renders().await;
    for _ in 0..100 {
        assert_eq!(app.get(&path).await.status, 200);
    }
    // A snapshot may be published while they read: that makes the body anew once, and no reader does.
    let made = renders().await - before;
    assert!(made <= 10, "100 readers cost {made} bodies");
}

#[tokio::test]
async fn a_long_poll_is_told_by_the_minute_in_parts_of_three_days() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    let long = json!({ "closes_at": "2026-12-24T00:00:00Z" });
    producer.open(&long).await;
    let app = App::start_with(&redis.url(), &[]).await;
    let minutely = format!("{}/minutely", results());
    // The hours, and parts of the minutes, are told as ever.
    app.until(&format!("{}/hourly", results()), |_| true).await;
    let parts = [
        ("from=2026-11-24T00:00:00Z&until=2026-11-27T00:00:00Z", 200),
        ("from=2026-11-24T00:00:00Z&until=2026-11-27T00:01:00Z", 200),
        ("from=2026-11-24T00:00:00Z", 200),
        ("tz=UTC&until=2026-11-27T00:00:00Z", 200),
        ("until=2026-11-27T00:01:00Z", 400),
        ("tz=America/Manaus", 400),
        ("", 400),
    ];
    for (query, status) in parts {
        let answer = app.get(&format!("{minutely}?{query}")).await;
        assert_eq!(answer.status, status, "{query}");
        if status == 400 {
            assert_eq!(answer.problem(), problem(400, "invalid-query"));
            let detail = String::from_utf8_lossy(&answer.body);
            assert!(detail.contains("`from` and `until`"), "{detail}");
        }
    }
    assert_eq!(
        app.get(&minutely).await.status,
        400,
        "not made ahead either"
    );
}

#[tokio::test]
async fn bad_queries_are_refused_with_what_is_wrong() {
    let (_redis, app) = app().await;
    let long = "x".repeat(8000);
    for step in ["hourly", "minutely"] {
        for (query, code) in [
            ("tz=Mars/Phobos", "invalid-time-zone"),
            ("tz=", "invalid-time-zone"),
            ("tz=%2e%2e%2f%2e%2e%2fetc%2fpasswd", "invalid-time-zone"),
            ("tz=%ff", "invalid-time-zone"),
            ("from=yesterday", "invalid-query"),
            ("until=2026-11-24", "invalid-query"),
            (
                "from=2026-11-24T02:00:00Z&until=2026-11-24T01:00:00Z",
                "invalid-query",
            ),
            ("tz=UTC&tz=UTC", "invalid-query"),
            ("timezone=UTC", "invalid-query"),
            (&format!("tz={long}"), "invalid-time-zone"),
            (&format!("{long}=1"), "invalid-query"),
        ] {
            let path = format!("{}/{step}?{query}", results());
            let answer = app.get(&path).await;
            assert_eq!(answer.problem(), problem(400, code), "{query:.40}");
        }
    }
}
