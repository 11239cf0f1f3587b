//! A feed is put to a data stream: as fast as that takes it, and never left there as fresh.
//!
//! The data stream is a stand-in: the real one is a third party's, with a private address for each stream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vote_client::get;
use vote_testkit::{ChildProcess, RedisServer, eventually};

use crate::support::{PATIENCE, fails, json, opened, service, vote, votectl};

const POLL: &str = "paredao-01";
const SECRET: &str = "private-address-of-the-stream";

/// What is answered to a request that is not taken.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Status(u16, &'static str),
    /// The connection ends without an answer.
    Cut,
}

/// A data stream that takes whatever JSON is put to it, and refuses first what it is told to.
struct DataStream {
    port: u16,
    taken: Arc<Mutex<Vec<(String, Value)>>>,
    refusals: Arc<Mutex<VecDeque<Refusal>>>,
}

impl DataStream {
    async fn start(refusals: &[Refusal]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let stream = Self {
            port: listener.local_addr().expect("bound").port(),
            taken: Arc::default(),
            refusals: Arc::new(Mutex::new(refusals.iter().copied().collect())),
        };
        let (taken, refusals) = (Arc::clone(&stream.taken), Arc::clone(&stream.refusals));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&taken), Arc::clone(&refusals)));
            }
        });
        stream
    }

    fn address_file(&self, dir: &tempfile::TempDir) -> String {
        let path = dir.path().join("stream-address");
        let address = format!("http://127.0.0.1:{}/datastreams/{SECRET}\n", self.port);
        std::fs::write(&path, address).expect("written");
        path.to_str().expect("text").to_owned()
    }

    fn newest(&self) -> Option<Value> {
        let taken = self.taken.lock().expect("not poisoned");
        taken.last().map(|(_, body)| body.clone())
    }

    async fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(PATIENCE, || async {
            let newest = self.newest().unwrap_or_default();
            if wanted(&newest) {
                Ok(newest)
            } else {
                Err(newest)
            }
        })
        .await
    }
}

async fn serve(
    mut connection: TcpStream,
    taken: Arc<Mutex<Vec<(String, Value)>>>,
    refusals: Arc<Mutex<VecDeque<Refusal>>>,
) {
    let mut received = Vec::new();
    loop {
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
            let mut more = [0; 4096];
            match connection.read(&mut more).await {
                Ok(read) if read > 0 => received.extend_from_slice(&more[..read]),
                _ => return,
            }
            continue;
        };
        let head = String::from_utf8(received[..end].to_vec()).expect("text");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse::<usize>().expect("a length"));
        while received.len() < end + 4 + length {
            let mut more = [0; 4096];
            match connection.read(&mut more).await {
                Ok(read) if read > 0 => received.extend_from_slice(&more[..read]),
                _ => return,
            }
        }
        let body: Vec<u8> = received.drain(..end + 4 + length).skip(end + 4).collect();
        let refusal = refusals.lock().expect("not poisoned").pop_front();
        let answer = match refusal {
            Some(Refusal::Cut) => return,
            Some(Refusal::Status(status, headers)) => {
                format!("HTTP/1.1 {status} No\r\n{headers}content-length: 0\r\n\r\n")
            }
            None => {
                let json = serde_json::from_slice(&body).expect("JSON");
                taken.lock().expect("not poisoned").push((head, json));
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned()
            }
        };
        if connection.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn pushing(
    stream: &DataStream,
    results: &str,
    dir: &tempfile::TempDir,
    options: &str,
) -> ChildProcess {
    let file = stream.address_file(dir);
    let line = format!("push {POLL} --results {results} --to-file {file} --rate 20{options}");
    votectl().args(line.split(' ')).spawn()
}

/// The open demo poll, both services on its Redis, and a vote.
async fn on_air() -> (
    RedisServer,
    tempfile::TempDir,
    [ChildProcess; 2],
    std::net::SocketAddr,
    String,
) {
    let (server, dir, _file) = opened().await;
    let (running, ingest) = service("vote-ingest", &server).await;
    let (publishing, results) = service("vote-results", &server).await;
    vote(ingest, POLL).await;
    (
        server,
        dir,
        [running, publishing],
        ingest,
        format!("http://{results}"),
    )
}

#[tokio::test]
async fn what_is_new_is_put_there_once_and_at_last_that_nothing_is_on_air() {
    let (server, dir, _services, ingest, results) = on_air().await;
    let stream = DataStream::start(&[]).await;
    let mut push = pushing(&stream, &results, &dir, " --rows 6 --sort rank --lang en");
    let first = stream.until(|feed| feed["c1_votes"] == 1).await;
    assert_eq!(
        (&first["on_air"], &first["c1_name"], &first["rows"]),
        (&true.into(), &"Ana".into(), &6.into())
    );
    assert_eq!(first["c1_percent_text"], "100.00%");
    let (head, _) = stream.taken.lock().expect("not poisoned")[0].clone();
    assert!(
        head.starts_with(&format!("PUT /datastreams/{SECRET} HTTP/1.1\r\n")),
        "{head}"
    );
    assert!(head.contains("content-type: application/json"), "{head}");
    vote(ingest, POLL).await;
    stream.until(|feed| feed["c1_votes"] == 2).await;
    json(&server, &format!("poll hold {POLL}")).await;
    let held = stream.until(|feed| feed["release"] == "held").await;
    assert_eq!(
        (&held["on_air"], &held["c1_votes"]),
        (&false.into(), &2.into())
    );
    json(&server, &format!("poll release {POLL} --yes")).await;
    stream.until(|feed| feed["on_air"] == true).await;
    push.signal(Signal::TERM);
    let exit = push.wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(0), "{exit:?}");
    let last = stream.newest().expect("a feed");
    assert_eq!(
        (&last["on_air"], &last["status"], &last["c1_votes"]),
        (&false.into(), &"stale".into(), &2.into())
    );
    // No two that follow each other are the same.
    let taken = stream.taken.lock().expect("not poisoned").clone();
    assert!(
        taken.windows(2).all(|two| two[0].1 != two[1].1),
        "{taken:#?}"
    );
    assert!(
        exit.stdout()
            .contains(&format!("{} feeds were taken, 0 refused", taken.len())),
        "{exit:?}"
    );
    assert!(!format!("{exit:?}").contains(SECRET), "{exit:?}");
}

#[tokio::test]
async fn a_stream_that_refuses_gets_the_newest_later_and_the_feed_s_own_silence_is_said() {
    let (_server, dir, [_running, publishing], ingest, results) = on_air().await;
    let stream = DataStream::start(&[
        Refusal::Status(429, "retry-after: 1\r\n"),
        Refusal::Cut,
        Refusal::Status(503, ""),
    ])
    .await;
    let mut push = pushing(&stream, &results, &dir, " --format rows");
    eventually(PATIENCE, || async {
        stream
            .refusals
            .lock()
            .expect("not poisoned")
            .is_empty()
            .then_some(())
    })
    .await;
    vote(ingest, POLL).await;
    let rows = stream.until(|rows| rows[0]["votes"] == 2).await;
    assert_eq!(rows[1]["on_air"], true);
    // Results is gone, and what lies in the data stream must not go on being on air.
    publishing.kill9();
    let rows = stream.until(|rows| rows[0]["on_air"] == false).await;
    assert_eq!(
        (&rows[0]["status"], &rows[3]["on_air"]),
        (&"stale".into(), &false.into())
    );
    push.signal(Signal::INT);
    let exit = push.wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(0), "{exit:?}");
    for part in [
        "it answers 429",
        "connection cut",
        "it answers 503",
        "the feed can't be read: no connection",
    ] {
        assert!(exit.stderr().contains(part), "{part}: {exit:?}");
    }
    assert!(exit.stdout().contains("3 refused"), "{exit:?}");
    assert!(!format!("{exit:?}").contains(SECRET), "{exit:?}");
}

#[tokio::test]
async fn what_can_not_be_right_ends_it_and_shows_no_secret() {
    let (server, dir, _services, _ingest, results) = on_air().await;
    let stream = DataStream::start(&[Refusal::Status(404, "")]).await;
    let exit = pushing(&stream, &results, &dir, "").wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(1), "{exit:?}");
    assert!(
        exit.stderr()
            .contains("the data stream (--to-file): it answers 404"),
        "{exit:?}"
    );
    assert!(!format!("{exit:?}").contains(SECRET), "{exit:?}");
    let exit = pushing(&stream, &results, &dir, " --max-bytes 256")
        .wait(PATIENCE)
        .await;
    assert_eq!(exit.code(), Some(1), "{exit:?}");
    assert!(
        exit.stderr().contains("more than --max-bytes 256"),
        "{exit:?}"
    );
    json(&server, &format!("poll visibility {POLL} embargoed")).await;
    let address = results
        .trim_start_matches("http://")
        .parse()
        .expect("an address");
    eventually(PATIENCE, || async move {
        let path = format!("/v1/polls/{POLL}/results.csv");
        let answer = get(address, &path, Duration::from_secs(1)).await;
        matches!(answer, Some((403, _)))
    })
    .await;
    let exit = pushing(&stream, &results, &dir, "").wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(1), "{exit:?}");
    assert!(exit.stderr().contains("403 figures-restricted"), "{exit:?}");
    assert_eq!(stream.newest(), None);
    // Wrong files and addresses are told by their option alone.
    let file = dir.path().join("wrong");
    for (text, said) in [
        (format!("ftp://x/{SECRET}"), "--to-file: it is no base URL"),
        (
            format!("https://u:{SECRET}@host/"),
            "--to-file: it is no base URL",
        ),
        (String::new(), "the file is empty"),
    ] {
        std::fs::write(&file, text).expect("written");
        let line = format!("push {POLL} --to-file {}", file.display());
        let error = fails(&server, &line, 2).await;
        assert!(error.contains(said) && !error.contains(SECRET), "{error}");
    }
    let missing = format!("push {POLL} --to-file {}/none", dir.path().display());
    assert!(fails(&server, &missing, 2).await.contains("can't be read"));
}
