//! Every error answer is a problem, and says what it should.

use tokio_util::sync::CancellationToken;
use vote_http::{Problem, ProblemCode, ProblemDocument};

use actix_web::ResponseError as _;

use crate::support::{Answer, ask, ask_with, start};

const VOTES: &str = "POST /v1/polls/known/votes";

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{answer:?}"
    );
    let problem: ProblemDocument = serde_json::from_str(&answer.body).expect("a problem");
    assert_eq!(problem.code, code);
    assert_eq!(problem.status, status);
    assert_eq!(problem.r#type, format!("/problems/{code}"));
    assert!(!problem.title.is_empty() && !problem.detail.is_empty());
}

#[test]
fn the_table_of_problems_is_as_published() {
    let table: String = ProblemCode::ALL
        .iter()
        .map(|code| {
            let retry = code
                .retry_after_s()
                .map_or(String::new(), |seconds| format!(" retry-after={seconds}"));
            format!(
                "{} {}{retry}: {}\n",
                code.status().as_u16(),
                code.as_str(),
                code.description()
            )
        })
        .collect();
    insta::assert_snapshot!(table);
}

#[test]
fn a_body_has_the_standard_members_and_those_of_its_kind() {
    let plain = Problem::new(ProblemCode::UnknownPoll);
    assert_eq!(
        plain.body(),
        concat!(
            r#"{"type":"/problems/unknown-poll","title":"Unknown poll","status":404,"code":"unknown-poll","#,
            r#""detail":"There is no poll of that id."}"#
        )
    );
    let own = Problem::new(ProblemCode::PollNotOpen)
        .detail("It opens \"soon\".")
        .member("opens_at", "2026-11-24T00:00:00.000Z");
    assert_eq!(
        own.body(),
        concat!(
            r#"{"type":"/problems/poll-not-open","title":"Poll not open yet","status":409,"code":"poll-not-open","#,
            r#""detail":"It opens \"soon\".","opens_at":"2026-11-24T00:00:00.000Z"}"#
        )
    );
}

#[test]
#[should_panic(expected = "n is not declared as a member of poll-not-open")]
fn a_member_that_no_document_declares_is_a_mistake() {
    let _never = Problem::new(ProblemCode::PollNotOpen).member("n", 1);
}

#[test]
fn a_5xx_body_says_nothing_of_the_inside() {
    let problem = Problem::new(ProblemCode::StoreUnavailable)
        .detail("redis at 10.0.0.1 refused")
        .because("AUTH failed");
    assert_eq!(
        problem.body(),
        Problem::new(ProblemCode::StoreUnavailable).body()
    );
    assert_eq!(problem.cause(), Some("AUTH failed"));
}

#[test]
fn a_problem_says_when_to_try_again() {
    let response = Problem::new(ProblemCode::Overloaded).error_response();
    assert_eq!(
        response.headers().get("retry-after").expect("Retry-After"),
        "1"
    );
    assert_eq!(
        response
            .headers()
            .get("cache-control")
            .expect("Cache-Control"),
        "no-store"
    );
    let response = Problem::new(ProblemCode::Unauthorized).error_response();
    assert_eq!(
        response
            .headers()
            .get("www-authenticate")
            .expect("WWW-Authenticate"),
        "Bearer"
    );
}

#[tokio::test]
async fn every_error_answer_is_a_problem() {
    let service = start(&[
        ("VOTE__SHUTDOWN__GRACE_MS", "0"),
        ("VOTE__HTTP__BODY_LIMIT_BYTES", "64"),
    ])
    .await;
    let address = service.address();

    assert_problem(&ask(address, "GET /nowhere").await, 404, "not-found");
    assert_problem(&ask(address, "GET /problems/none").await, 404, "not-found");
    let unknown = ask(address, "GET /v1/polls/none").await;
    assert_problem(&unknown, 404, "unknown-poll");
    assert_eq!(unknown.json()["poll"], "none");
    assert_problem(
        &ask(address, "GET /v1/polls/%FF").await,
        404,
        "unknown-poll",
    );

    for (request, allow) in [
        ("DELETE /v1/polls/known", "GET, HEAD"),
        ("GET /v1/polls/known/votes", "POST"),
        // No document has these. HEAD is answered wherever GET is.
        ("POST /v1/unnamed", "GET, HEAD"),
        ("GET /v1/bytes", "POST"),
        ("PUT /healthz", "GET, HEAD"),
        ("POST /swagger-ui/", "GET, HEAD"),
    ] {
        let refused = ask(address, request).await;
        assert_problem(&refused, 405, "method-not-allowed");
        assert_eq!(refused.header("allow"), Some(allow), "{request}");
    }

    let created = ask_with(address, VOTES, "", "ana").await;
    assert_eq!((created.status, created.body.as_str()), (201, "ana"));
    let large = ask_with(address, VOTES, "", &"x".repeat(65)).await;
    assert_problem(&large, 413, "body-too-large");
    assert_eq!(large.json()["limit_bytes"], 64);
    for request in [VOTES, "POST /v1/bytes"] {
        let mebibyte = ask_with(address, request, "", &"x".repeat(1 << 20)).await;
        assert_problem(&mebibyte, 413, "body-too-large");
    }
    let chunked =
        "Transfer-Encoding: chunked\r\n\r\n41\r\n".to_owned() + &"x".repeat(65) + "\r\n0\r\n";
    let garbled = "Transfer-Encoding: chunked\r\n\r\nzz\r\n";
    for request in [VOTES, "POST /v1/bytes"] {
        let large = ask_with(address, request, &chunked, "").await;
        assert_problem(&large, 413, "body-too-large");
        let broken = ask_with(address, request, garbled, "").await;
        assert_problem(&broken, 400, "malformed-body");
    }
    // An error of an extractor that is not ours.
    for query in ["", "?ms=x"] {
        let refused = ask(address, &format!("GET /v1/slow{query}")).await;
        assert_problem(&refused, 400, "bad-request");
    }

    for path in ["/v1/boom", "/v1/plain"] {
        let broken = ask(address, &format!("GET {path}")).await;
        assert_problem(&broken, 500, "internal");
        assert!(!broken.body.contains("cause"), "{}", broken.body);
    }
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}

#[tokio::test]
async fn the_table_is_served_whole_and_by_code() {
    let service = start(&[("VOTE__SHUTDOWN__GRACE_MS", "0")]).await;
    let table = ask(service.address(), "GET /problems").await.json();
    assert_eq!(table.as_array().map(Vec::len), Some(ProblemCode::ALL.len()));
    for code in ProblemCode::ALL {
        let row = ask(service.address(), &format!("GET {}", code.type_uri())).await;
        assert_eq!(row.status, 200);
        assert_eq!(row.json()["code"], code.as_str());
    }
    service
        .shutdown(CancellationToken::new())
        .await
        .expect("a clean stop");
}
