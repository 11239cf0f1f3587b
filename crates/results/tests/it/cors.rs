//! What a page of another origin can read of each problem: all of it, whichever part of the service answers.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use vote_http::Service as _;
use vote_results::Results;
use vote_testkit::RedisServer;

use crate::support::{Answer, App, DEADLINE, Producer, RECEIPT_KEY, results};

const PAGE: &str = "https://page.example";
const SETTINGS: [(&str, &str); 2] = [
    ("VOTE__HTTP__CORS_ALLOWED_ORIGINS", PAGE),
    ("VOTE__RECEIPTS__KEY", RECEIPT_KEY),
];
const FIELDS: [(&str, &str); 2] = [
    ("access-control-allow-origin", PAGE),
    (
        "access-control-expose-headers",
        "Accept-Encoding, Allow, Content-Location, Date, ETag, Figures-Confirmed-At, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id",
    ),
];

/// The problems that the document names for its operations, and those of requests that are for no operation.
fn documented() -> BTreeSet<String> {
    let document = serde_json::to_value(Results::openapi()).expect("JSON");
    let members = |value: &Value| -> Vec<Value> {
        let members = value.as_object().into_iter().flatten();
        members.map(|(_, member)| member.clone()).collect()
    };
    let operations = members(&document["paths"]);
    let answers = operations
        .iter()
        .flat_map(&members)
        .flat_map(|operation| members(&operation["responses"]));
    let of_no_operation = ["not-found", "method-not-allowed"].map(str::to_owned);
    answers
        .flat_map(|answer| {
            let examples = &answer["content"]["application/problem+json"]["examples"];
            let codes = examples.as_object().into_iter().flatten();
            codes.map(|(code, _)| code.clone()).collect::<Vec<_>>()
        })
        .chain(of_no_operation)
        .collect()
}

/// The codes of the problems that the page has read.
#[derive(Default)]
struct Read(BTreeSet<String>);

impl Read {
    fn note(&mut self, answer: &Answer) -> String {
        let (_, code) = answer.problem();
        for (name, value) in FIELDS {
            assert_eq!(answer.header(name), value, "{name}: {code}");
        }
        self.0.insert(code.clone());
        code
    }
}

async fn ask(app: &App, method: Method, path: &str, token: Option<&str>) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let bearer = bearer.as_deref().map(|bearer| ("authorization", bearer));
    let headers: Vec<_> = [("origin", PAGE)].into_iter().chain(bearer).collect();
    app.ask(method, path, &headers).await
}

#[tokio::test]
async fn a_page_can_read_every_problem_of_the_document() {
    let mut read = Read::default();
    let mut redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let hidden = json!({ "id": "paredao-02", "visibility": "percentages" });
    producer.open(&hidden).await;
    let app = App::start_with(&redis.url(), &SETTINGS).await;
    app.until_votes(0).await;
    app.until("/v1/polls/paredao-02", |poll| poll["state"] == "open")
        .await;

    let restricted = "/v1/polls/paredao-02/results/hourly";
    let zone = format!("{}/hourly?tz=Mars/Olympus", results());
    for (code, method, path, token) in [
        ("not-found", Method::GET, "/v1/nothing", None),
        ("method-not-allowed", Method::POST, "/v1/polls", None),
        ("invalid-query", Method::GET, "/v1/polls?x=1", None),
        ("unauthorized", Method::GET, "/v1/polls", Some("stranger")),
        ("malformed-poll-id", Method::GET, "/v1/polls/Paredao", None),
        ("unknown-poll", Method::GET, "/v1/polls/paredao-99", None),
        ("figures-restricted", Method::GET, restricted, None),
        ("invalid-time-zone", Method::GET, &zone, None),
        ("invalid-receipt", Method::GET, "/v1/receipts/x", None),
    ] {
        let answer = ask(&app, method, path, token).await;
        assert_eq!(read.note(&answer), code, "{path}");
    }
    let crowded = too_many_series(&app);
    let crowded = timeout(DEADLINE, crowded).await.expect("a crowd");
    read.note(&crowded);

    redis.kill9();
    let app = App::start_with(&redis.url(), &SETTINGS).await;
    let unavailable = ask(&app, Method::GET, "/v1/polls", None).await;
    assert_eq!(read.note(&unavailable), "snapshot-unavailable");

    assert_eq!(read.0, documented(), "a client can meet each of them");
}

/// More series of bounds of their own at once than are made at once or may wait.
async fn too_many_series(app: &App) -> Answer {
    let mut zones = ["America/Manaus", "Asia/Tokyo", "Europe/Lisbon"]
        .iter()
        .cycle();
    loop {
        let zone = zones.next().expect("endless");
        let paths = (0..300).map(|n| {
            let from = format!("2026-11-24T{:02}:{:02}:00Z", n / 60, n % 60);
            format!("{}/minutely?tz={zone}&from={from}", results())
        });
        let answers = join_all(paths.map(async |path| ask(app, Method::GET, &path, None).await));
        let refused = answers
            .await
            .into_iter()
            .find(|answer| answer.status != 200);
        if let Some(refused) = refused {
            return refused;
        }
    }
}
