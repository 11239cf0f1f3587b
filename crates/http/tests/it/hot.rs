//! Operations that are answered before the routes: the same edge, and all that they leave to the routes.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use vote_testkit::eventually;

use crate::support::{Answer, Connection, ask, ask_with, start};

const NO_GRACE: (&str, &str) = ("VOTE__SHUTDOWN__GRACE_MS", "0");
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether the sample's hot route has answered.
fn is_hot(answer: &Answer) -> bool {
    answer.header("x-answered-by") == Some("hot-route")
}

#[tokio::test]
async fn what_is_plainly_a_write_is_answered_before_the_routes_and_all_else_by_them() {
    let service = start(&[NO_GRACE]).await;
    let address = service.address();
    for (request, headers, body, status, hot) in [
        ("POST /v1/polls/known/votes", "", "ana", 201, true),
        ("POST /v1/polls/a-b_9/votes", "", "ana", 201, true),
        // An absolute address, as proxies send it, names the same path.
        (
            "POST http://test/v1/polls/known/votes",
            "",
            "ana",
            201,
            true,
        ),
        (
            "POST /v1/polls/known/votes",
            "Content-Length: 0\r\n",
            "",
            201,
            true,
        ),
        ("POST /v1/polls/known/votes", "", "", 201, false),
        ("POST /v1/polls/kn%6Fwn/votes", "", "ana", 201, false),
        ("POST /v1/polls/known/votes?_=1", "", "ana", 201, false),
        ("POST /v1/polls/known/votes?", "", "ana", 201, false),
        ("POST /v1/polls/known/votes?x=1", "", "ana", 400, false),
        ("POST /v1/polls//votes", "", "ana", 404, false),
        ("POST /v1/polls/a/b/votes", "", "ana", 404, false),
        ("POST /v1/polls/known/votes/", "", "ana", 404, false),
        ("POST /v1/polls/known/votesx", "", "ana", 404, false),
        ("PUT /v1/polls/known/votes", "", "ana", 405, false),
        ("GET /v1/polls/known/votes", "", "", 405, false),
    ] {
        let answer = ask_with(address, request, headers, body).await;
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        assert_eq!(is_hot(&answer), hot, "{request}: {answer:?}");
        if status == 201 {
            assert_eq!(answer.body, body, "{request}");
        }
    }
    let mut chunked = Connection::open(address).await.expect("a connection");
    chunked
        .send("POST /v1/polls/known/votes HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nana\r\n0\r\n\r\n")
        .await
        .expect("sent");
    let answer = chunked.answer(false).await.expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (201, "ana"));
    assert!(!is_hot(&answer), "{answer:?}");
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn a_read_is_answered_at_once_or_left_to_the_routes() {
    let service = start(&[NO_GRACE]).await;
    let address = service.address();
    let hot = ask(address, "GET /v1/polls/hot").await;
    assert_eq!((hot.status, hot.body.as_str()), (200, "hot"));
    assert!(is_hot(&hot), "{hot:?}");
    for (request, headers, body, status) in [
        ("GET /v1/polls/hot?_=1", "", "", 404),
        ("GET /v1/polls/hot?x=1", "", "", 400),
        ("HEAD /v1/polls/hot", "", "", 404),
        ("GET /v1/polls/hot", "", "a body", 404),
        ("GET /v1/polls/known", "", "", 200),
    ] {
        let answer = ask_with(address, request, headers, body).await;
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        assert!(!is_hot(&answer), "{request}: {answer:?}");
    }
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn both_ways_count_alike_and_pages_may_read_both() {
    let service = start(&[NO_GRACE, ("VOTE__HTTP__CORS_ALLOWED_ORIGINS", "*")]).await;
    let address = service.address();
    for request in [
        "POST /v1/polls/known/votes",
        "POST /v1/polls/known/votes?_=1",
    ] {
        let answer = ask_with(address, request, "Origin: https://a.example\r\n", "ana").await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    ask(address, "GET /v1/polls/hot").await;
    ask(address, "GET /v1/polls/known").await;
    let metrics = ask(service.admin_address(), "GET /metrics").await.body;
    for counted in [
        r#"http_server_request_duration_seconds_count{route="/v1/polls/{poll}/votes",method="POST",status="201"} 2"#,
        r#"http_server_request_duration_seconds_count{route="/v1/polls/{poll}",method="GET",status="200"} 2"#,
        "http_server_active_requests 0",
    ] {
        assert!(metrics.contains(counted), "{counted}: {metrics}");
    }
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn a_write_that_fails_is_a_problem_that_says_nothing_of_its_cause() {
    let service = start(&[NO_GRACE]).await;
    let answer = ask_with(service.address(), "POST /v1/polls/broken/votes", "", "ana").await;
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(answer.json()["code"], "internal");
    assert!(!answer.body.contains("the-hot-cause"), "{answer:?}");
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn a_body_is_bounded_in_size_and_in_time_and_may_come_in_pieces() {
    let bounds = [
        NO_GRACE,
        ("VOTE__HTTP__BODY_LIMIT_BYTES", "1024"),
        ("VOTE__HTTP__CLIENT_REQUEST_TIMEOUT_MS", "300"),
    ];
    let service = start(&bounds).await;
    let address = service.address();
    let large = ask_with(address, "POST /v1/polls/known/votes", "", &"x".repeat(1025)).await;
    assert_eq!(large.status, 413, "{large:?}");
    assert_eq!(large.json()["limit_bytes"], 1024);
    let whole = ask_with(address, "POST /v1/polls/known/votes", "", &"x".repeat(1024)).await;
    assert_eq!((whole.status, whole.body.len()), (201, 1024));

    let head = "POST /v1/polls/known/votes HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\n\r\n";
    let mut pieces = Connection::open(address).await.expect("a connection");
    pieces.send(head).await.expect("sent");
    for piece in ["a", "bc", "def"] {
        pieces.send(piece).await.expect("sent");
        tokio::task::yield_now().await;
    }
    let answer = pieces.answer(false).await.expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (201, "abcdef"));

    // Behind one that has come whole, on the same connection: nothing else wakes it.
    let first = "POST /v1/polls/known/votes HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nana";
    let mut late = Connection::open(address).await.expect("a connection");
    late.send(&format!("{first}{head}abc")).await.expect("sent");
    let answer = late.answer(false).await.expect("an answer");
    assert_eq!(answer.status, 201);
    let answer = match answer.body.split_once("HTTP/1.1 ") {
        Some((_, next)) => next.to_owned(),
        None => late.answer(false).await.expect("an answer").head,
    };
    assert!(answer.contains("408"), "{answer}");
    late.closed().await.expect("closed after it");
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn while_the_process_drains_each_answer_ends_its_connection() {
    let service = start(&[("VOTE__SHUTDOWN__GRACE_MS", "60000")]).await;
    let (address, lifecycle) = (service.address(), service.lifecycle().clone());
    let cut = CancellationToken::new();
    let stopping = tokio::spawn(service.shutdown(cut.clone()));
    eventually(PATIENCE, || async {
        if lifecycle.is_draining() {
            Ok(())
        } else {
            Err("not yet")
        }
    })
    .await;
    let answer = ask_with(address, "POST /v1/polls/known/votes", "", "ana").await;
    assert!(is_hot(&answer), "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"));
    cut.cancel();
    stopping.await.expect("no panic").expect("a clean stop");
}
