//! What production's desk is answered with.

use serde_json::{Value, json};
use vote_testkit::{RedisServer, eventually};

use crate::support::{
    ANA, Answer, App, BIA, BROADCAST, DEADLINE, ID, PRODUCTION, Producer, published, voting,
};

const DESK: &str = "/v1/polls/paredao-01/desk";

async fn desk_where(app: &App, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(DEADLINE, || async {
        let answer = app.get_as(PRODUCTION, DESK).await;
        let json = answer.try_json().unwrap_or(Value::Null);
        if answer.status == 200 && wanted(&json) {
            Ok(json)
        } else {
            Err(format!("{} {json}", answer.status))
        }
    })
    .await
}

#[tokio::test]
async fn the_desk_is_for_staff_alone() {
    let redis = RedisServer::start().await;
    let (_producer, app) = published(&redis).await;
    desk_where(&app, |_any| true).await;
    for token in [PRODUCTION, BROADCAST] {
        let answer = app.get_as(token, DESK).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), "private, no-store");
        assert!(!answer.header("figures-confirmed-at").is_empty());
    }
    let refused = |answer: &Answer| {
        assert_eq!(answer.problem(), (401, "unauthorized".to_owned()));
        let body = String::from_utf8_lossy(&answer.body);
        assert!(!body.contains("total_votes"), "{body}");
    };
    refused(&app.get(DESK).await);
    refused(&app.get_as("wrong", DESK).await);
    // A token in an address is no token here.
    let in_address = app.get(&format!("{DESK}?token={PRODUCTION}")).await;
    assert_eq!(in_address.status, 400);
    // Nor does the refusal tell which polls there are.
    refused(&app.get("/v1/polls/no-such-poll/desk").await);
    let unknown = app.get_as(PRODUCTION, "/v1/polls/no-such-poll/desk").await;
    assert_eq!(unknown.problem(), (404, "unknown-poll".to_owned()));
    let malformed = app.get_as(PRODUCTION, "/v1/polls/N%C3%83O/desk").await;
    assert_eq!(malformed.status, 400);
    app.stop().await;
}

#[tokio::test]
async fn the_desk_goes_on_while_the_poll_is_held_and_says_what_is_on_air() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    let votes = producer.voting().await;
    producer.release(ID).await;
    votes.vote(ANA, voting()).await;
    let live = desk_where(&app, |desk| desk["on_air"]["total_votes"] == 1).await;
    assert_eq!(live["on_air"]["on_air"], true);
    producer.hold(ID).await;
    votes.vote(BIA, voting()).await;
    let held = desk_where(&app, |desk| desk["standing"]["total_votes"] == 2).await;
    let on_air = &held["on_air"];
    assert_eq!(
        (
            &on_air["on_air"],
            &on_air["release"],
            &on_air["total_votes"]
        ),
        (&json!(false), &json!("held"), &json!(1))
    );
    assert_eq!(held["journal"][0]["action"], "hold");
    app.stop().await;
}

#[tokio::test]
async fn a_desk_that_has_the_newest_is_told_so_and_when_it_was_confirmed() {
    let redis = RedisServer::start().await;
    let (_producer, app) = published(&redis).await;
    desk_where(&app, |_any| true).await;
    let first = app.get_as(PRODUCTION, DESK).await;
    let bearer = format!("Bearer {PRODUCTION}");
    let again = app
        .get_with(
            DESK,
            &[
                ("authorization", &bearer),
                ("if-none-match", first.header("etag")),
            ],
        )
        .await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert!(!again.header("figures-confirmed-at").is_empty());
    let reads = app
        .count(
            "vote_reads_total",
            &["representation=\"desk\"", "status=\"304\""],
        )
        .await;
    assert_eq!(reads, 1);
    app.stop().await;
}

#[tokio::test]
async fn the_current_poll_has_a_desk_that_names_it() {
    let redis = RedisServer::start().await;
    let (_producer, app) = published(&redis).await;
    desk_where(&app, |_any| true).await;
    let current = app.get_as(PRODUCTION, "/v1/polls/current/desk").await;
    assert_eq!(current.header("content-location"), DESK);
    assert_eq!(current.json()["poll"]["id"], ID);
    app.stop().await;
}

#[tokio::test]
async fn a_draft_has_a_desk_and_no_series_and_no_peak() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.apply(&json!({})).await;
    let app = App::start(&redis.url()).await;
    let draft = desk_where(&app, |_any| true).await;
    assert_eq!(draft["poll"]["state"], "draft");
    assert_eq!(draft.get("peak"), None);
    assert_eq!(draft.get("sealed"), None);
    app.stop().await;
}

#[tokio::test]
async fn a_sealed_poll_says_its_digest_and_that_all_agrees() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    let votes = producer.voting().await;
    votes.vote(ANA, voting()).await;
    votes.end().await;
    let sealed = producer.seal(ID, voting()).await;
    let desk = desk_where(&app, |desk| desk.get("sealed").is_some()).await;
    assert_eq!(desk["sealed"]["sha256"], sealed.sha256.as_str());
    assert_eq!(desk["standing"]["status"], "final");
    let checks = &desk["checks"];
    assert_eq!(
        (&checks["agree"], &checks["tally"], &checks["ledger"]),
        (&json!(true), &json!(1), &json!(1))
    );
    app.stop().await;
}

#[tokio::test]
async fn the_desks_page_has_no_figure_and_is_the_same_for_every_poll() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    let votes = producer.voting().await;
    votes.vote(ANA, voting()).await;
    app.until_votes(1).await;
    let page = app.get("/production/paredao-01").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = String::from_utf8(page.body.clone()).expect("text");
    for secret in ["Paredão 1", "Ana", PRODUCTION] {
        assert!(!text.contains(secret), "{secret}");
    }
    // With the token or without, of a draft, and of a poll that is not there.
    for path in ["/production/no-such-poll", "/production/current?lang=en"] {
        assert_eq!(app.get(path).await.body, page.body, "{path}");
    }
    let known = [("if-none-match", page.header("etag"))];
    let again = app.get_with("/production/paredao-01", &known).await;
    assert_eq!(again.status, 304);
    let malformed = app.get("/production/N%C3%83O").await;
    assert_eq!(malformed.status, 400);
    assert_eq!(malformed.header("content-type"), "text/html; charset=utf-8");
    // What the page names is there.
    let assets: Vec<&str> = text
        .split('"')
        .filter(|part| part.starts_with("/assets/"))
        .collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for asset in assets {
        let answer = app.get(asset).await;
        assert_eq!(answer.status, 200, "{asset}");
        assert!(answer.header("cache-control").contains("immutable"));
    }
    app.stop().await;
}
