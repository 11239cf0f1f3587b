//! What is answered before the routes says the same, to the byte, as the routes: those answer where an address has a query.

use serde_json::json;
use vote_testkit::RedisServer;

use crate::support::{ANA, Answer, App, ID, PRODUCTION, Producer, results, voting};

/// The addresses that are answered before the routes: what is before the poll's id, and behind it.
const HOT: [(&str, &str); 7] = [
    ("/v1/polls", ""),
    ("/polls", ""),
    ("/v1/polls", "/results"),
    ("/v1/polls", "/results.rows.json"),
    ("/v1/polls", "/results.flat.json"),
    ("/v1/polls", "/results.csv"),
    ("/v1/polls", "/results.xml"),
];

/// Asks by an address, and by the same with a parameter that says nothing; both answers must be the same.
async fn is_the_same(app: &App, path: &str, headers: &[(&str, &str)]) -> u16 {
    let hot = app.get_with(path, headers).await;
    let routed = app.get_with(&format!("{path}?_=1"), headers).await;
    assert_eq!(hot.status, routed.status, "{path} {headers:?}");
    assert_eq!(hot.body, routed.body, "{path} {headers:?}");
    let others = |answer: &Answer| {
        let mut headers: Vec<(String, String)> = answer
            .headers
            .iter()
            .filter(|(name, _)| {
                !matches!(
                    name.as_str(),
                    "date" | "figures-confirmed-at" | "x-request-id"
                )
            })
            .map(|(name, value)| {
                let text = value.to_str().expect("text");
                // It names the address that was asked for, with its query.
                let text = text.strip_suffix("?_=1").unwrap_or(text);
                (name.to_string(), text.to_owned())
            })
            .collect();
        headers.sort();
        headers
    };
    assert_eq!(others(&hot), others(&routed), "{path} {headers:?}");
    let has_time = |answer: &Answer| answer.headers.contains_key("figures-confirmed-at");
    assert_eq!(has_time(&hot), has_time(&routed), "{path} {headers:?}");
    hot.status
}

async fn with_a_vote(visibility: &str) -> (RedisServer, App) {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer
        .open(&json!({ "visibility": visibility, "release": "auto" }))
        .await;
    producer.apply(&json!({ "id": "segredo" })).await;
    let app = App::start(&redis.url()).await;
    let voters = producer.voting().await;
    voters.vote(ANA, voting()).await;
    voters.end().await;
    // Nothing changes from here on.
    app.until_staff_sees_votes(1).await;
    (redis, app)
}

#[tokio::test]
async fn both_say_the_same_in_every_coding_and_to_every_copy() {
    let (_redis, app) = with_a_vote("public").await;
    for (before, end) in HOT {
        let path = format!("{before}/{ID}{end}");
        for headers in [
            &[][..],
            &[("accept-encoding", "gzip")],
            &[("accept-encoding", "br, gzip;q=0.5")],
            &[("accept-encoding", ";;;")],
            &[("accept", "application/json")],
            &[("origin", "https://a.example")],
            &[("if-none-match", "\"another\"")],
        ] {
            assert_eq!(is_the_same(&app, &path, headers).await, 200);
        }
        let tag = app.get(&path).await.header("etag").to_owned();
        for known in [tag.as_str(), &format!("W/{tag}"), "*"] {
            assert_eq!(
                is_the_same(&app, &path, &[("if-none-match", known)]).await,
                304
            );
        }
        let staff = format!("Bearer {PRODUCTION}");
        assert_eq!(
            is_the_same(&app, &path, &[("authorization", &staff)]).await,
            200
        );
        assert_eq!(
            is_the_same(&app, &path, &[("authorization", "Bearer x")]).await,
            // Pages are the public's, whoever asks.
            if before == "/polls" { 200 } else { 401 }
        );
        for (other, status) in [
            ("current", 200),
            ("nobody", 404),
            ("segredo", 404),
            ("NO", 400),
        ] {
            let path = format!("{before}/{other}{end}");
            assert_eq!(is_the_same(&app, &path, &[]).await, status, "{path}");
        }
    }
    assert_eq!(is_the_same(&app, "/v1/polls/", &[]).await, 404);
}

#[tokio::test]
async fn what_is_hidden_from_the_public_is_hidden_before_the_routes_too() {
    for (visibility, status) in [("percentages", 200), ("embargoed", 403)] {
        let (_redis, app) = with_a_vote(visibility).await;
        for (before, end) in &HOT[2..] {
            let path = format!("{before}/{ID}{end}");
            assert_eq!(is_the_same(&app, &path, &[]).await, status, "{path}");
            let answer = app.get(&path).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!text.contains("\"total_votes\":1"), "{path}: {text}");
        }
        assert_eq!(app.get(&results()).await.status, status);
    }
}
