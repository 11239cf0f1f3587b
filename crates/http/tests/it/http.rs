//! Health, metrics and documentation over HTTP.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
#[cfg(target_os = "linux")]
use vote_domain::Clock as _;
#[cfg(target_os = "linux")]
use vote_runtime::SystemClock;
#[cfg(target_os = "linux")]
use vote_testkit::eventually;

use crate::support::{Connection, ask, ask_with, start};

const PATIENCE: Duration = Duration::from_secs(20);
const NO_GRACE: (&str, &str) = ("VOTE__SHUTDOWN__GRACE_MS", "0");

#[tokio::test]
async fn health_is_on_both_ports_and_metrics_on_the_admin_port_alone() {
    let service = start(&[NO_GRACE]).await;
    for address in [service.address(), service.admin_address()] {
        let alive = ask(address, "GET /healthz").await;
        assert_eq!(
            (alive.status, alive.body.as_str()),
            (200, r#"{"status":"alive"}"#)
        );
        let ready = ask(address, "GET /readyz").await;
        assert_eq!(ready.status, 200);
        assert_eq!(
            ready.body,
            r#"{"status":"ready","checks":[{"name":"sample","status":"ok"}]}"#
        );
    }
    service.service().ready.store(false, Ordering::Relaxed);
    let ready = ask(service.address(), "GET /readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(
        ready.body,
        r#"{"status":"not_ready","checks":[{"name":"sample","status":"failed","detail":"switched off"}]}"#
    );
    assert_eq!(ask(service.address(), "GET /metrics").await.status, 404);
    let text = ask(service.admin_address(), "GET /metrics").await;
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(
        text.body.contains("# TYPE vote_build_info gauge\n"),
        "{}",
        text.body
    );
    let gzip = "accept-encoding: gzip\r\n";
    let short = ask_with(service.admin_address(), "HEAD /metrics", gzip, "").await;
    assert_eq!(short.header("content-encoding"), Some("gzip"));
    let accept = "accept: application/openmetrics-text;version=1.0.0\r\n";
    let metrics = ask_with(service.admin_address(), "GET /metrics", accept, "").await;
    assert_eq!(metrics.status, 200);
    assert_eq!(
        metrics.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(metrics.body.ends_with("# EOF\n"), "{}", metrics.body);
    assert!(
        metrics
            .body
            .contains(r#"vote_build_info{service="vote-ingest",version="1.2.3"} 1"#)
    );
    assert_eq!(
        ask(service.admin_address(), "GET /v1/polls/known")
            .await
            .status,
        404
    );
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn series_are_by_pattern_and_no_path_or_method_makes_a_new_one() {
    let service = start(&[NO_GRACE]).await;
    for path in [
        "/v1/polls/known",
        "/v1/polls/a",
        "/v1/polls/b",
        "/x1",
        "/x2/y?z=1",
        "/v1/polls/",
        "/v1/unnamed",
    ] {
        ask(service.address(), &format!("GET {path}")).await;
    }
    for method in ["DELETE", "FOO", "BAR", "OPTIONS", "HEAD"] {
        ask(service.address(), &format!("{method} /v1/polls/known")).await;
    }
    let metrics = ask(service.admin_address(), "GET /metrics").await.body;
    let mut series: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("http_server_request_duration_seconds_count"))
        .collect();
    series.sort_unstable();
    let expected = [
        r#"http_server_request_duration_seconds_count{route="/v1/polls/{poll}",method="DELETE",status="405"} 1"#,
        r#"http_server_request_duration_seconds_count{route="/v1/polls/{poll}",method="GET",status="200"} 1"#,
        r#"http_server_request_duration_seconds_count{route="/v1/polls/{poll}",method="GET",status="404"} 2"#,
        r#"http_server_request_duration_seconds_count{route="/v1/polls/{poll}",method="HEAD",status="200"} 1"#,
        r#"http_server_request_duration_seconds_count{route="/v1/polls/{poll}",method="OPTIONS",status="405"} 1"#,
        r#"http_server_request_duration_seconds_count{route="/v1/polls/{poll}",method="OTHER",status="405"} 2"#,
        r#"http_server_request_duration_seconds_count{route="/v1/unnamed",method="GET",status="200"} 1"#,
        r#"http_server_request_duration_seconds_count{route="unmatched",method="GET",status="404"} 3"#,
    ];
    assert_eq!(series, expected, "{series:#?}");
    assert!(metrics.contains(r#"le="0.0005""#) && metrics.contains(r#"le="5.0""#));
    assert!(
        metrics.contains("http_server_active_requests 0"),
        "{metrics}"
    );
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_process_is_measured_when_it_is_asked() {
    let service = start(&[NO_GRACE]).await;
    let read = async || ask(service.admin_address(), "GET /metrics").await.body;
    let of = |metrics: &str, name: &str| -> f64 {
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("no {name} in {metrics}"))
            .parse()
            .expect("a number")
    };
    let first = read().await;
    for (name, kind) in [
        ("process_cpu_seconds_total", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_open_fds", "gauge"),
        ("process_max_fds", "gauge"),
        ("process_start_time_seconds", "gauge"),
    ] {
        assert!(
            first.contains(&format!("# TYPE {name} {kind}\n")),
            "{name}: {first}"
        );
    }
    let started = of(&first, "process_start_time_seconds");
    let age = SystemClock.now().as_duration().as_secs_f64() - started;
    assert!((-2.0..600.0).contains(&age), "started {age} s ago");
    assert!(of(&first, "process_resident_memory_bytes") > 1_000_000.0);
    let open = of(&first, "process_open_fds");
    assert!(open > 5.0 && open < of(&first, "process_max_fds"), "{open}");

    let cpu = of(&first, "process_cpu_seconds_total");
    let held: Vec<_> = (0..200)
        .map(|_| std::fs::File::open("/dev/null").expect("a file"))
        .collect();
    let more = eventually(PATIENCE, || async {
        let metrics = read().await;
        (of(&metrics, "process_cpu_seconds_total") > cpu).then_some(metrics)
    })
    .await;
    assert!(of(&more, "process_open_fds") >= open + 100.0, "{more}");
    assert!((of(&more, "process_start_time_seconds") - started).abs() < f64::EPSILON);
    drop(held);
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn head_answers_as_get_without_its_body() {
    let service = start(&[NO_GRACE]).await;
    let head = ask(service.address(), "HEAD /v1/polls/known").await;
    assert_eq!(
        (
            head.status,
            head.header("content-length"),
            head.body.as_str()
        ),
        (200, Some("5"), "")
    );
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn the_document_is_complete_and_not_sent_twice() {
    let service = start(&[NO_GRACE]).await;
    let document = ask(service.address(), "GET /openapi.json").await;
    assert_eq!(document.status, 200);
    let paths = &document.json()["paths"];
    for path in [
        "/v1/polls/{poll}",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/problems",
        "/problems/{code}",
    ] {
        assert!(paths[path]["get"].is_object(), "{path} is missing");
    }
    assert!(document.json()["components"]["schemas"]["Problem"].is_object());
    let etag = format!(
        "If-None-Match: {}\r\n",
        document.header("etag").expect("an ETag")
    );
    let again = ask_with(service.address(), "GET /openapi.json", &etag, "").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));

    let page = ask(service.address(), "GET /swagger-ui/").await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .is_some_and(|media_type| media_type.starts_with("text/html"))
    );
    assert!(page.body.contains("<html"), "as it is: {}", page.body);
    let takes_gzip = "Accept-Encoding: gzip, br\r\n";
    let compressed = ask_with(service.address(), "HEAD /swagger-ui/", takes_gzip, "").await;
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    assert_eq!(
        ask(service.address(), "GET /swagger-ui")
            .await
            .header("location"),
        Some("/swagger-ui/")
    );
    assert_eq!(
        ask(service.address(), "GET /swagger-ui/../../etc/passwd")
            .await
            .status,
        404
    );
    let script = ask(service.address(), "GET /swagger-ui/swagger-initializer.js").await;
    assert!(script.body.contains("/openapi.json"), "{}", script.body);
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn browsers_may_call_from_the_origins_that_are_set_and_from_no_other() {
    let service = start(&[
        NO_GRACE,
        (
            "VOTE__HTTP__CORS_ALLOWED_ORIGINS",
            "https://a.example, https://b.example",
        ),
    ])
    .await;
    let preflight = |origin: &str| {
        format!(
            "Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: content-type,idempotency-key\r\n"
        )
    };
    let request = "OPTIONS /v1/polls/known/votes";
    let allowed = ask_with(
        service.address(),
        request,
        &preflight("https://b.example"),
        "",
    )
    .await;
    assert_eq!(allowed.status, 200);
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        Some("https://b.example")
    );
    let denied = ask_with(
        service.address(),
        request,
        &preflight("https://evil.example"),
        "",
    )
    .await;
    assert_eq!(denied.header("access-control-allow-origin"), None);
    // An error is readable to the page too.
    let error = ask_with(
        service.address(),
        "GET /v1/polls/none",
        "Origin: https://a.example\r\n",
        "",
    )
    .await;
    assert_eq!(
        (error.status, error.header("access-control-allow-origin")),
        (404, Some("https://a.example"))
    );
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");

    let service = start(&[NO_GRACE]).await;
    let none = ask_with(
        service.address(),
        "GET /v1/polls/known",
        "Origin: https://a.example\r\n",
        "",
    )
    .await;
    assert_eq!(
        (none.status, none.header("access-control-allow-origin")),
        (200, None)
    );
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn the_rest_of_a_body_that_nobody_reads_is_not_waited_for() {
    let service = start(&[NO_GRACE]).await;
    for (request, status) in [
        ("GET /v1/polls/known", 200),
        ("PUT /v1/polls/known", 405),
        ("POST /nowhere", 404),
    ] {
        for rest in [
            "Content-Length: 9\r\n\r\n1",
            "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        ] {
            let mut connection = Connection::open(service.address())
                .await
                .expect("connected");
            let text = format!("{request} HTTP/1.1\r\nHost: test\r\n{rest}");
            connection.send(&text).await.expect("sent");
            let answer = connection.answer(false).await.expect("an answer");
            assert_eq!(answer.status, status, "{text}");
            let closed = tokio::time::timeout(PATIENCE, connection.closed()).await;
            closed.expect(&text).expect("closed in order");
        }
    }
    // Who sends all of it keeps the connection.
    let mut connection = Connection::open(service.address())
        .await
        .expect("connected");
    for _ in 0..2 {
        let whole = "POST /v1/bytes HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n";
        connection.send(whole).await.expect("sent");
        let answer = connection.answer(false).await.expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (200, "1"));
    }
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}
