//! Stopping: no accepted request is lost, no connection is reset, and it ends in bounded time.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use vote_http::StopError;
use vote_testkit::eventually;

use crate::support::{Connection, ask, start};

/// Asks on kept-alive connections as a client behind a load balancer does: once an answer says
/// `Connection: close` it asks on no more; whatever it has asked must be answered. Returns the answers.
async fn load(address: SocketAddr, path: &'static str) -> std::io::Result<u64> {
    let mut connection = Connection::open(address).await?;
    let mut answers = 0;
    loop {
        let answer = connection.ask(&format!("GET {path}"), "").await?;
        assert_eq!(answer.status, 200);
        answers += 1;
        if answer
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
        {
            connection.closed().await?;
            return Ok(answers);
        }
    }
}

/// Waits until so many requests are being answered.
async fn active(admin: SocketAddr, requests: u64) {
    eventually(Duration::from_secs(20), || async {
        let metrics = ask(admin, "GET /metrics").await.body;
        let gauge = metrics
            .lines()
            .find_map(|line| line.strip_prefix("http_server_active_requests "));
        gauge
            .and_then(|gauge| gauge.parse::<u64>().ok())
            .is_some_and(|active| active >= requests)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_under_load_are_all_answered_and_none_is_reset() {
    let service = start(&[("VOTE__SHUTDOWN__GRACE_MS", "1000")]).await;
    let address = service.address();
    let drained = service.service().drained();
    let clients: Vec<_> = (0..64)
        .map(|client| {
            tokio::spawn(load(
                address,
                if client % 2 == 0 {
                    "/v1/polls/known"
                } else {
                    "/v1/slow?ms=20"
                },
            ))
        })
        .collect();
    let admin = service.admin_address();
    active(admin, 16).await;

    let lifecycle = service.lifecycle().clone();
    let stop = tokio::spawn(service.shutdown(CancellationToken::new()));
    lifecycle.draining().cancelled().await;
    // Still served in the grace, on new connections too, but not ready any more.
    let ready = ask(address, "GET /readyz").await;
    assert_eq!(
        (ready.status, ready.json()["status"].as_str()),
        (503, Some("draining"))
    );
    assert_eq!(
        ready.header("connection").map(str::to_lowercase).as_deref(),
        Some("close")
    );
    assert_eq!(ask(address, "GET /v1/polls/known").await.status, 200);
    assert_eq!(ask(admin, "GET /readyz").await.status, 503);
    assert_eq!(ask(admin, "GET /metrics").await.status, 200);

    let mut answers = 0;
    for client in clients {
        answers += client
            .await
            .expect("a client")
            .expect("no connection is reset");
    }
    assert!(answers > 64, "{answers} answers");
    assert_eq!(stop.await.expect("a stop"), Ok(()));
    assert!(drained.load(Ordering::Relaxed), "the service has drained");
    assert!(
        Connection::open(address).await.is_err(),
        "nothing listens any more"
    );
    assert!(
        Connection::open(admin).await.is_err(),
        "nothing listens any more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_hold_the_stop_up() {
    let service = start(&[
        ("VOTE__SHUTDOWN__GRACE_MS", "0"),
        ("VOTE__SHUTDOWN__DRAIN_TIMEOUT_MS", "20000"),
        ("VOTE__HTTP__KEEP_ALIVE_S", "600"),
        ("VOTE__HTTP__CLIENT_REQUEST_TIMEOUT_MS", "600000"),
    ])
    .await;
    // Connections are accepted in their order: once the later one was answered, both are.
    let mut unused = Connection::open(service.address())
        .await
        .expect("a connection");
    let mut used = Connection::open(service.address())
        .await
        .expect("a connection");
    assert_eq!(
        used.ask("GET /v1/polls/known", "")
            .await
            .expect("an answer")
            .status,
        200
    );

    let started = Instant::now();
    assert_eq!(service.shutdown(CancellationToken::new()).await, Ok(()));
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "took {:?}",
        started.elapsed()
    );
    used.closed().await.expect("closed in good order");
    unused.closed().await.expect("closed in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_open_when_the_grace_ends_is_answered() {
    let service = start(&[("VOTE__SHUTDOWN__GRACE_MS", "0")]).await;
    let mut connection = Connection::open(service.address())
        .await
        .expect("a connection");
    connection
        .send("GET /v1/slow?ms=1500 HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .expect("sent");
    active(service.admin_address(), 1).await;
    let stop = tokio::spawn(service.shutdown(CancellationToken::new()));
    let answer = connection.answer(false).await.expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (200, "slow"));
    assert_eq!(stop.await.expect("a stop"), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_end_is_cut_off_at_the_bound_and_reported() {
    let service = start(&[
        ("VOTE__SHUTDOWN__GRACE_MS", "0"),
        ("VOTE__SHUTDOWN__DRAIN_TIMEOUT_MS", "500"),
    ])
    .await;
    let drained = service.service().drained();
    let mut connection = Connection::open(service.address())
        .await
        .expect("a connection");
    connection
        .send("GET /v1/slow?ms=60000 HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .expect("sent");
    active(service.admin_address(), 1).await;
    let started = Instant::now();
    assert_eq!(
        service.shutdown(CancellationToken::new()).await,
        Err(StopError::Requests(500))
    );
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "took {:?}",
        started.elapsed()
    );
    assert!(
        drained.load(Ordering::Relaxed),
        "what was accepted is drained all the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_drain_is_reported() {
    let service = start(&[
        ("VOTE__SHUTDOWN__GRACE_MS", "0"),
        ("VOTE__SHUTDOWN__DRAIN_TIMEOUT_MS", "400"),
        ("VOTE__COMMIT__QUEUE_CAPACITY", "7"),
    ])
    .await;
    let started = Instant::now();
    assert_eq!(
        service.shutdown(CancellationToken::new()).await,
        Err(StopError::Service(400))
    );
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "took {:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_votes_that_are_left_over_are_reported_before_anything_else() {
    let service = start(&[
        ("VOTE__SHUTDOWN__GRACE_MS", "0"),
        ("VOTE__SHUTDOWN__DRAIN_TIMEOUT_MS", "500"),
        ("VOTE__COMMIT__QUEUE_CAPACITY", "9"),
    ])
    .await;
    let mut connection = Connection::open(service.address())
        .await
        .expect("a connection");
    connection
        .send("GET /v1/slow?ms=60000 HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .expect("sent");
    active(service.admin_address(), 1).await;
    let stopped = service.shutdown(CancellationToken::new()).await;
    assert!(
        matches!(stopped, Err(StopError::Unrecorded { votes: 9, .. })),
        "{stopped:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_can_be_cut_short_and_tokens_tell_the_stages() {
    let service = start(&[("VOTE__SHUTDOWN__GRACE_MS", "60000")]).await;
    let lifecycle = service.lifecycle().clone();
    assert!(!lifecycle.is_draining());
    let skip = CancellationToken::new();
    let stop = tokio::spawn(service.shutdown(skip.clone()));
    lifecycle.draining().cancelled().await;
    assert!(!lifecycle.stopped().is_cancelled());
    skip.cancel();
    assert_eq!(stop.await.expect("a stop"), Ok(()));
    assert!(lifecycle.stopped().is_cancelled());
}
