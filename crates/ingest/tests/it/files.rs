//! A flood of clients under a small limit of open files.

use serde_json::json;
use tokio::net::TcpStream;
use vote_testkit::{ChildProcess, ChildProcessBuilder, eventually, free_port};

use crate::app::{DEADLINE, POLL, Show};

/// The service, which may open no more files than that.
fn limited(files: u32) -> ChildProcessBuilder {
    ChildProcess::builder("sh")
        .arg("-c")
        .arg(format!("ulimit -n {files}; exec \"$0\""))
        .arg(env!("CARGO_BIN_EXE_vote-ingest"))
        .env("VOTE__HTTP__WORKERS", "1")
        .env("VOTE__REDIS__POOL_SIZE", "64")
}

#[tokio::test]
async fn a_flood_of_clients_takes_no_file_from_redis_or_the_operators() {
    let show = Show::open().await;
    let address = format!("127.0.0.1:{}", free_port());
    let admin = format!("127.0.0.1:{}", free_port());
    let process = limited(400)
        .env("VOTE__REDIS__URL", show.redis.url())
        .env("VOTE__HTTP__BIND", &address)
        .env("VOTE__ADMIN__BIND", &admin)
        // Whoever has connected and says nothing stays.
        .env("VOTE__HTTP__CLIENT_REQUEST_TIMEOUT_MS", "600000")
        .spawn();
    let client = reqwest::Client::new();
    let is_ready = || async {
        let ready = client.get(format!("http://{admin}/readyz")).send().await;
        ready.is_ok_and(|answer| answer.status().is_success())
    };
    eventually(DEADLINE, is_ready).await;
    let vote = |key: String| {
        client
            .post(format!("http://{address}/v1/polls/{POLL}/votes"))
            .header("Idempotency-Key", key)
            .json(&json!({ "candidate": "ana" }))
            .send()
    };
    let first = vote("first".to_owned()).await.expect("an answer");
    assert_eq!(first.status(), 201);
    drop(first.bytes().await);

    let mut flood = Vec::new();
    for _ in 0..400 {
        flood.push(TcpStream::connect(&address).await.expect("queued at least"));
    }
    // All connections to Redis are lost, and new ones found room.
    let mut redis = show.redis.connection().await;
    let mut kill = redis::cmd("CLIENT");
    kill.arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]);
    kill.exec_async(&mut redis).await.expect("killed");
    eventually(DEADLINE, || async {
        let answer = vote("second".to_owned()).await.expect("an answer");
        answer.status().is_success()
    })
    .await;
    let fresh = reqwest::Client::new();
    let metrics = fresh.get(format!("http://{admin}/metrics")).send().await;
    let metrics = metrics.expect("an answer").text().await.expect("text");
    let open = metrics
        .lines()
        .find_map(|line| line.strip_prefix("process_open_fds "))
        .and_then(|open| open.parse::<u32>().ok())
        .expect("a number");
    assert!((200..330).contains(&open), "{open} of 400");
    assert!(is_ready().await);
    let said = process.lines();
    let said = said
        .iter()
        .find(|line| line.text.contains("fewer connections"));
    assert!(said.is_some_and(|line| line.text.contains("LimitNOFILE")));
    drop(flood);
    assert_eq!(show.total().await, 2);
}

#[tokio::test]
async fn with_no_file_left_for_clients_it_does_not_start_and_says_what_to_do() {
    let show = Show::open().await;
    let mut process = limited(200)
        .env("VOTE__REDIS__URL", show.redis.url())
        .env("VOTE__HTTP__BIND", "127.0.0.1:0")
        .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
        .spawn();
    let exit = process.wait(DEADLINE).await;
    assert_ne!(exit.code(), Some(0));
    let said = format!("{}{}", exit.stdout(), exit.stderr());
    assert!(
        said.contains("200 files") && said.contains("ulimit -n"),
        "{said}"
    );
}
