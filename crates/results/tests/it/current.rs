//! `current` is a poll: the live one that is on.

use serde_json::json;
use vote_domain::Transition;
use vote_testkit::{RedisServer, eventually};

use crate::support::{App, DEADLINE, PRODUCTION, Producer, at, problem, voting};

const POLL: &str = "/v1/polls/current";
const ROWS: &str = "/v1/polls/current/results.rows.json";

async fn until_current(app: &App, id: &str) {
    eventually(DEADLINE, || async {
        let answer = app.get(POLL).await;
        let found = answer.try_json().map(|poll| poll["id"].clone());
        if found == Some(json!(id)) {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}

fn times(id: &str, opens_at: &str, closes_at: &str) -> serde_json::Value {
    json!({ "id": id, "opens_at": opens_at, "closes_at": closes_at })
}

#[tokio::test]
async fn it_is_the_live_poll_that_is_open_or_else_the_one_that_opened_last() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    let app = App::start(&redis.url()).await;
    eventually(DEADLINE, || async {
        let answer = app.get(ROWS).await;
        if answer.status == 404 {
            Ok(())
        } else {
            Err(answer.status)
        }
    })
    .await;
    for path in [POLL, ROWS, "/v1/polls/%63urrent/results"] {
        let none = app.get(path).await;
        assert_eq!(none.problem(), problem(404, "unknown-poll"), "{path}");
        let body = String::from_utf8(none.body).expect("text");
        assert!(body.contains("No live poll has been opened yet"), "{body}");
    }
    // Neither a rehearsal nor a draft, and one before its time only where there is no other.
    producer
        .open(&json!({ "id": "ensaio", "kind": "rehearsal" }))
        .await;
    producer.apply(&json!({ "id": "rascunho" })).await;
    producer
        .open(&times(
            "amanha",
            "2026-11-24T20:00:00Z",
            "2026-11-25T00:00:00Z",
        ))
        .await;
    until_current(&app, "amanha").await;
    producer
        .open(&times(
            "semana-1",
            "2026-11-20T00:00:00Z",
            "2026-11-24T12:00:00Z",
        ))
        .await;
    until_current(&app, "semana-1").await;
    producer
        .open(&times(
            "semana-2",
            "2026-11-22T00:00:00Z",
            "2026-11-24T02:00:00Z",
        ))
        .await;
    until_current(&app, "semana-2").await;
    // The clock closes the second, while the first is still open; then there is none that is open.
    app.clock.set(at("2026-11-24T03:00:00Z"));
    until_current(&app, "semana-1").await;
    app.clock.set(at("2026-11-24T13:00:00Z"));
    until_current(&app, "semana-2").await;
    app.clock.set(at("2026-11-24T20:00:00Z"));
    until_current(&app, "amanha").await;
    // What was declared void is still what was on last: nothing of an earlier week comes on air again.
    producer
        .change("amanha", Transition::Void, at("2026-11-24T20:00:01Z"))
        .await;
    app.until(POLL, |poll| {
        poll["id"] == "amanha" && poll["state"] == "void"
    })
    .await;
}

#[tokio::test]
async fn it_says_which_poll_it_is_and_is_the_same_bytes() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({ "release": "auto" })).await;
    let app = App::start(&redis.url()).await;
    until_current(&app, "paredao-01").await;
    app.until("/v1/polls/current/results/hourly", |_| true)
        .await;
    for path in [
        "",
        "/results",
        "/results/hourly",
        "/results/minutely",
        "/results.rows.json",
        "/results.xml",
    ] {
        for query in ["", "?_=1"] {
            let alias = app.get(&format!("/v1/polls/current{path}{query}")).await;
            let own = app.get(&format!("/v1/polls/paredao-01{path}{query}")).await;
            assert_eq!(alias.status, 200, "{path}");
            assert_eq!(
                (&alias.body, alias.header("etag")),
                (&own.body, own.header("etag")),
                "{path}"
            );
            assert_eq!(
                alias.header("content-location"),
                format!("/v1/polls/paredao-01{path}{query}")
            );
            assert_eq!(own.header("content-location"), "");
            let known = app
                .get_with(
                    &format!("/v1/polls/current{path}"),
                    &[("if-none-match", own.header("etag"))],
                )
                .await;
            assert_eq!(known.status, 304, "{path}");
        }
    }
    let rows = app.get(&format!("{ROWS}?rows=4&sort=rank")).await;
    assert_eq!(
        rows.header("content-location"),
        "/v1/polls/paredao-01/results.rows.json?rows=4&sort=rank"
    );
    assert_eq!(rows.json()[0]["poll"], "paredao-01");
    // A final result is kept for a minute, but not in place of the next poll's.
    producer.seal("paredao-01", voting()).await;
    let own = app
        .until("/v1/polls/paredao-01/results", |one| {
            one["status"] == "final"
        })
        .await;
    assert!(own.header("cache-control").contains("max-age=60,"));
    let alias = app.get("/v1/polls/current/results").await;
    assert_eq!(
        alias.header("cache-control"),
        "public, max-age=1, stale-while-revalidate=5, stale-if-error=60"
    );
}

#[tokio::test]
async fn a_setting_pins_it() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    producer
        .open(&json!({ "id": "ensaio", "kind": "rehearsal" }))
        .await;
    let app = App::start_with(&redis.url(), &[("VOTE__CURRENT__POLL", "ensaio")]).await;
    until_current(&app, "ensaio").await;
    let row = app.get(ROWS).await.json()[0].clone();
    assert_eq!(
        (&row["poll"], &row["on_air"]),
        (&json!("ensaio"), &json!(false))
    );
    // A draft that is pinned is no news for the public.
    producer.apply(&json!({ "id": "segredo" })).await;
    let app = App::start_with(&redis.url(), &[("VOTE__CURRENT__POLL", "segredo")]).await;
    eventually(DEADLINE, || async {
        let answer = app.get_as(PRODUCTION, POLL).await;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.status)
        }
    })
    .await;
    let hidden = app.get(POLL).await;
    assert_eq!(hidden.problem(), problem(404, "unknown-poll"));
    assert!(
        !String::from_utf8(hidden.body)
            .expect("text")
            .contains("segredo")
    );
    // One that is not there is not replaced by another.
    let app = App::start_with(&redis.url(), &[("VOTE__CURRENT__POLL", "nenhum")]).await;
    app.until("/v1/polls/paredao-01", |_| true).await;
    assert_eq!(app.get(POLL).await.problem(), problem(404, "unknown-poll"));
}
