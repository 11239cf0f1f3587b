//! Requests that are refused alike on every route: queries, coded bodies, methods of the operators' port.

use tokio_util::sync::CancellationToken;

use crate::support::{ask, ask_with, start};

const NO_GRACE: (&str, &str) = ("VOTE__SHUTDOWN__GRACE_MS", "0");

#[tokio::test]
async fn a_query_is_taken_alike_on_every_route() {
    let service = start(&[NO_GRACE]).await;
    let address = service.address();
    for (request, status) in [
        ("GET /v1/polls/known", 200),
        ("HEAD /v1/polls/known", 200),
        ("POST /v1/polls/known/votes", 201),
        ("GET /healthz", 200),
        ("GET /readyz", 200),
        ("GET /openapi.json", 200),
        ("GET /problems", 200),
        ("GET /problems/not-found", 200),
    ] {
        let ignored = format!("{request}?_=1&_=2&utm_source=x&utm_campaign=y&fbclid=z&gclid=");
        assert_eq!(ask(address, &ignored).await.status, status, "{ignored}");
        assert_eq!(ask(address, &format!("{request}?")).await.status, status);
        let refused = ask(address, &format!("{request}?_=1&Tz=UTC")).await;
        assert_eq!(refused.status, 400, "{request}");
        if !request.starts_with("HEAD") {
            let problem = refused.json();
            assert_eq!(problem["code"], "invalid-query");
            assert_eq!(
                problem["detail"],
                "The query parameter \"Tz\" is unknown: this operation takes none."
            );
        }
    }
    for (query, status, said) in [
        ("ms=1", 200, ""),
        ("ms=1&_=2", 200, ""),
        ("ms=1&ms=1", 400, "\"ms\" is given twice."),
        (
            "ms=1&y=2",
            400,
            "\"y\" is unknown: this operation takes ms.",
        ),
    ] {
        let answer = ask(address, &format!("GET /v1/slow?{query}")).await;
        assert_eq!(answer.status, status, "{query}");
        assert!(
            answer.body.contains(&said.replace('"', "\\\"")),
            "{answer:?}"
        );
    }
    // What is no operation says that first.
    assert_eq!(ask(address, "GET /nowhere?x=1").await.status, 404);
    assert_eq!(ask(address, "DELETE /healthz?x=1").await.status, 405);
    let metrics = ask(service.admin_address(), "GET /metrics").await.body;
    let refused = r#"http_server_request_duration_seconds_count{route="/v1/polls/{poll}",method="HEAD",status="400"} 1"#;
    assert!(metrics.contains(refused), "{metrics}");
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn a_body_that_is_coded_is_refused_with_what_is_read() {
    let service = start(&[NO_GRACE]).await;
    for (headers, status) in [
        ("", 201),
        ("Content-Encoding: identity\r\n", 201),
        ("Content-Encoding: Identity, identity\r\n", 201),
        ("Content-Encoding: \r\n", 201),
        ("Content-Encoding: gzip\r\n", 415),
        ("Content-Encoding: x-gzip\r\n", 415),
        ("Content-Encoding: BR\r\n", 415),
        ("Content-Encoding: aws-chunked\r\n", 415),
        ("Content-Encoding: identity, deflate\r\n", 415),
        (
            "Content-Encoding: identity\r\nContent-Encoding: zstd\r\n",
            415,
        ),
        ("Content-Encoding: \u{e1}\r\n", 415),
    ] {
        let answer = ask_with(
            service.address(),
            "POST /v1/polls/known/votes",
            headers,
            "ana",
        )
        .await;
        assert_eq!(answer.status, status, "{headers}");
        let accepts = (status == 415).then_some("identity");
        assert_eq!(answer.header("accept-encoding"), accepts, "{headers}");
        if status == 415 {
            let problem = answer.json();
            assert_eq!(problem["code"], "unsupported-content-encoding");
            let detail = problem["detail"].as_str().expect("text");
            assert!(detail.contains("without Content-Encoding"), "{detail}");
        }
    }
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn the_operators_port_refuses_query_parameters_as_the_public_one_does() {
    let service = start(&[NO_GRACE]).await;
    let address = service.admin_address();
    for path in ["/metrics", "/healthz", "/readyz"] {
        for query in [
            "",
            "?",
            "?_=1",
            "?utm_source=a&utm_medium=b&fbclid=x&gclid=y",
        ] {
            let taken = ask(address, &format!("GET {path}{query}")).await;
            assert_eq!(taken.status, 200, "{path}{query}");
        }
        for query in ["?x=1", "?_=1&name[]=up", "?x"] {
            let refused = ask(address, &format!("GET {path}{query}")).await;
            assert_eq!(refused.status, 400, "{path}{query}");
            assert!(refused.body.contains("invalid-query"), "{}", refused.body);
            assert!(
                refused.body.contains("this operation takes none"),
                "{}",
                refused.body
            );
            let head = ask(address, &format!("HEAD {path}{query}")).await;
            assert_eq!(head.status, 400, "{path}{query}");
        }
        let other = ask(address, &format!("POST {path}?x=1")).await;
        assert_eq!(other.status, 405, "{path}");
    }
    assert_eq!(ask(address, "GET /nothing?x=1").await.status, 404);
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn the_operators_port_answers_head_and_says_which_methods_it_takes() {
    let service = start(&[NO_GRACE]).await;
    let address = service.admin_address();
    for path in ["/healthz", "/readyz", "/metrics"] {
        let head = ask(address, &format!("HEAD {path}")).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        let get = ask(address, &format!("GET {path}")).await;
        assert_eq!(head.header("content-type"), get.header("content-type"));
        let length: usize = head
            .header("content-length")
            .and_then(|length| length.parse().ok())
            .expect("a length");
        assert!(length > 10, "{path}: {length}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
            let refused = ask(address, &format!("{method} {path}")).await;
            assert_eq!(
                (refused.status, refused.header("allow")),
                (405, Some("GET, HEAD"))
            );
            assert_eq!(refused.json()["code"], "method-not-allowed");
        }
    }
    for request in ["HEAD /", "GET /nowhere", "POST /metrics/", "PUT /v1/polls"] {
        assert_eq!(ask(address, request).await.status, 404, "{request}");
    }
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}
