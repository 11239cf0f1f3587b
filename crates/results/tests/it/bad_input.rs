//! Hostile paths: each gets a clear problem, and none a 500.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vote_testkit::RedisServer;

use crate::support::{App, Producer, problem};

async fn app() -> (RedisServer, App) {
    let redis = RedisServer::start().await;
    Producer::new(&redis).open(&json!({})).await;
    let app = App::start(&redis.url()).await;
    app.until_votes(0).await;
    (redis, app)
}

#[tokio::test]
async fn a_poll_id_that_is_none_is_named_with_the_rule() {
    let (_redis, app) = app().await;
    let long = "x".repeat(300);
    for id in [
        long.as_str(),
        "..%2fx",
        "..%2F..%2Fetc%2Fpasswd",
        "%ff%fe",
        "%00",
        "PAREDAO",
        "pared%C3%A3o",
        "-x",
        "a%20b",
        "a:b",
        "{x}",
        "%25",
        "%",
        "%zz",
        "'%20OR%201=1",
    ] {
        for tail in [
            "",
            "/results",
            "/results/hourly",
            "/results/minutely?tz=UTC",
        ] {
            let answer = raw(&app, &format!("/v1/polls/{id}{tail}")).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{id}{tail}: {answer}");
            assert!(answer.contains("malformed-poll-id"), "{id}{tail}: {answer}");
            assert!(answer.contains("a-z"), "says the rule: {answer}");
            assert!(answer.len() < 1500, "repeats no more than it has to");
        }
    }
}

#[tokio::test]
async fn a_path_that_is_none_is_not_found() {
    let (_redis, app) = app().await;
    for path in [
        "/v1/polls/",
        "/v1/polls//results",
        "/v1/polls/../polls/x/y",
        "/v1/polls/../../etc/passwd",
        "/v1/polls/paredao-01/",
        "/v1/polls/paredao-01/results/",
        "/v1/polls/paredao-01/results/daily",
        "/v1/receipts",
        "/v2/polls",
        "//v1/polls",
    ] {
        let answer = raw(&app, path).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.contains("\"not-found\""), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_query_where_none_is_taken_is_refused_but_for_what_others_add_to_links() {
    let (_redis, app) = app().await;
    let long = format!("?x={}", "y".repeat(12_000));
    for path in [
        "/v1/polls",
        "/v1/polls/paredao-01",
        "/v1/polls/paredao-01/results",
    ] {
        // Graphics systems add such things to get past their own caches, campaigns to count their links.
        for query in ["?", "?_=1732410123", "?utm_source=tv&fbclid=x&gclid=y"] {
            let answer = app.get(&format!("{path}{query}")).await;
            assert_eq!(answer.status, 200, "{path}{query}");
        }
        for query in ["?a=1&a=1", "?%ff", "?_=1&verbose=1", long.as_str()] {
            let answer = app.get(&format!("{path}{query}")).await;
            assert_eq!(answer.problem(), problem(400, "invalid-query"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_body_where_none_is_taken_does_no_harm() {
    let (_redis, app) = app().await;
    let answer = app
        .ask(
            reqwest::Method::POST,
            "/v1/polls/paredao-01/results",
            &[("content-length", "0")],
        )
        .await;
    assert_eq!(answer.problem(), problem(405, "method-not-allowed"));
}

/// A request whose path no client library has touched.
async fn raw(app: &App, path: &str) -> String {
    let mut connection = TcpStream::connect(app.address())
        .await
        .expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    connection
        .write_all(request.as_bytes())
        .await
        .expect("sent");
    let mut answer = Vec::new();
    connection
        .read_to_end(&mut answer)
        .await
        .expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}
