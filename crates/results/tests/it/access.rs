//! Who sees what.

use serde_json::{Value, json};
use vote_testkit::{RedisServer, eventually};

use crate::support::{
    ANA, App, BROADCAST, DEADLINE, ID, PRODUCTION, Producer, problem, results, voting,
};

async fn app_with(visibility: &str) -> (RedisServer, Producer, App) {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({ "visibility": visibility })).await;
    let app = App::start(&redis.url()).await;
    let voters = producer.voting().await;
    voters.vote(ANA, voting()).await;
    voters.end().await;
    app.until_staff_sees_votes(1).await;
    (redis, producer, app)
}

fn series() -> [String; 4] {
    [
        format!("{}/hourly", results()),
        format!("{}/minutely", results()),
        format!("{}/hourly?tz=Asia/Tokyo", results()),
        format!("{}/minutely?from=2026-11-24T01:00:00Z", results()),
    ]
}

async fn is_whole_for_staff(app: &App) {
    for token in [PRODUCTION, BROADCAST] {
        for path in series().into_iter().chain([results()]) {
            let answer = app.get_as(token, &path).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.header("cache-control"), "private, no-store");
            assert!(answer.header("vary").contains("Authorization"));
            assert!(String::from_utf8_lossy(&answer.body).contains("total_votes"));
        }
    }
}

#[tokio::test]
async fn percentages_hide_every_count_from_the_public() {
    let (_redis, _producer, app) = app_with("percentages").await;
    let answer = app
        .until(&results(), |standing| {
            standing["candidates"][0]["percent"] == 100
        })
        .await;
    let text = String::from_utf8(answer.body.clone()).expect("text");
    assert!(!text.contains("votes"), "{text}");
    assert!(
        !text.contains("revision"),
        "it grows with the votes: {text}"
    );
    assert!(
        answer.header("vary").contains("Authorization"),
        "or a cache would give it to production"
    );
    for path in series() {
        assert_eq!(
            app.get(&path).await.problem(),
            problem(403, "figures-restricted"),
            "{path}"
        );
    }
    is_whole_for_staff(&app).await;
    // Percentages and counts are different bodies.
    let whole = app.get_as(BROADCAST, &results()).await;
    assert_ne!(whole.header("etag"), answer.header("etag"));
}

/// Who is in the poll is announced on television.
#[tokio::test]
async fn a_draft_is_production_s_own_business_until_it_is_opened() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    producer.apply(&json!({ "id": "segredo" })).await;
    let app = App::start(&redis.url()).await;
    let path = "/v1/polls/segredo";
    let seen_by_staff = async || {
        eventually(DEADLINE, || async {
            let answer = app.get_as(PRODUCTION, path).await;
            if answer.status == 200 {
                Ok(answer)
            } else {
                Err(answer.status)
            }
        })
        .await
    };
    let answer = seen_by_staff().await;
    assert_eq!(answer.header("cache-control"), "private, no-store");
    assert_eq!(answer.json()["state"], "draft");
    let is_hidden = async |state: &str| {
        for path in [
            path,
            "/v1/polls/segredo/results",
            "/v1/polls/segredo/results/hourly",
        ] {
            let answer = app.get(path).await;
            assert_eq!(
                answer.problem(),
                problem(404, "unknown-poll"),
                "{state} {path}"
            );
        }
        let public = app.get("/v1/polls").await;
        let whole = app.get_as(BROADCAST, "/v1/polls").await;
        let ids = |list: &Value| -> Vec<String> {
            let polls = list["polls"].as_array().expect("a list");
            polls.iter().map(|poll| poll["id"].to_string()).collect()
        };
        assert_eq!(ids(&public.json()), [format!("\"{ID}\"")], "{state}");
        assert_eq!(ids(&whole.json()).len(), 2, "{state}");
        assert_ne!(public.header("etag"), whole.header("etag"));
        assert!(public.header("vary").contains("Authorization"));
    };
    is_hidden("draft").await;
    let void = producer
        .change("segredo", vote_domain::Transition::Void, voting())
        .await;
    eventually(DEADLINE, || async {
        let answer = app.get_as(PRODUCTION, path).await;
        answer
            .try_json()
            .is_some_and(|poll| poll["revision"] == void.revision)
    })
    .await;
    is_hidden("void").await;
    // What was opened stays public, void or not.
    producer
        .change(ID, vote_domain::Transition::Void, voting())
        .await;
    app.until(&format!("/v1/polls/{ID}"), |poll| poll["state"] == "void")
        .await;
}

#[tokio::test]
async fn an_embargo_hides_every_figure_until_it_is_lifted() {
    let (_redis, producer, app) = app_with("embargoed").await;
    for path in series().into_iter().chain([results()]) {
        let answer = app.get(&path).await;
        assert_eq!(
            answer.problem(),
            problem(403, "figures-restricted"),
            "{path}"
        );
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    is_whole_for_staff(&app).await;
    let poll = app.get(&format!("/v1/polls/{ID}")).await.json();
    assert_eq!(poll["visibility"], "embargoed");
    let list = app.get("/v1/polls").await.json();
    assert_eq!(
        list["polls"][0]["revision"], 2,
        "not one that grows with votes"
    );

    producer
        .redefine(ID, &json!({ "visibility": "public" }))
        .await;
    app.until_votes(1).await;
    for path in series() {
        app.until(&path, |_| true).await;
    }
}

#[tokio::test]
async fn a_wrong_token_is_never_taken_for_the_public() {
    let (_redis, _producer, app) = app_with("public").await;
    let almost = &PRODUCTION[..PRODUCTION.len() - 1];
    for authorization in [
        format!("Bearer {almost}"),
        "Bearer".to_owned(),
        "Bearer wrong".to_owned(),
        format!("Basic {PRODUCTION}"),
        PRODUCTION.to_owned(),
        format!("Bearer {}", "x".repeat(8000)),
    ] {
        for path in series().into_iter().chain([results()]) {
            let answer = app
                .get_with(&path, &[("authorization", &authorization)])
                .await;
            assert_eq!(answer.problem(), problem(401, "unauthorized"));
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }
    is_whole_for_staff(&app).await;
}

#[tokio::test]
async fn a_sealed_polls_percentages_are_the_sealed_ones() {
    let (_redis, producer, app) = app_with("percentages").await;
    let sealed = producer.seal(ID, voting()).await;
    let public = app
        .until(&results(), |standing| standing["status"] == "final")
        .await;
    let expected = serde_json::to_value(sealed.standing.without_counts()).expect("JSON");
    assert_eq!(public.json(), expected);
    let whole: Value = app.get_as(PRODUCTION, &results()).await.json();
    assert_eq!(whole, serde_json::to_value(&sealed.standing).expect("JSON"));
}
