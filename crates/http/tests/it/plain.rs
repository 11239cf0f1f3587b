//! Connections that begin without actix-http: what they answer is what it would write, and it takes all that is not plain.

use std::net::SocketAddr;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::support::{Answer, Connection, Sample, start};
use vote_http::Running;

const NO_GRACE: (&str, &str) = ("VOTE__SHUTDOWN__GRACE_MS", "0");
const ORIGIN: &str = "Origin: https://a.example\r\n";

fn head(poll: &str, headers: &str) -> String {
    format!(
        "POST /v1/polls/{poll}/votes HTTP/1.1\r\nHost: test\r\n{headers}Content-Length: 3\r\n\r\n"
    )
}

/// The lines of an answer's head but its date, which must be one, and the request's id. actix-http writes headers in another order each
/// time.
fn lines(answer: &Answer) -> Vec<&str> {
    let date = answer.header("date").expect("a date");
    assert_eq!(date.len(), "Sun, 06 Nov 1994 08:49:37 GMT".len(), "{date}");
    let mut lines: Vec<_> = answer.head.lines().collect();
    lines.retain(|line| !line.starts_with("date: ") && !line.starts_with("x-request-id: "));
    // What is before them has its place.
    let first = lines.iter().take_while(|line| {
        ["HTTP/", "content-length: ", "connection: "]
            .iter()
            .any(|begin| line.starts_with(begin))
    });
    let first = first.count();
    lines[first..].sort_unstable();
    lines
}

async fn open(address: SocketAddr) -> Connection {
    Connection::open(address).await.expect("a connection")
}

async fn answer(connection: &mut Connection, text: &str) -> Answer {
    connection.send(text).await.expect("sent");
    connection.answer(false).await.expect("an answer")
}

async fn stop(service: Running<Sample>) {
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn answers_are_to_the_byte_what_actix_http_writes() {
    for origins in ["*", "https://a.example", "https://b.example", ""] {
        let setting = ("VOTE__HTTP__CORS_ALLOWED_ORIGINS", origins);
        let service = start(&[NO_GRACE, setting]).await;
        for (poll, headers) in [
            ("known", ""),
            ("known", ORIGIN),
            ("broken", ""),
            ("broken", ORIGIN),
        ] {
            let whole = format!("{}ana", head(poll, headers));
            let plain = answer(&mut open(service.address()).await, &whole).await;
            // A name that is there twice is not plain, whatever it says.
            let more = format!("{headers}Content-Type: a\r\nContent-Type: a\r\n");
            let other = format!("{}ana", head(poll, &more));
            let other = answer(&mut open(service.address()).await, &other).await;
            assert_eq!(lines(&plain), lines(&other), "{origins} {poll} {headers}");
            assert_eq!(plain.body, other.body);
        }
        stop(service).await;
    }
}

#[tokio::test]
async fn a_connection_goes_on_whatever_comes_in_whatever_pieces() {
    let service = start(&[NO_GRACE]).await;
    let mut connection = open(service.address()).await;
    let vote = format!("{}ana", head("known", ""));
    for _ in 0..3 {
        assert_eq!(answer(&mut connection, &vote).await.body, "ana");
    }
    let read = "GET /v1/polls/known HTTP/1.1\r\nHost: test\r\n\r\n";
    assert_eq!(answer(&mut connection, read).await.body, "known");
    assert_eq!(answer(&mut connection, &vote).await.body, "ana");

    let mut together = open(service.address()).await;
    assert_eq!(answer(&mut together, &vote).await.body, "ana");
    together.send(&vote.repeat(2)).await.expect("sent");
    let mut both = together.answer(false).await.expect("an answer");
    if !both.body.contains("HTTP/1.1 201") {
        both = together.answer(false).await.expect("a second one");
    }
    assert!(both.body.ends_with("ana"), "{both:?}");

    let mut pieces = open(service.address()).await;
    assert_eq!(answer(&mut pieces, &vote).await.body, "ana");
    let (first, last) = vote.split_at(30);
    pieces.send(first).await.expect("sent");
    tokio::task::yield_now().await;
    assert_eq!(answer(&mut pieces, last).await.body, "ana");

    // Longer than what is read at once.
    let cookie = format!("Cookie: {}\r\n", "c".repeat(5_000));
    let long = format!("{}ana", head("known", &cookie));
    let mut connection = open(service.address()).await;
    for _ in 0..2 {
        assert_eq!(answer(&mut connection, &long).await.body, "ana");
    }
    stop(service).await;
}

#[tokio::test]
async fn who_sends_nothing_is_told_so_and_who_sends_nothing_more_is_let_go() {
    let bounds = [
        NO_GRACE,
        ("VOTE__HTTP__CLIENT_REQUEST_TIMEOUT_MS", "1000"),
        ("VOTE__HTTP__KEEP_ALIVE_S", "1"),
    ];
    let service = start(&bounds).await;
    let mut silent = open(service.address()).await;
    let late = silent.answer(false).await.expect("an answer");
    // One that has begun is actix-http's.
    let mut begun = open(service.address()).await;
    begun.send("POST /").await.expect("sent");
    let other = begun.answer(false).await.expect("an answer");
    assert_eq!((late.status, late.body.as_str()), (408, ""));
    assert_eq!(lines(&late), lines(&other));
    silent.closed().await.expect("closed in good order");

    let mut idle = open(service.address()).await;
    let vote = format!("{}ana", head("known", ""));
    assert_eq!(answer(&mut idle, &vote).await.status, 201);
    tokio::time::timeout(Duration::from_secs(20), idle.closed())
        .await
        .expect("in time")
        .expect("closed in good order");
    stop(service).await;
}

#[tokio::test]
async fn a_connection_that_is_idle_does_not_hold_up_the_end() {
    let service = start(&[NO_GRACE, ("VOTE__HTTP__KEEP_ALIVE_S", "600")]).await;
    let mut idle = open(service.address()).await;
    let vote = format!("{}ana", head("known", ""));
    assert_eq!(answer(&mut idle, &vote).await.status, 201);
    let mut silent = open(service.address()).await;
    stop(service).await;
    idle.closed().await.expect("closed in good order");
    silent.closed().await.expect("closed in good order");
}
