//! What the tests share: the binary, its answers, poll files.

use jiff::SignedDuration;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use vote_client::connection::Connection;
use vote_client::get;
use vote_domain::{Clock, wire_time};
use vote_runtime::SystemClock;
use vote_testkit::{
    Certificates, ChildProcess, ChildProcessBuilder, Exit, RedisServer, eventually, free_port,
};
use votectl::built_in::DEMO_FILE;

/// Longer than anything takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The binary, without the settings that the test itself may be run with.
pub(crate) fn votectl() -> ChildProcessBuilder {
    let votectl = ChildProcess::builder(env!("CARGO_BIN_EXE_votectl"))
        .env_remove("VOTE__REDIS__URL")
        .env("VOTECTL_STATE_DIR", "off")
        .env("USER", "tester");
    // The way to the internet of the machine that runs the tests.
    ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]
        .into_iter()
        .fold(votectl, |votectl, name| {
            votectl
                .env_remove(name)
                .env_remove(&name.to_ascii_uppercase())
        })
}

/// A binary of another crate: cargo puts them beside ours.
pub(crate) fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_votectl")).with_file_name(name);
    assert!(
        path.exists(),
        "{name} is not built: `make test` builds it first, as `cargo build --workspace --bins` does"
    );
    path
}

/// A service on this Redis, ready; gives its public address.
pub(crate) async fn service(name: &str, server: &RedisServer) -> (ChildProcess, SocketAddr) {
    service_at(name, &server.url()).await
}

/// The same on the Redis of that address.
pub(crate) async fn service_at(name: &str, redis: &str) -> (ChildProcess, SocketAddr) {
    service_with(name, redis, &[]).await
}

/// The same with these settings besides.
pub(crate) async fn service_with(
    name: &str,
    redis: &str,
    settings: &[(&str, &str)],
) -> (ChildProcess, SocketAddr) {
    let (port, admin) = (free_port(), free_port());
    let mut service = ChildProcess::builder(binary(name))
        .env("VOTE__REDIS__URL", redis)
        .env("VOTE__HTTP__BIND", format!("127.0.0.1:{port}"))
        .env("VOTE__ADMIN__BIND", format!("127.0.0.1:{admin}"))
        .env("VOTE__SHUTDOWN__GRACE_MS", "0");
    for (name, value) in settings {
        service = service.env(name, value);
    }
    let service = service.spawn();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    eventually(PATIENCE, || async move {
        let answer = get(address, "/readyz", Duration::from_secs(1)).await;
        matches!(answer, Some((200, _)))
    })
    .await;
    (service, address)
}

/// Runs the command to its end.
pub(crate) async fn run(server: &RedisServer, line: &str) -> Exit {
    let command = votectl()
        .args(["--redis", &server.url()])
        .args(line.split(' '));
    command.spawn().wait(PATIENCE).await
}

/// As [`run`], and it must succeed; gives its JSON.
pub(crate) async fn json(server: &RedisServer, line: &str) -> Value {
    let exit = run(server, &format!("{line} --output json")).await;
    assert_eq!(
        exit.code(),
        Some(0),
        "{line}: {}{}",
        exit.stdout(),
        exit.stderr()
    );
    serde_json::from_str(&exit.stdout()).expect("it is JSON")
}

/// As [`run`], and it must fail with this code; gives what it says.
pub(crate) async fn fails(server: &RedisServer, line: &str, code: i32) -> String {
    let exit = run(server, line).await;
    assert_eq!(
        exit.code(),
        Some(code),
        "{line}: {}{}",
        exit.stdout(),
        exit.stderr()
    );
    exit.stderr()
}

/// The file of a poll that takes votes since an hour ago, for two days. No longer: whoever reads its minutes asks for
/// every hour.
pub(crate) fn poll_file(dir: &Path) -> String {
    let now = SystemClock.now();
    let opens_at = format!(
        "opens_at: {}",
        wire_time::format(now - SignedDuration::from_hours(1))
    );
    let closes_at = format!(
        "closes_at: {}",
        wire_time::format(now + SignedDuration::from_hours(47))
    );
    let text = DEMO_FILE
        .replace("opens_at: 2026-11-24T00:00:00Z", &opens_at)
        .replace("closes_at: 2026-11-26T00:00:00Z", &closes_at);
    assert!(text.contains(&opens_at) && text.contains(&closes_at));
    let file = dir.join("poll.yaml");
    std::fs::write(&file, text).expect("the file can be written");
    file.to_str().expect("the path is UTF-8").to_owned()
}

/// A Redis with the poll of [`poll_file`] as a draft; and that file, which is gone with its directory.
pub(crate) async fn applied() -> (RedisServer, tempfile::TempDir, String) {
    let server = RedisServer::start().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = poll_file(dir.path());
    json(&server, &format!("poll apply {file}")).await;
    (server, dir, file)
}

/// The same, after it was opened.
pub(crate) async fn opened() -> (RedisServer, tempfile::TempDir, String) {
    let (server, dir, file) = applied().await;
    json(&server, "poll open paredao-01").await;
    (server, dir, file)
}

/// Posts one vote, and gives its answer, which must be `201`.
pub(crate) async fn vote(address: SocketAddr, poll: &str) -> Value {
    let (status, answer) = vote_with(address, poll, "").await;
    assert_eq!(status, 201, "{answer}");
    answer
}

/// Posts one vote with these header lines besides, and gives the status and the answer.
pub(crate) async fn vote_with(address: SocketAddr, poll: &str, headers: &str) -> (u16, Value) {
    let mut connection = Connection::open(&address.into())
        .await
        .expect("the server takes connections");
    let body = r#"{"candidate":"ana"}"#;
    let request = format!(
        "POST /v1/polls/{poll}/votes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         {headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = connection
        .exchange(request.as_bytes())
        .await
        .expect("there is an answer");
    let body = serde_json::from_slice(answer.body).expect("it is JSON");
    (answer.status, body)
}

/// Stands in front of a service and speaks TLS for it, with the certificate of `localhost`; gives its base URL.
pub(crate) async fn tls_in_front_of(service: SocketAddr, certificates: &Certificates) -> String {
    let acceptor = TlsAcceptor::from(certificates.server_config());
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut outside = acceptor.accept(stream).await?;
                let mut inside = TcpStream::connect(service).await?;
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await
            });
        }
    });
    format!("https://localhost:{port}")
}
