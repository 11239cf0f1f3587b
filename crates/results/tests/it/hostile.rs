//! Connections that are slow, huge or deaf, on real sockets: each is let go of in a bounded time, and readers are served meanwhile.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use vote_testkit::hostile::{Deaf, drip, pour};
use vote_testkit::{RedisServer, eventually};

use crate::support::{App, DEADLINE, ID, Producer, results};

/// Short, so that the tests are.
const BOUNDS: [(&str, &str); 3] = [
    ("VOTE__HTTP__CLIENT_REQUEST_TIMEOUT_MS", "400"),
    ("VOTE__HTTP__KEEP_ALIVE_S", "1"),
    ("VOTE__HTTP__WRITE_TIMEOUT_MS", "800"),
];
/// Between two bytes of a slow client: many within each bound.
const PACE: Duration = Duration::from_millis(15);

async fn app() -> (RedisServer, App) {
    let redis = RedisServer::start().await;
    Producer::new(&redis).open(&json!({})).await;
    let app = App::start_with(&redis.url(), &BOUNDS).await;
    app.until_votes(0).await;
    (redis, app)
}

/// A request for figures, without the empty line at its end.
fn figures() -> String {
    format!("GET {} HTTP/1.1\r\nHost: test\r\n", results())
}

/// The statuses of all answers in a text.
fn statuses(text: &str) -> Vec<&str> {
    let lines = text.split("HTTP/1.1 ").skip(1);
    lines.map(|line| &line[..3]).collect()
}

/// Answers in the time in which all of this ends.
async fn reads(app: &App) {
    for _ in 0..100 {
        assert_eq!(app.get(&results()).await.status, 200);
    }
}

#[tokio::test]
async fn who_sends_a_byte_at_a_time_is_let_go_of_and_readers_are_served() {
    let (_redis, app) = app().await;
    let served = format!("{}\r\n", figures());
    let clients = [
        ("says nothing", String::new(), "", vec!["408"]),
        ("head", figures() + "X: ", "a", vec!["408"]),
        (
            "second head",
            format!("{served}{}X: ", figures()),
            "a",
            vec!["200", "408"],
        ),
        (
            "second head that stalls",
            format!("{served}G"),
            "",
            vec!["200"],
        ),
        ("nothing after a request", served, "", vec!["200"]),
        (
            "a body",
            figures() + "Content-Length: 1000\r\n\r\n",
            "a",
            vec!["200"],
        ),
        (
            "chunks",
            figures() + "Transfer-Encoding: chunked\r\n\r\n",
            "1\r\na\r\n",
            vec!["200"],
        ),
    ];
    let all = (0..20).flat_map(|_| &clients);
    let hostile = join_all(all.map(|(name, begin, piece, expected)| {
        let ends = drip(app.address(), begin, piece, PACE);
        async move {
            let answered = tokio::time::timeout(DEADLINE, ends).await;
            let answered = answered.unwrap_or_else(|_| panic!("{name}: still connected"));
            assert_eq!(&statuses(&answered), expected, "{name}: {answered}");
        }
    }));
    tokio::join!(hostile, reads(&app));
    let late = app.count("http_server_heads_refused_total", &["reason=\"late\""]);
    assert!(late.await >= 20 * 3);
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_before_they_are_read() {
    let (_redis, app) = app().await;
    let megabyte = "a".repeat(1 << 20);
    let served = format!("{}\r\n", figures());
    for (name, text, expected) in [
        (
            "a head of 1 MB",
            format!("{}X: {megabyte}\r\n\r\n", figures()),
            vec!["431"],
        ),
        (
            "a path of 1 MB",
            format!("GET /{megabyte} HTTP/1.1\r\nHost: a\r\n\r\n"),
            vec!["431"],
        ),
        (
            "the second head",
            format!("{served}{}X: {megabyte}", figures()),
            vec!["200", "431"],
        ),
        (
            "10,000 headers",
            format!("{}{}\r\n", figures(), "a: b\r\n".repeat(10_000)),
            vec!["431"],
        ),
    ] {
        let ends = tokio::time::timeout(DEADLINE, pour(app.address(), text.as_bytes()));
        let answered = ends
            .await
            .unwrap_or_else(|_| panic!("{name}: still connected"));
        assert_eq!(statuses(&answered), expected, "{name}: {answered}");
        assert_eq!(app.get(&results()).await.status, 200);
    }
}

#[tokio::test]
async fn ten_thousand_pipelined_reads_are_answered_in_order_or_let_go_of_if_nobody_reads() {
    const REQUESTS: usize = 10_000;
    let (_redis, app) = app().await;
    let read = format!("{}\r\n", figures());
    let last = figures() + "Connection: close\r\n\r\n";
    let text = read.repeat(REQUESTS - 1) + &last;
    let answered = tokio::time::timeout(DEADLINE, pour(app.address(), text.as_bytes()));
    let answered = answered.await.expect("an end");
    let statuses = statuses(&answered);
    assert_eq!(statuses.len(), REQUESTS);
    assert!(statuses.iter().all(|status| *status == "200"));

    let page = format!("GET /polls/{ID}?lang=pt HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut deaf = Vec::new();
    for text in [&text, &page.repeat(REQUESTS)] {
        for _ in 0..10 {
            deaf.push(Deaf::connect(app.address(), text.clone().into_bytes()).await);
        }
    }
    let let_go = async {
        for deaf in &mut deaf {
            let deaf = Mutex::new(deaf);
            eventually(DEADLINE, || async {
                deaf.lock().expect("ours").is_let_go()
            })
            .await;
        }
    };
    tokio::join!(reads(&app), let_go);
}
