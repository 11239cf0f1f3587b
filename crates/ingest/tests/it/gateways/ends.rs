//! How a batch ends: whole, too large, cut off, late, or without Redis.

use std::collections::BTreeMap;

use reqwest::Body;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vote_testkit::eventually;

use super::{
    FILE, File, NDJSON, TOKEN, app, both, count, line, lines, numbers, parse, request, send, show,
    word, words,
};
use crate::app::{Answer, App, DEADLINE, POLL};

#[tokio::test]
async fn a_batch_that_can_not_be_read_is_refused_as_a_whole() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    let url = |poll: &str| format!("{}/v1/polls/{poll}/votes/batch", app.url);
    let post = |poll: &str| app.client.post(url(poll)).bearer_auth(TOKEN);
    for (request, status, code) in [
        (post(POLL).body(lines(1)), 415, "unsupported-media-type"),
        (
            post(POLL)
                .header("content-type", "application/json")
                .body(lines(1)),
            415,
            "unsupported-media-type",
        ),
        (
            request(&app, TOKEN, lines(1)).header("content-encoding", "gzip"),
            415,
            "unsupported-content-encoding",
        ),
        (
            request(&app, TOKEN, "x".repeat(1024 * 1024 + 1)),
            413,
            "body-too-large",
        ),
        (
            post("none").header("content-type", NDJSON).body(lines(1)),
            404,
            "unknown-poll",
        ),
        (
            post("A%20B").header("content-type", NDJSON).body(lines(1)),
            400,
            "malformed-poll-id",
        ),
        (
            app.client
                .post(url(POLL) + "?x=1")
                .bearer_auth(TOKEN)
                .header("content-type", NDJSON),
            400,
            "invalid-query",
        ),
        (
            app.client.get(url(POLL)).bearer_auth(TOKEN),
            405,
            "method-not-allowed",
        ),
    ] {
        let answer = Answer::of(request).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code));
    }
    for media_type in [
        "application/x-ndjson; charset=utf-8",
        "application/ndjson",
        "Application/JSONL",
    ] {
        let batch = post(POLL).header("content-type", media_type).body(lines(1));
        assert_eq!(batch.send().await.expect("an answer").status(), 200);
    }
    assert_eq!(show.total().await, 1);
}

/// A body whose length is not said.
fn chunked(pieces: Vec<String>) -> Body {
    let pieces = pieces.into_iter().map(Ok::<_, std::io::Error>);
    Body::wrap_stream(futures_util::stream::iter(pieces))
}

#[tokio::test]
async fn what_is_beyond_the_limits_of_a_batch_is_said_to_be_unread() {
    let (show, file) = (show(4).await, File::of(&both()));
    let app = app(&show, &file).await;
    let most = lines(10_000);
    let answers = send(&app, most.clone()).await;
    assert_eq!(count(&answers), BTreeMap::from([("accepted", 10_000)]));
    let more = send(&app, chunked(vec![most, line(10_001), line(10_002)])).await;
    assert_eq!(
        count(&more),
        BTreeMap::from([("already_accepted", 10_000), ("body-too-large", 1)])
    );
    let last = more.last().expect("a line");
    assert_eq!(
        (&last["line"], &last["limit_lines"]),
        (&json!(10_001), &json!(10_000))
    );

    // Never ending: lines that are large, until the bytes are used up.
    let large = |n: usize| format!("{:>1000}\n", line(20_000 + n).trim_end());
    let pieces = (0..2_000).map(large).collect();
    let answers = send(&app, chunked(pieces)).await;
    let taken = 1024 * 1024 / 1001;
    assert_eq!(
        count(&answers),
        BTreeMap::from([("accepted", taken), ("body-too-large", 1)])
    );
    let last = answers.last().expect("a line");
    assert_eq!(
        (&last["line"], &last["limit_bytes"]),
        (&json!(taken + 1), &json!(1024 * 1024))
    );
    assert_eq!(show.total().await, 10_000 + taken as u128);
}

/// A connection on which a batch was begun, and sent as far as that.
async fn begun(app: &App, length: Option<usize>, sent: &str) -> TcpStream {
    let address = app.url.strip_prefix("http://").expect("an address");
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    let length = match length {
        Some(length) => format!("content-length: {length}"),
        None => "transfer-encoding: chunked".to_owned(),
    };
    let head = format!(
        "POST /v1/polls/{POLL}/votes/batch HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: {NDJSON}\r\n{length}\r\n\r\n{sent}"
    );
    connection.write_all(head.as_bytes()).await.expect("sent");
    connection
}

/// All that comes on a connection until it ends.
async fn rest(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = connection.read_to_end(&mut bytes);
    let read = tokio::time::timeout(DEADLINE, reading).await;
    read.expect("it ends").expect("read");
    String::from_utf8(bytes).expect("text")
}

/// The lines of an answer that came in chunks, each of whole lines.
fn unchunked(answer: &str) -> Vec<Value> {
    let lines = answer.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

#[tokio::test]
async fn of_a_batch_that_is_cut_off_whole_lines_count_and_the_cut_one_is_said() {
    let (show, file) = (show(2).await, File::of(&both()));
    let app = app(&show, &file).await;
    let whole = lines(20);
    for (sent, is_cut_within) in [
        (whole.clone() + &line(20)[..9], true),
        (whole.clone(), false),
    ] {
        let mut connection = begun(&app, Some(100_000), &sent).await;
        // It sends no more, and still reads.
        connection.shutdown().await.expect("shut down");
        let answer = rest(&mut connection).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let answers = unchunked(&answer);
        assert_eq!(answers.len(), 21, "{is_cut_within}: {answer}");
        let last = answers.last().expect("a line");
        assert_eq!((word(last), &last["line"]), ("malformed-body", &json!(21)));
        assert!(
            last["detail"]
                .as_str()
                .is_some_and(|said| said.contains("did not arrive whole"))
        );
    }
    assert_eq!(show.total().await, 20);
    assert_eq!(
        words(&send(&app, whole + &line(20)).await)[19..],
        ["already_accepted", "accepted"]
    );
}

#[tokio::test]
async fn answers_come_while_the_batch_goes_on_and_one_that_never_ends_is_ended() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = show
        .app_with(&[
            (FILE, &file.path()),
            ("VOTE__GATEWAYS__BATCH_TIMEOUT_MS", "1500"),
        ])
        .await;
    let first = line(1);
    let mut connection = begun(&app, None, &format!("{:x}\r\n{first}\r\n", first.len())).await;
    let mut seen = String::new();
    let mut piece = [0; 4096];
    while !seen.contains("\"status\":\"accepted\"") {
        let read = connection.read(&mut piece);
        let length = tokio::time::timeout(DEADLINE, read)
            .await
            .expect("in time")
            .expect("read");
        assert!(length > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    assert!(
        seen.contains("\"key\":\"k1\"") && !seen.contains("request-timeout"),
        "{seen}"
    );
    let second = line(2);
    let second = format!("{:x}\r\n{second}\r\n", second.len());
    connection.write_all(second.as_bytes()).await.expect("sent");
    // And then a byte of a line, and no more.
    connection.write_all(b"1\r\n{\r\n").await.expect("sent");
    let answers = unchunked(&rest(&mut connection).await);
    assert_eq!(words(&answers), ["accepted", "request-timeout"]);
    assert_eq!(numbers(&answers), [2, 3]);
    assert_eq!(show.total().await, 2);
    let metrics = app.metrics().await;
    assert!(
        metrics.contains("vote_gateway_batches_total{gateway=\"sms\",end=\"late\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_batch_whose_connection_was_killed_is_sent_again_and_each_vote_counts_once() {
    let (show, file) = (show(4).await, File::of(&both()));
    let app = app(&show, &file).await;
    let batch = lines(3_000);
    for part in [1, 2, 10, 100] {
        let sent = &batch[..batch.len() / part];
        drop(begun(&app, Some(batch.len()), sent).await);
        // Some of the answers are read, and then nobody is there any more.
        let mut connection = begun(&app, Some(batch.len()), sent).await;
        let mut some = [0; 512];
        if part == 1 {
            connection.read_exact(&mut some).await.expect("read");
        }
        drop(connection);
    }
    let answers = send(&app, batch.clone()).await;
    assert_eq!(numbers(&answers), (1..=3_000).collect::<Vec<_>>());
    assert!(answers.iter().all(|answer| answer.get("code").is_none()));
    assert_eq!(show.total().await, 3_000);
    // Another process, after this one is gone.
    app.stop().await.expect("a clean stop");
    let next = show.app_with(&[(FILE, &file.path())]).await;
    let again = send(&next, batch).await;
    assert_eq!(count(&again), BTreeMap::from([("already_accepted", 3_000)]));
    assert_eq!(show.total().await, 3_000);
}

#[tokio::test]
async fn with_redis_away_lines_say_so_and_the_same_batch_is_taken_later() {
    let (mut show, file) = (show(2).await, File::of(&both()));
    let settings = [
        (FILE, &*file.path()),
        ("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "200"),
    ];
    let app = show.app_with(&settings).await;
    let batch = lines(300);
    assert_eq!(
        count(&send(&app, line(0)).await),
        BTreeMap::from([("accepted", 1)])
    );
    show.redis.stop().await;
    let answers = send(&app, batch.clone()).await;
    assert_eq!(answers.len(), 300);
    for answer in &answers {
        assert!(
            ["not-recorded", "outcome-unknown"].contains(&word(answer)),
            "{answer}"
        );
        assert!(answer["retry_after_s"].is_u64(), "{answer}");
    }
    show.redis.restart().await;
    eventually(DEADLINE, || async {
        let answers = send(&app, batch.clone()).await;
        answers.iter().all(|answer| answer.get("code").is_none())
    })
    .await;
    assert_eq!(show.total().await, 300);
}

#[tokio::test]
async fn who_reads_no_answers_keeps_nobody_from_sending_the_whole_batch() {
    let (show, file) = (show(4).await, File::of(&both()));
    let app = app(&show, &file).await;
    let batch = lines(10_000);
    // All of it is written before the first answer is read: what can't be written would be waited for.
    let writing = begun(&app, Some(batch.len()), &batch);
    let mut connection = tokio::time::timeout(DEADLINE, writing)
        .await
        .expect("it is taken");
    let last = b"\"line\":10000,";
    let mut bytes = Vec::new();
    while !bytes.windows(last.len()).any(|part| part == last) {
        let mut piece = vec![0; 64 * 1024];
        let read = tokio::time::timeout(DEADLINE, connection.read(&mut piece)).await;
        let length = read.expect("in time").expect("read");
        assert!(length > 0);
        bytes.extend_from_slice(&piece[..length]);
        if bytes.len() > 2 * last.len() + length {
            // Only the end is looked for.
            bytes.drain(..bytes.len() - length - last.len());
        }
    }
    drop(connection);
    assert_eq!(show.total().await, 10_000);
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_batch_that_came_whole() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    let answer = request(&app, TOKEN, lines(10))
        .send()
        .await
        .expect("an answer");
    assert!(answer.headers().get("connection").is_none(), "{answer:?}");
    assert_eq!(parse(&answer.text().await.expect("text")).len(), 10);
}
