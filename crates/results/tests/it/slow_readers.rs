//! Clients that take what is sent to them slowly, or not at all, over sockets whose buffers are small.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use vote_testkit::{RedisServer, eventually};

use crate::support::{ANA, App, DEADLINE, Producer, results, voting};

/// How long a client may take nothing, in these tests.
const UNREAD: Duration = Duration::from_millis(800);

/// A poll of so many candidates that a few of its events fill the buffers of a connection.
async fn large_poll() -> (RedisServer, Producer, App) {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    let candidates: Vec<Value> = (0..60)
        .map(|place| json!({ "id": format!("c{place}"), "name": format!("Candidate {place}") }))
        .collect();
    let poll = json!({ "candidates": candidates, "release": "auto" });
    producer.open(&poll).await;
    let unread = UNREAD.as_millis().to_string();
    let over = [("VOTE__HTTP__WRITE_TIMEOUT_MS", unread.as_str())];
    let app = App::start_with(&redis.url(), &over).await;
    app.until_votes(0).await;
    (redis, producer, app)
}

/// A connection with the smallest buffer that there can be, over which something is asked for.
async fn ask(app: &App, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("set");
    let address = app.address();
    let mut connection = socket.connect(address).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let sent = connection.write_all(request.as_bytes()).await;
    sent.expect("sent");
    connection
}

async fn readers(app: &App) -> u64 {
    app.count("vote_stream_readers{", &[]).await
}

async fn ends(app: &App, how: &str) -> u64 {
    app.count("vote_stream_ends_total", &[&format!("how=\"{how}\"")])
        .await
}

#[tokio::test]
async fn a_reader_of_a_stream_that_takes_nothing_is_dropped_and_counted() {
    let (_redis, producer, app) = large_poll().await;
    let writer = producer.voting().await;
    let unread = ask(&app, &format!("{}/stream?view=rows", results())).await;
    eventually(DEADLINE, || async { readers(&app).await == 1 }).await;
    eventually(DEADLINE, || async {
        writer.vote(ANA, voting()).await;
        readers(&app).await == 0
    })
    .await;
    assert_eq!(
        ends(&app, "left").await + ends(&app, "unread").await,
        1,
        "{}",
        app.metrics().await
    );
    assert_eq!(ends(&app, "over").await, 0);
    drop(unread);
    writer.end().await;
}

#[tokio::test]
async fn an_answer_that_nobody_takes_ends_its_connection() {
    let (_redis, _producer, app) = large_poll().await;
    let mut connection = ask(&app, &results()).await;
    let request = format!("GET {} HTTP/1.1\r\nHost: test\r\n\r\n", results());
    for _ in 0..16 {
        let sent = connection.write_all(request.as_bytes()).await;
        sent.expect("sent");
    }
    // Whoever goes on sending to a connection that is no more is told so.
    eventually(DEADLINE, || async {
        match connection.try_write(b"\r\n") {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => false,
            written => written.is_err(),
        }
    })
    .await;
}

#[tokio::test]
async fn a_slow_reader_that_reads_on_stays_and_is_skipped_to_the_newest() {
    let (_redis, producer, app) = large_poll().await;
    let writer = producer.voting().await;
    let mut slow = ask(&app, &format!("{}/stream?view=rows", results())).await;
    let (mut read, mut votes) = (String::new(), 0_u64);
    let mut buffer = vec![0; 4096];
    // Far less than is sent, and for far longer than nothing may be read: what it does is what is tried here.
    let mut pace = tokio::time::interval(UNREAD / 8);
    let began = std::time::Instant::now();
    while began.elapsed() < UNREAD * 5 {
        pace.tick().await;
        writer.vote(ANA, voting()).await;
        votes += 1;
        let count = slow.read(&mut buffer).await.expect("no cut");
        assert!(count > 0, "no end");
        read.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    assert_eq!(readers(&app).await, 1);
    // Now it reads as fast as it can, and comes to the newest without all that were between.
    let newest = format!("\"total_votes\":{votes},");
    tokio::time::timeout(DEADLINE, async {
        while !read.contains(&newest) {
            let count = slow.read(&mut buffer).await.expect("no cut");
            assert!(count > 0, "no end");
            read.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    })
    .await
    .expect("the newest");
    let skipped = app.count("vote_stream_skipped_events_total", &["rows"]);
    let events = app.count("vote_stream_events_total", &["rows"]);
    let (skipped, events) = (skipped.await, events.await);
    assert!(skipped > 0, "{events} were sent");
    assert_eq!(ends(&app, "left").await + ends(&app, "unread").await, 0);
    drop(slow);
    eventually(DEADLINE, || async { ends(&app, "left").await == 1 }).await;
    writer.end().await;
}
