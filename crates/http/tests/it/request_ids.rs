//! Problems have an id by which the log is searched, whichever way their request has come; and no browser guesses at any answer.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use crate::support::{Answer, ask_with, start};

const GIVEN: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";

/// Requests that fail: read here, by actix-http alone, by the routes, and by none of them.
const FAILING: [(&str, &str, u16); 6] = [
    ("POST /v1/polls/broken/votes", "", 500),
    (
        "POST /v1/polls/broken/votes",
        "Accept: a\r\nContent-Type: a\r\nContent-Type: a\r\n",
        500,
    ),
    ("POST /v1/polls/%62roken/votes?x=1", "", 400),
    ("GET /v1/boom", "", 500),
    ("GET /v1/plain", "", 500),
    ("GET /nowhere", "", 404),
];

fn id(answer: &Answer) -> &str {
    answer.header("x-request-id").expect("an id")
}

fn body(request: &str) -> &str {
    if request.starts_with("POST") {
        "ana"
    } else {
        ""
    }
}

#[tokio::test]
async fn a_problem_has_the_id_that_its_client_gave_or_another() {
    let service = start(&[("VOTE__SHUTDOWN__GRACE_MS", "0")]).await;
    let address = service.address();
    let mut made = BTreeSet::new();
    for (request, headers, status) in FAILING {
        for (given, is_taken) in [
            (format!("X-Request-Id: {GIVEN}\r\n"), true),
            (String::new(), false),
            ("x-request-id: 52998224725\r\n".to_owned(), false),
            ("x-request-id: maria@example.com.br\r\n".to_owned(), false),
            (format!("x-request-id: {}\r\n", "a".repeat(65)), false),
        ] {
            let headers = format!("{headers}{given}");
            let answer = ask_with(address, request, &headers, body(request)).await;
            assert_eq!(answer.status, status, "{request}");
            if is_taken {
                assert_eq!(id(&answer), GIVEN, "{request}");
            } else {
                assert_eq!(id(&answer).len(), 16, "{request}: {answer:?}");
                assert!(made.insert(id(&answer).to_owned()), "{answer:?}");
            }
            let ids = answer.head.matches("x-request-id").count();
            assert_eq!(ids, 1, "{answer:?}");
        }
    }
    // Whatever ends well has another name.
    let given = format!("X-Request-Id: {GIVEN}\r\n");
    for request in [
        "POST /v1/polls/known/votes",
        "GET /v1/polls/hot",
        "GET /v1/polls/known",
    ] {
        let answer = ask_with(address, request, &given, body(request)).await;
        assert!(answer.status < 300);
        assert_eq!(answer.header("x-request-id"), None, "{request}");
    }
    let _stopped = service.shutdown(CancellationToken::new()).await;
}

#[tokio::test]
async fn no_answer_is_to_be_guessed_at() {
    let service = start(&[("VOTE__SHUTDOWN__GRACE_MS", "0")]).await;
    let well = [
        ("POST /v1/polls/known/votes", ""),
        (
            "POST /v1/polls/known/votes",
            "Accept: a\r\nContent-Type: a\r\nContent-Type: a\r\n",
        ),
        ("GET /v1/polls/hot", ""),
        ("GET /v1/polls/known", ""),
        ("GET /openapi.json", ""),
        ("GET /swagger-ui/", ""),
        ("HEAD /healthz", ""),
    ];
    let failing = FAILING.map(|(request, headers, _)| (request, headers));
    for (request, headers) in well.into_iter().chain(failing) {
        let answer = ask_with(service.address(), request, headers, body(request)).await;
        let guess = answer.header("x-content-type-options");
        assert_eq!(guess, Some("nosniff"), "{request}: {answer:?}");
        assert_eq!(answer.head.matches("nosniff").count(), 1);
    }
    let _stopped = service.shutdown(CancellationToken::new()).await;
}
