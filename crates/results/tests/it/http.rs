//! Codings, entity tags, caches, CORS: a body is made once and served many times.

use std::io::Read as _;

use serde_json::json;
use vote_testkit::{RedisServer, eventually};

use crate::support::{ANA, App, DEADLINE, ID, Producer, problem, results, voting};

async fn app_with_a_poll(over: &[(&str, &str)]) -> (RedisServer, Producer, App) {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let app = App::start_with(&redis.url(), over).await;
    app.until_votes(0).await;
    for series in ["hourly", "minutely"] {
        app.until(&format!("{}/{series}", results()), |_| true)
            .await;
    }
    (redis, producer, app)
}

fn paths() -> [String; 5] {
    [
        "/v1/polls".to_owned(),
        format!("/v1/polls/{ID}"),
        results(),
        format!("{}/hourly", results()),
        format!("{}/minutely", results()),
    ]
}

/// The series follow the standing a moment later: waits until nothing is being made any more.
async fn settled(app: &App) {
    eventually(DEADLINE, || async {
        app.count("vote_renders_total", &["hourly"]).await >= 1
            && app.count("vote_renders_total", &["minutely"]).await >= 1
    })
    .await;
}

#[tokio::test]
async fn every_coding_decodes_to_the_identity_body() {
    let (_redis, _producer, app) = app_with_a_poll(&[]).await;
    settled(&app).await;
    for path in paths() {
        let plain = app.get(&path).await;
        assert_eq!(plain.header("content-encoding"), "");
        let gzip = app.get_with(&path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(gzip.header("content-encoding"), "gzip", "{path}");
        let mut decoded = Vec::new();
        flate2::read::GzDecoder::new(&gzip.body[..])
            .read_to_end(&mut decoded)
            .expect("gzip");
        assert_eq!(decoded, plain.body);
        let brotli = app
            .get_with(&path, &[("accept-encoding", "gzip, deflate, br, zstd")])
            .await;
        assert_eq!(brotli.header("content-encoding"), "br", "{path}");
        let mut decoded = Vec::new();
        brotli::BrotliDecompress(&mut &brotli.body[..], &mut decoded).expect("brotli");
        assert_eq!(decoded, plain.body);
        assert!(brotli.body.len() < plain.body.len() && gzip.body.len() < plain.body.len());

        let tags = [&plain, &gzip, &brotli].map(|answer| answer.header("etag"));
        assert!(
            tags.iter()
                .all(|tag| tag.starts_with('"') && tag.ends_with('"'))
        );
        assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2]);
        for answer in [&plain, &gzip, &brotli] {
            assert!(answer.header("vary").starts_with("Accept-Encoding"));
            assert_eq!(
                answer.header("cache-control"),
                "public, max-age=1, stale-while-revalidate=5, stale-if-error=60"
            );
        }
    }
}

#[tokio::test]
async fn a_client_that_has_the_body_gets_304() {
    let (_redis, producer, app) = app_with_a_poll(&[]).await;
    settled(&app).await;
    for path in paths() {
        for coding in ["identity", "gzip", "br"] {
            let accept = ("accept-encoding", coding);
            let first = app.get_with(&path, &[accept]).await;
            let tag = first.header("etag");
            for given in [
                tag.to_owned(),
                format!("W/{tag}"),
                format!("\"another\", {tag}"),
                "*".to_owned(),
            ] {
                let again = app
                    .get_with(&path, &[accept, ("if-none-match", &given)])
                    .await;
                assert_eq!(again.status, 304, "{path} {coding} {given}");
                assert!(again.body.is_empty());
                for header in ["etag", "cache-control", "vary"] {
                    assert_eq!(again.header(header), first.header(header));
                }
                assert_eq!(again.header("content-encoding"), "");
            }
            let other = [accept, ("if-none-match", "\"another\"")];
            assert_eq!(app.get_with(&path, &other).await.status, 200);
        }
    }
    // A new vote is a new body.
    let tag = app.get(&results()).await.header("etag").to_owned();
    producer.voting().await.vote(ANA, voting()).await;
    app.until_votes(1).await;
    let changed = app.get_with(&results(), &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn headers_that_make_no_sense_cost_nobody_the_body() {
    let (_redis, _producer, app) = app_with_a_poll(&[]).await;
    let plain = app.get(&results()).await;
    let long = "\"x\", ".repeat(2000);
    for (name, value) in [
        ("if-none-match", ""),
        ("if-none-match", "garbage"),
        ("if-none-match", "\"unfinished"),
        ("if-none-match", "W/"),
        ("if-none-match", ",,,"),
        ("if-none-match", &long),
        ("accept-encoding", "gzip;q=7"),
        ("accept-encoding", "*;q=0"),
        ("accept-encoding", "identity;q=0"),
        ("accept-encoding", "\u{fffd}"),
        ("accept-encoding", ";=;"),
        ("accept", "text/html"),
    ] {
        let answer = app.get_with(&results(), &[(name, value)]).await;
        assert_eq!(answer.status, 200, "{name}: {value:.40}");
        assert_eq!(answer.body, plain.body);
    }
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let (_redis, _producer, app) = app_with_a_poll(&[]).await;
    for path in paths() {
        let get = app.get(&path).await;
        let head = app.ask(reqwest::Method::HEAD, &path, &[]).await;
        assert_eq!(head.status, 200);
        assert!(head.body.is_empty());
        for header in [
            "etag",
            "cache-control",
            "vary",
            "content-type",
            "content-length",
        ] {
            assert_eq!(head.header(header), get.header(header), "{header}");
        }
    }
    let unknown = app
        .ask(reqwest::Method::HEAD, "/v1/polls/another", &[])
        .await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_taken() {
    let (_redis, _producer, app) = app_with_a_poll(&[]).await;
    let others = [
        "/v1/receipts/x",
        "/overlay/current",
        "/overlay/current?token=secret",
        "/overlay/assets/0000000000000000/page.js",
        "/overlay/themes/season.json",
        "/swagger-ui/index.html",
        "/openapi.json",
        "/problems",
        "/healthz",
        "/readyz",
    ];
    let of_poll = [
        "/stream",
        "/stream?view=rows&token=secret",
        ".rows.json",
        ".flat.json?rows=4",
        ".csv",
        ".xml?token=secret",
    ];
    let of_poll = of_poll.map(|rest| format!("{}{rest}", results()));
    let others = others.map(ToOwned::to_owned);
    for path in paths().into_iter().chain(others).chain(of_poll) {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
            let answer = app.ask(method.clone(), &path, &[]).await;
            assert_eq!(
                answer.problem(),
                problem(405, "method-not-allowed"),
                "{method} {path}"
            );
            assert_eq!(answer.header("allow"), "GET, HEAD");
        }
    }
}

#[tokio::test]
async fn bodies_are_made_once_a_revision_whatever_the_readers() {
    let (_redis, _producer, app) = app_with_a_poll(&[]).await;
    settled(&app).await;
    let before = app.count("vote_renders_total", &[]).await;
    for _ in 0..250 {
        for path in &paths()[1..] {
            assert_eq!(app.get(path).await.status, 200);
        }
    }
    assert_eq!(app.count("vote_renders_total", &[]).await, before);
    let known = app.get(&results()).await.header("etag").to_owned();
    app.get_with(&results(), &[("if-none-match", &known)]).await;
    let poll = format!("poll=\"{ID}\"");
    let reads = async |status: &str| {
        let labels = [
            &poll,
            "representation=\"results\"",
            "encoding=\"identity\"",
            status,
        ];
        app.count("vote_reads_total", &labels).await
    };
    assert!(reads("status=\"200\"").await >= 251);
    assert_eq!(reads("status=\"304\"").await, 1);
    let bytes = app
        .count(
            "vote_body_bytes",
            &[&poll, "results", "encoding=\"identity\""],
        )
        .await;
    let length = app.get(&results()).await.body.len();
    assert_eq!(usize::try_from(bytes), Ok(length));
}

#[tokio::test]
async fn any_page_may_read_where_the_settings_say_so() {
    let (_redis, _producer, app) =
        app_with_a_poll(&[("VOTE__HTTP__CORS_ALLOWED_ORIGINS", "*")]).await;
    let origin = ("origin", "https://globoplay.example");
    let answer = app.get_with(&results(), &[origin]).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(
        answer
            .header("access-control-expose-headers")
            .to_lowercase()
            .contains("etag")
    );
    let preflight = app
        .ask(
            reqwest::Method::OPTIONS,
            &results(),
            &[
                origin,
                ("access-control-request-method", "GET"),
                (
                    "access-control-request-headers",
                    "authorization,if-none-match",
                ),
            ],
        )
        .await;
    assert!(preflight.status < 300, "{preflight:?}");
    assert!(
        preflight
            .header("access-control-allow-methods")
            .contains("GET")
    );
    // A problem is readable, too.
    let unknown = app.get_with("/v1/polls/another", &[origin]).await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn the_document_is_served() {
    let (_redis, _producer, app) = app_with_a_poll(&[]).await;
    let document = app.get("/openapi.json").await.json();
    for path in [
        "/v1/polls/{poll}/results",
        "/v1/receipts/{receipt}",
        "/readyz",
    ] {
        assert!(document["paths"][path]["get"].is_object(), "{path}");
    }
    assert_eq!(app.get("/swagger-ui/").await.status, 200);
}
