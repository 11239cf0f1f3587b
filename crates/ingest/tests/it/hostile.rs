//! Connections that are slow, huge or deaf, on real sockets: each is let go of in a bounded time, with the status that it can be
//! told, and votes are taken meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use vote_testkit::eventually;
use vote_testkit::hostile::{Deaf, drip, pour};

use crate::app::{App, DEADLINE, POLL, Show};

/// Short, so that the tests are.
const BOUNDS: [(&str, &str); 3] = [
    ("VOTE__HTTP__CLIENT_REQUEST_TIMEOUT_MS", "1000"),
    ("VOTE__HTTP__KEEP_ALIVE_S", "2"),
    ("VOTE__HTTP__WRITE_TIMEOUT_MS", "800"),
];
/// Between two bytes of a slow client: many within each bound.
const PACE: Duration = Duration::from_millis(15);
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: test\r\n";
const BODY: &str = r#"{"candidate":"ana"}"#;

fn address(app: &App) -> SocketAddr {
    app.running.as_ref().expect("running").address()
}

/// The head of a vote, without the empty line at its end.
fn vote(more: &str) -> String {
    format!(
        "POST /v1/polls/{POLL}/votes HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n{more}"
    )
}

/// The statuses of all answers in a text.
fn statuses(text: &str) -> Vec<&str> {
    let lines = text.split("HTTP/1.1 ").skip(1);
    lines.map(|line| &line[..3]).collect()
}

/// Clients that send a byte at a time, or nothing: their name, what they begin with, what follows, and what they are answered. Nobody is told
/// behind a body, for what comes may be the rest of it, nor where a head has begun before the answer to another one, and stalls.
fn slow() -> Vec<(&'static str, String, &'static str, Vec<&'static str>)> {
    let served = format!("{HEALTH}\r\n");
    let voted = format!("{}Content-Length: {}\r\n\r\n{BODY}", vote(""), BODY.len());
    vec![
        ("says nothing", String::new(), "", vec!["408"]),
        (
            "an empty line at a time",
            String::new(),
            "\r\n",
            vec!["408"],
        ),
        (
            "head",
            "GET /healthz HTTP/1.1\r\nX: ".to_owned(),
            "a",
            vec!["408"],
        ),
        ("head of a vote", vote("X: "), "a", vec!["408"]),
        ("head that stalls", vote("X: "), "", vec!["408"]),
        (
            "second head",
            format!("{served}{HEALTH}X: "),
            "a",
            vec!["200", "408"],
        ),
        (
            "second head that stalls",
            format!("{served}G"),
            "",
            vec!["200"],
        ),
        (
            "head after a vote",
            format!("{voted}{HEALTH}X: "),
            "a",
            vec!["201"],
        ),
        ("nothing after a request", served, "", vec!["200"]),
        (
            "body",
            vote("Content-Length: 1000\r\n\r\n"),
            "a",
            vec!["408"],
        ),
        (
            "chunks",
            vote("Transfer-Encoding: chunked\r\n\r\n"),
            "1\r\na\r\n",
            vec!["408"],
        ),
        (
            "body that stalls",
            vote("Content-Length: 19\r\n\r\n{"),
            "",
            vec!["408"],
        ),
    ]
}

#[tokio::test]
async fn who_sends_a_byte_at_a_time_is_let_go_of_and_votes_go_on() {
    let show = Show::open().await;
    let app = show.app_with(&BOUNDS).await;
    let to = address(&app);
    let clients = slow();
    // Twenty of each at once.
    let all = (0..20).flat_map(|_| &clients);
    let hostile = join_all(all.map(|(name, begin, piece, expected)| async move {
        let ends = drip(to, begin, piece, PACE);
        let answered = tokio::time::timeout(DEADLINE, ends).await;
        let answered = answered.unwrap_or_else(|_| panic!("{name}: still connected"));
        assert_eq!(&statuses(&answered), expected, "{name}: {answered}");
    }));
    let others = async {
        let mut votes = 0_u128;
        for _ in 0..200 {
            assert!(app.vote("ana", None).await.is_accepted());
            votes += 1;
        }
        votes
    };
    let (_, votes) = tokio::join!(hostile, others);
    // Those of who has voted before it was slow.
    assert_eq!(show.total().await, votes + 20);
    let metrics = app.metrics().await;
    let late = metrics
        .lines()
        .find_map(|line| line.strip_prefix("http_server_heads_refused_total{reason=\"late\"} "));
    let late: u64 = late.expect("the metric").parse().expect("a number");
    assert!(late >= 20 * 7, "{late}");
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let show = Show::open().await;
    let app = show.app_with(&BOUNDS).await;
    let to = address(&app);
    let megabyte = "a".repeat(1 << 20);
    let served = format!("{HEALTH}\r\n");
    let many = "a: b\r\n".repeat(10_000);
    let few = "a: b\r\n".repeat(200);
    let just = "a".repeat(16 * 1024);
    let cases = [
        (
            "a head of 1 MB",
            format!("{HEALTH}X: {megabyte}\r\n\r\n"),
            vec!["431"],
        ),
        (
            "a path of 1 MB",
            format!("GET /{megabyte} HTTP/1.1\r\nHost: a\r\n\r\n"),
            vec!["431"],
        ),
        (
            "a vote's head of 1 MB",
            vote(&format!("X: {megabyte}")),
            vec!["431"],
        ),
        (
            "the second head",
            format!("{served}{HEALTH}X: {megabyte}"),
            vec!["200", "431"],
        ),
        ("10,000 headers", format!("{HEALTH}{many}\r\n"), vec!["431"]),
        ("200 headers", format!("{HEALTH}{few}\r\n"), vec!["431"]),
        (
            "a little too large",
            format!("{HEALTH}X: {just}\r\n\r\n"),
            vec!["431"],
        ),
        ("a method of 1 MB", megabyte.clone(), vec!["431"]),
        (
            "a body of 1 MB",
            format!("{}{megabyte}", vote("Content-Length: 1048576\r\n\r\n")),
            vec!["413"],
        ),
        (
            "a body of 1 MB in chunks",
            format!(
                "{}100000\r\n{megabyte}\r\n0\r\n\r\n",
                vote("Transfer-Encoding: chunked\r\n\r\n")
            ),
            vec!["413"],
        ),
        (
            "a length of 20 digits",
            vote("Content-Length: 99999999999999999999\r\n\r\n"),
            vec!["400"],
        ),
        (
            "the largest length",
            vote("Content-Length: 18446744073709551615\r\n\r\n"),
            vec!["413"],
        ),
        (
            "two lengths",
            vote("Content-Length: 19\r\nContent-Length: 20\r\n\r\n"),
            vec!["400"],
        ),
        (
            "a length and chunks",
            vote("Content-Length: 19\r\nTransfer-Encoding: chunked\r\n\r\n"),
            vec!["400"],
        ),
        (
            "no HTTP at all",
            "\u{16}\u{3}\u{1}\u{2}\0\u{1}".repeat(100),
            vec!["400"],
        ),
    ];
    for (name, text, expected) in &cases {
        let ends = tokio::time::timeout(DEADLINE, pour(to, text.as_bytes()));
        let answered = ends
            .await
            .unwrap_or_else(|_| panic!("{name}: still connected"));
        assert_eq!(&statuses(&answered), expected, "{name}: {answered}");
        assert!(app.vote("ana", None).await.is_accepted());
    }
    // What has room is taken, whatever is in it.
    let token = "a".repeat(15 * 1024);
    let large = app.post(POLL).bearer_auth(&token);
    let taken = crate::app::Answer::of(large.json(&serde_json::json!({ "candidate": "ana" })));
    assert!(taken.await.is_accepted());
    assert_eq!(show.total().await, cases.len() as u128 + 1);
}

#[tokio::test]
async fn ten_thousand_pipelined_requests_are_answered_in_order_or_let_go_of_if_nobody_reads() {
    const REQUESTS: usize = 10_000;
    let show = Show::open().await;
    let app = show.app_with(&BOUNDS).await;
    let to = address(&app);
    let last = format!("{HEALTH}Connection: close\r\n\r\n");
    let text = format!("{HEALTH}\r\n").repeat(REQUESTS - 1) + &last;
    let answered = tokio::time::timeout(DEADLINE, pour(to, text.as_bytes()));
    let answered = answered.await.expect("an end");
    let statuses = statuses(&answered);
    assert_eq!(statuses.len(), REQUESTS);
    assert!(statuses.iter().all(|status| *status == "200"));

    // Votes, whose answers nobody reads: each that was taken is recorded once.
    let one = format!("{}Content-Length: {}\r\n\r\n{BODY}", vote(""), BODY.len());
    let mut deaf = Vec::new();
    for _ in 0..10 {
        deaf.push(Deaf::connect(to, one.repeat(REQUESTS).into_bytes()).await);
        deaf.push(Deaf::connect(to, text.clone().into_bytes()).await);
    }
    let others = async {
        for _ in 0..100 {
            assert!(app.vote("ana", None).await.is_accepted());
        }
    };
    let let_go = async {
        for deaf in &mut deaf {
            let deaf = std::sync::Mutex::new(deaf);
            eventually(DEADLINE, || async {
                deaf.lock().expect("ours").is_let_go()
            })
            .await;
        }
    };
    tokio::join!(others, let_go);
    assert!(show.total().await >= 100);
}
