//! `votectl load` against a real ingest service.

mod counting;
mod ending;
mod network;

use crate::support::{PATIENCE, json, poll_file, service, votectl};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vote_testkit::{ChildProcess, Exit, RedisServer};

/// An ingest service on this Redis, ready to take votes in the demo poll.
async fn ingest(server: &RedisServer) -> (ChildProcess, SocketAddr) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    json(server, &format!("poll apply {}", poll_file(dir.path()))).await;
    json(server, "poll open paredao-01").await;
    service("vote-ingest", server).await
}

/// The demo poll, open, on a Redis that no service uses.
async fn redis_with_poll() -> RedisServer {
    let server = RedisServer::start().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    json(&server, &format!("poll apply {}", poll_file(dir.path()))).await;
    json(&server, "poll open paredao-01").await;
    server
}

/// Starts a load, and waits until it has begun to send.
async fn begun(server: &RedisServer, line: &str) -> ChildProcess {
    let mut load = votectl()
        .args(["--redis", &server.url(), "load", "--output", "json"])
        .args(line.split(' '))
        .spawn();
    load.wait_for_line(PATIENCE, |line| line.contains("Ctrl-C"))
        .await;
    load
}

/// What a load that has ended has printed.
fn report(exit: &Exit) -> Value {
    serde_json::from_str(&exit.stdout())
        .unwrap_or_else(|_| panic!("no report: {}{}", exit.stdout(), exit.stderr()))
}

/// An ingest service that takes connections and requests, and never answers: as one that is stopped does.
struct Hanging {
    listener: TcpListener,
    /// Held, so that they stay open.
    taken: Vec<TcpStream>,
}

impl Hanging {
    async fn start() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0")
                .await
                .expect("a port is free"),
            taken: Vec::new(),
        }
    }

    fn url(&self) -> String {
        format!(
            "http://{}",
            self.listener
                .local_addr()
                .expect("a listener has an address")
        )
    }

    /// Waits until so many requests have come, each on a connection of its own.
    async fn requests(&mut self, count: usize) {
        for _ in 0..count {
            let (mut stream, _) = self.listener.accept().await.expect("somebody connects");
            stream.read_u8().await.expect("the peer is there");
            self.taken.push(stream);
        }
    }
}

/// An ingest service that accepts every vote and counts none. Takes what comes in one read for one request, as it is
/// with this client.
async fn accepting() -> String {
    const ANSWER: &[u8] =
        b"HTTP/1.1 201 Created\r\ncontent-length: 21\r\n\r\n{\"status\":\"accepted\"}";
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let url = format!(
        "http://{}",
        listener.local_addr().expect("a listener has an address")
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0)
                    && stream.write_all(ANSWER).await.is_ok()
                {}
            });
        }
    });
    url
}
