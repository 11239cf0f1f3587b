//! Bad input: a clear problem, and nothing recorded.

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::{Answer, App, DEADLINE, POLL, Show};

async fn raw(app: &App, content_type: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
    let mut request = app.post(POLL).body(body);
    if let Some(content_type) = content_type {
        request = request.header(CONTENT_TYPE, content_type);
    }
    Answer::of(request).await
}

#[tokio::test]
async fn bodies_that_are_not_a_vote_are_refused_by_name() {
    let show = Show::open().await;
    let app = show.app().await;
    let cases: [(&str, &[u8]); 15] = [
        ("EOF", b""),
        ("EOF", b"{"),
        ("JSON object", b"[]"),
        ("JSON object", b"[\"ana\",\"torcida\",\"eliminate\",\"\"]"),
        ("JSON object", b"\"ana\""),
        ("missing field `candidate`", b"{}"),
        ("unknown field `candidat`", b"{\"candidat\":\"ana\"}"),
        (
            "duplicate field `candidate`",
            b"{\"candidate\":\"ana\",\"candidate\":\"bia\"}",
        ),
        ("invalid type: null", b"{\"candidate\":null}"),
        (
            "invalid type: null",
            b"{\"candidate\":\"ana\",\"channel\":null}",
        ),
        (
            "invalid type: null",
            b"{\"candidate\":\"ana\",\"direction\":null}",
        ),
        ("invalid type: integer", b"{\"candidate\":1}"),
        ("direction", b"{\"candidate\":\"ana\",\"direction\":\"up\"}"),
        (
            "trailing",
            b"{\"candidate\":\"ana\"}{\"candidate\":\"ana\"}",
        ),
        ("", b"{\"candidate\":\"\xff\xfe\"}"),
    ];
    for (says, body) in cases {
        let answer = raw(&app, Some("application/json"), body.to_vec()).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{:?}: {answer:?}",
            String::from_utf8_lossy(body)
        );
        assert_eq!(answer.code(), "malformed-body");
        assert!(
            answer.detail().contains(says),
            "{answer:?} does not say {says:?}"
        );
    }
    assert_eq!(show.total().await, 0);
}

#[tokio::test]
async fn a_huge_body_is_refused_unread() {
    let show = Show::open().await;
    let app = show.app().await;
    let answer = raw(&app, Some("application/json"), vec![b' '; 1 << 20]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (413, "body-too-large")
    );
    assert_eq!(show.total().await, 0);
    assert!(
        app.vote("ana", None).await.is_accepted(),
        "the service goes on"
    );
}

/// A client that keeps its connection by a byte a minute.
#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let show = Show::open().await;
    let app = show
        .app_with(&[("VOTE__HTTP__CLIENT_REQUEST_TIMEOUT_MS", "300")])
        .await;
    let address = app.url.trim_start_matches("http://");
    for part in [
        "content-length: 19\r\n\r\n{",
        "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    ] {
        let mut connection = TcpStream::connect(address).await.expect("connected");
        let head = format!(
            "POST /v1/polls/{POLL}/votes HTTP/1.1\r\nhost: vote\r\ncontent-type: application/json\r\n"
        );
        connection
            .write_all(format!("{head}{part}").as_bytes())
            .await
            .expect("sent");
        let mut answer = String::new();
        // To the end: the connection is closed.
        let read = connection.read_to_string(&mut answer);
        timeout(DEADLINE, read).await.expect(part).expect("read");
        assert!(answer.starts_with("HTTP/1.1 408 "), "{part}: {answer}");
        assert!(answer.contains("\"code\":\"request-timeout\""), "{answer}");
        assert!(answer.contains("within 300 ms"), "{answer}");
    }
    assert_eq!(show.total().await, 0);
    assert!(app.vote("ana", None).await.is_accepted());
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let show = Show::open().await;
    let app = show.app().await;
    let body = "{\"candidate\":\"ana\"}";
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonx"),
        Some(""),
    ] {
        let answer = raw(&app, content_type, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (415, "unsupported-media-type"),
            "{content_type:?}"
        );
    }
    assert!(
        raw(&app, Some("Application/JSON; charset=utf-8"), body)
            .await
            .is_accepted()
    );
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn unknown_candidates_and_channels_are_named() {
    let show = Show::open().await;
    let app = show.app().await;
    let long = "x".repeat(300);
    for id in [
        "caio",
        "",
        "../ana",
        "ANA",
        "ana ",
        "torcida/ana",
        long.as_str(),
    ] {
        let candidate = app.send(serde_json::json!({ "candidate": id })).await;
        assert_eq!(
            (candidate.status.as_u16(), candidate.code()),
            (422, "unknown-candidate"),
            "{id:?}"
        );
        assert!(candidate.detail().len() < 200, "{candidate:?}");
        let channel = app
            .send(serde_json::json!({ "candidate": "ana", "channel": id }))
            .await;
        assert_eq!(
            (channel.status.as_u16(), channel.code()),
            (422, "unknown-channel"),
            "{id:?}"
        );
    }
    assert_eq!(show.total().await, 0);
}

#[tokio::test]
async fn hostile_poll_ids_are_refused() {
    let show = Show::open().await;
    let app = show.app().await;
    let long = "x".repeat(300);
    let body = serde_json::json!({ "candidate": "ana" });
    for (id, status) in [
        ("paredao-02", 404),
        (long.as_str(), 400),
        ("..%2Fparedao-01", 400),
        ("%7Bparedao-01%7D", 400),
        ("paredao-01%00", 400),
        ("%FF%FE", 400),
        ("Paredao-01", 400),
        ("%20", 400),
    ] {
        let answer = Answer::of(app.post(id).json(&body)).await;
        assert_eq!(answer.status.as_u16(), status, "{id:?}: {answer:?}");
    }
    // An empty id is another path.
    assert_eq!(
        Answer::of(app.post("").json(&body)).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(show.total().await, 0);
}

#[tokio::test]
async fn bad_idempotency_keys_are_refused() {
    let show = Show::open().await;
    let app = show.app().await;
    let long = "k".repeat(1_000);
    for key in [
        "",
        "\"\"",
        "two words",
        "\"unfinished",
        "a,b",
        long.as_str(),
    ] {
        let answer = app.vote("ana", Some(key)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "invalid-idempotency-key"),
            "{key:?}"
        );
        assert!(
            !answer.detail().contains("unfinished"),
            "keys are never repeated"
        );
    }
    let bytes = reqwest::header::HeaderValue::from_bytes("chave-é".as_bytes()).expect("a header");
    let body = serde_json::json!({ "candidate": "ana" });
    let answer = Answer::of(app.post(POLL).header("Idempotency-Key", bytes).json(&body)).await;
    assert_eq!(answer.code(), "invalid-idempotency-key");
    let twice = app
        .post(POLL)
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "b");
    assert_eq!(
        Answer::of(twice.json(&body)).await.code(),
        "invalid-idempotency-key"
    );
    assert!(app.vote("ana", Some(&"k".repeat(255))).await.is_accepted());
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let show = Show::open().await;
    let app = show.app().await;
    for method in [
        reqwest::Method::GET,
        reqwest::Method::PUT,
        reqwest::Method::DELETE,
    ] {
        let request = app
            .client
            .request(method.clone(), format!("{}/v1/polls/{POLL}/votes", app.url));
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.headers["allow"], "POST", "{method}");
    }
    // Nothing here reads: the results are another service's.
    for path in [
        "/v1/polls",
        "/v1/polls/paredao-01",
        "/v1/polls/paredao-01/results",
        "/metrics",
    ] {
        let answer = Answer::of(app.client.get(format!("{}{path}", app.url))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}
