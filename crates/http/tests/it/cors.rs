//! What browsers let pages of other origins ask and read: on every answer, whoever makes it.

use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;
use vote_http::Running;

use crate::support::{Answer, Connection, Sample, ask, ask_with, start};

const NO_GRACE: (&str, &str) = ("VOTE__SHUTDOWN__GRACE_MS", "0");
const ORIGINS: &str = "VOTE__HTTP__CORS_ALLOWED_ORIGINS";
const EXPOSED: &str = "Accept-Encoding, Allow, Content-Location, Date, ETag, Figures-Confirmed-At, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id";

async fn service(origins: &str, over: &[(&str, &str)]) -> Running<Sample> {
    let mut settings = vec![
        NO_GRACE,
        (ORIGINS, origins),
        ("VOTE__HTTP__BODY_LIMIT_BYTES", "64"),
        ("VOTE__HTTP__CLIENT_REQUEST_TIMEOUT_MS", "500"),
    ];
    settings.extend(over);
    start(&settings).await
}

async fn stop(service: Running<Sample>) {
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

/// One answer of each kind that the public port gives, with the status that it has.
async fn answers(service: &Running<Sample>, origin: &str) -> Vec<(&'static str, u16, Answer)> {
    let address = service.address();
    let votes = "POST /v1/polls/known/votes";
    let large = "x".repeat(65);
    let etag = ask(address, "GET /openapi.json").await;
    let etag = etag.header("etag").expect("an ETag");
    let known = format!("{origin}If-None-Match: {etag}\r\n");
    let gzip = format!("{origin}Content-Encoding: gzip\r\n");
    let broken = format!("{origin}Transfer-Encoding: chunked\r\n\r\nzz\r\n");
    let asked = [
        ("GET /v1/polls/known", 200, origin, ""),
        ("HEAD /v1/polls/known", 200, origin, ""),
        (votes, 201, origin, "ana"),
        ("GET /openapi.json", 304, &known, ""),
        ("GET /swagger-ui", 308, origin, ""),
        ("GET /swagger-ui/", 200, origin, ""),
        ("GET /healthz", 200, origin, ""),
        ("GET /problems", 200, origin, ""),
        ("GET /v1/polls/known?x=1", 400, origin, ""),
        ("GET /v1/slow?ms=x", 400, origin, ""),
        (votes, 400, &broken, ""),
        ("GET /v1/polls/none", 404, origin, ""),
        ("GET /nowhere", 404, origin, ""),
        ("GET /v1/polls/known/", 404, origin, ""),
        ("DELETE /v1/polls/known", 405, origin, ""),
        ("OPTIONS /v1/polls/known", 405, origin, ""),
        ("BREW /v1/polls/known", 405, origin, ""),
        (votes, 413, origin, &large),
        (votes, 415, &gzip, "x"),
        ("GET /v1/boom", 500, origin, ""),
        ("GET /v1/plain", 500, origin, ""),
    ];
    let mut answers = Vec::new();
    for (request, status, headers, body) in asked {
        let answer = ask_with(address, request, headers, body).await;
        answers.push((request, status, answer));
    }
    let mut late = Connection::open(address).await.expect("a connection");
    let head = format!("{votes} HTTP/1.1\r\nHost: test\r\n{origin}Content-Length: 9\r\n\r\nx");
    late.send(&head).await.expect("sent");
    answers.push(("a late body", 408, late.answer(false).await.expect("408")));
    service.service().ready.store(false, Ordering::Relaxed);
    let unready = ask_with(address, "GET /readyz", origin, "").await;
    answers.push(("GET /readyz", 503, unready));
    answers
}

fn vary(answer: &Answer) -> Vec<String> {
    let vary = answer.header("vary").unwrap_or_default();
    vary.split(", ").map(str::to_lowercase).collect()
}

#[tokio::test]
async fn where_any_page_may_read_every_answer_says_so_with_and_without_an_origin() {
    for origin in ["", "Origin: https://a.example\r\n", "Origin: null\r\n"] {
        let service = service("*", &[]).await;
        for (request, status, answer) in answers(&service, origin).await {
            assert_eq!(answer.status, status, "{request}: {answer:?}");
            assert_eq!(
                (
                    answer.header("access-control-allow-origin"),
                    answer.header("access-control-expose-headers")
                ),
                (Some("*"), Some(EXPOSED)),
                "{request}"
            );
            // It is the same for all.
            assert!(!vary(&answer).contains(&"origin".to_owned()), "{request}");
        }
        stop(service).await;
    }
}

#[tokio::test]
async fn where_some_may_every_answer_depends_on_the_origin() {
    for (origin, allowed) in [
        ("", None),
        ("Origin: https://a.example\r\n", Some("https://a.example")),
        ("Origin: https://evil.example\r\n", None),
        ("Origin: https://a.example.evil.example\r\n", None),
        ("Origin: null\r\n", None),
        ("Origin: \r\n", None),
        ("Origin: \u{e1}\r\n", None),
    ] {
        let service = service("https://A.example:443, https://b.example", &[]).await;
        for (request, status, answer) in answers(&service, origin).await {
            assert_eq!(answer.status, status, "{request}: {answer:?}");
            assert_eq!(
                (
                    answer.header("access-control-allow-origin"),
                    answer.header("access-control-expose-headers")
                ),
                (allowed, allowed.and(Some(EXPOSED))),
                "{origin}{request}"
            );
            assert!(vary(&answer).contains(&"origin".to_owned()), "{request}");
        }
        stop(service).await;
    }
}

#[tokio::test]
async fn without_origins_no_answer_speaks_of_them() {
    let service = service("", &[]).await;
    for (request, status, answer) in answers(&service, "Origin: https://a.example\r\n").await {
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        let head = answer.head.to_lowercase();
        assert!(!head.contains("access-control-"), "{request}: {head}");
        assert!(!vary(&answer).contains(&"origin".to_owned()), "{request}");
    }
    let asked = preflight(&service, "https://a.example", "POST", "content-type").await;
    assert_eq!((asked.status, asked.header("allow")), (405, Some("POST")));
    stop(service).await;
}

async fn preflight(service: &Running<Sample>, origin: &str, method: &str, headers: &str) -> Answer {
    let fields = format!(
        "Origin: {origin}\r\nAccess-Control-Request-Method: {method}\r\n\
         Access-Control-Request-Headers: {headers}\r\n"
    );
    ask_with(
        service.address(),
        "OPTIONS /v1/polls/known/votes",
        &fields,
        "",
    )
    .await
}

#[tokio::test]
async fn a_preflight_is_answered_with_all_that_is_allowed() {
    let more = ("VOTE__HTTP__CORS_ALLOWED_HEADERS", "X-Client-Version,x-b");
    for (origins, allowed) in [
        ("*", "*"),
        ("https://a.example,http://localhost:*", "https://a.example"),
    ] {
        let service = service(origins, &[more]).await;
        let headers = "authorization,baggage,Content-Type, idempotency-key,if-none-match,\
             sentry-trace,traceparent,tracestate,x-client-version,,";
        let answer = preflight(&service, "https://a.example", "POST", headers).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        for (name, value) in [
            ("allow-origin", allowed),
            ("allow-methods", "GET, HEAD, POST"),
            (
                "allow-headers",
                "accept, authorization, content-type, if-none-match, idempotency-key, baggage, sentry-trace, \
                 traceparent, tracestate, x-client-version, x-b",
            ),
            ("max-age", "3600"),
        ] {
            let name = format!("access-control-{name}");
            assert_eq!(answer.header(&name), Some(value), "{name}");
        }
        stop(service).await;
    }
}

#[tokio::test]
async fn a_refused_preflight_says_what_it_was() {
    let long = format!("x-{}", "y".repeat(4000));
    let service = service("https://a.example", &[]).await;
    for (origin, method, headers, said, allowed) in [
        (
            "https://evil.example",
            "POST",
            "content-type",
            "The origin \"https://evil.example\" is not among http.cors_allowed_origins.",
            None,
        ),
        (
            "https://a.example",
            "PUT",
            "content-type",
            "The method \"PUT\" is not allowed to pages: GET, HEAD, POST are.",
            Some("https://a.example"),
        ),
        (
            "https://a.example",
            "POST",
            "content-type, X-Requested-With",
            "The request header \"X-Requested-With\" is not allowed to pages",
            Some("https://a.example"),
        ),
        (
            "https://a.example",
            "POST",
            "content-type x",
            "\"content-type x\"",
            Some("https://a.example"),
        ),
        (
            "https://a.example",
            "POST",
            &long,
            "(4002 bytes)",
            Some("https://a.example"),
        ),
    ] {
        let refused = preflight(&service, origin, method, headers).await;
        assert_eq!(refused.status, 403, "{refused:?}");
        let problem = refused.json();
        assert_eq!(problem["code"], "preflight-refused");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(said) && detail.len() < 500, "{detail}");
        assert_eq!(refused.header("access-control-allow-origin"), allowed);
        // A browser would take these for a leave.
        assert_eq!(refused.header("access-control-allow-methods"), None);
        assert_eq!(refused.header("access-control-allow-headers"), None);
    }
    stop(service).await;
}

#[tokio::test]
async fn any_port_of_this_machine_is_no_other_host() {
    let service = service("http://localhost:*, https://[::1]:*", &[]).await;
    for (origin, is_allowed) in [
        ("http://localhost", true),
        ("http://localhost:3000", true),
        ("http://localhost:65535", true),
        ("https://[::1]:5173", true),
        ("https://localhost:3000", false),
        ("http://localhost:", false),
        ("http://localhost:x", false),
        ("http://localhost:3000.evil.example", false),
        ("http://localhost.evil.example", false),
        ("http://localhost:3000@evil.example", false),
        ("http://127.0.0.1:3000", false),
    ] {
        let fields = format!("Origin: {origin}\r\n");
        let answer = ask_with(service.address(), "GET /v1/polls/known", &fields, "").await;
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed, is_allowed.then_some(origin));
    }
    stop(service).await;
}
