//! What a page of another origin can read of each problem: all of it, whichever part of the service answers.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use vote_domain::{Eligibility, Transition};
use vote_testkit::eventually;
use vote_testkit::fixtures::demo_poll;

use crate::app::{Answer, App, COURSE, DEADLINE, DOCUMENTED, POLL, Show, ago, definition};
use crate::voters::Identity;

const PAGE: &str = "https://page.example";
const ORIGINS: (&str, &str) = ("VOTE__HTTP__CORS_ALLOWED_ORIGINS", PAGE);
const FIELDS: [(&str, &str); 2] = [
    ("access-control-allow-origin", PAGE),
    (
        "access-control-expose-headers",
        "Accept-Encoding, Allow, Content-Location, Date, ETag, Figures-Confirmed-At, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id",
    ),
];

/// The codes of the problems that the page has read.
#[derive(Default)]
struct Read(BTreeSet<String>);

impl Read {
    async fn problem(&mut self, code: &str, request: RequestBuilder) {
        let answer = Answer::of(request.header("Origin", PAGE)).await;
        assert_eq!(answer.code(), code, "{answer:?}");
        self.note(&answer);
    }

    fn note(&mut self, answer: &Answer) {
        for (name, value) in FIELDS {
            assert!(
                answer.headers.get(name).is_some_and(|field| field == value),
                "{name}: {answer:?}"
            );
        }
        self.0.insert(answer.code().to_owned());
    }
}

fn ballot(app: &App, body: &Value) -> RequestBuilder {
    app.post(POLL).json(body)
}

fn by_proof(app: &App, candidate: &str, proof: Option<&str>) -> RequestBuilder {
    let mut vote = json!({ "candidate": candidate, "channel": "prova" });
    if let Some(proof) = proof {
        vote["proof"] = proof.into();
    }
    ballot(app, &vote)
}

fn ana(app: &App) -> RequestBuilder {
    ballot(app, &json!({ "candidate": "ana" }))
}

#[tokio::test]
async fn a_page_can_read_every_problem_of_the_document() {
    let mut read = Read::default();
    of_requests(&mut read).await;
    of_settings(&mut read).await;
    of_states(&mut read).await;
    of_outages(&mut read).await;
    of_voters(&mut read).await;
    of_gateways(&mut read).await;
    assert_eq!(read.0, *DOCUMENTED, "each is to be met");
}

/// Of what a request says.
async fn of_requests(read: &mut Read) {
    let show = Show::open().await;
    let app = show.app_with(&[ORIGINS]).await;
    let to = |method, path: &str| app.client.request(method, format!("{}{path}", app.url));
    let body = json!({ "candidate": "ana" });
    for (code, request) in [
        ("not-found", to(Method::GET, "/v1/polls")),
        (
            "method-not-allowed",
            to(Method::GET, "/v1/polls/paredao-01/votes"),
        ),
        (
            "invalid-query",
            to(Method::POST, "/v1/polls/paredao-01/votes?x=1").json(&body),
        ),
        ("malformed-poll-id", app.post("Paredao").json(&body)),
        ("unknown-poll", app.post("paredao-99").json(&body)),
        ("malformed-body", ballot(&app, &json!([]))),
        ("body-too-large", app.post(POLL).body(vec![b' '; 1 << 20])),
        ("unsupported-media-type", app.post(POLL).body("ana")),
        (
            "unsupported-content-encoding",
            ana(&app).header("Content-Encoding", "gzip"),
        ),
        (
            "invalid-idempotency-key",
            ana(&app).header("Idempotency-Key", "two words"),
        ),
        (
            "unknown-candidate",
            ballot(&app, &json!({ "candidate": "zoe" })),
        ),
        (
            "unknown-channel",
            ballot(&app, &json!({ "candidate": "ana", "channel": "x" })),
        ),
        (
            "direction-mismatch",
            ballot(&app, &json!({ "candidate": "ana", "direction": "save" })),
        ),
        (
            "eligibility-not-available",
            ballot(&app, &json!({ "candidate": "ana", "channel": "unico" })),
        ),
        (
            "no-proof-asked",
            to(Method::GET, "/v1/polls/paredao-01/challenge"),
        ),
        ("proof-required", by_proof(&app, "ana", None)),
        ("proof-invalid", by_proof(&app, "ana", Some("e30="))),
    ] {
        read.problem(code, request).await;
    }
    let proof = app.proof("prova", None).await;
    let other = by_proof(&app, "ana", Some(&proof)).header("Idempotency-Key", "k");
    read.problem("proof-mismatch", other).await;
    assert!(app.prove("ana", None, &proof).await.is_accepted());
    read.problem("proof-used", by_proof(&app, "bia", Some(&proof)))
        .await;
    assert!(app.vote("bia", Some("k")).await.is_accepted());
    let other = ana(&app).header("Idempotency-Key", "k");
    read.problem("idempotency-key-reused", other).await;
}

/// Of what only some services ask for, or are patient with.
async fn of_settings(read: &mut Read) {
    let show = Show::open().await;
    let app = show
        .app_with(&[
            ORIGINS,
            ("VOTE__COMMIT__IDEMPOTENCY_KEY_REQUIRED", "true"),
            ("VOTE__HTTP__CLIENT_REQUEST_TIMEOUT_MS", "300"),
        ])
        .await;
    read.problem("idempotency-key-required", ana(&app)).await;
    let short = show
        .app_with(&[ORIGINS, ("VOTE__PROOF__LIFETIME_S", "1")])
        .await;
    let proof = short.proof("prova", None).await;
    let answer = eventually(DEADLINE, || async {
        let vote = by_proof(&short, "ana", Some(&proof)).header("Origin", PAGE);
        let answer = Answer::of(vote).await;
        (answer.code() == "proof-expired").then_some(answer)
    })
    .await;
    read.note(&answer);

    let address = app.url.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.expect("connected");
    let unfinished = format!(
        "POST /v1/polls/{POLL}/votes HTTP/1.1\r\nhost: vote\r\norigin: {PAGE}\r\n\
         content-type: application/json\r\ncontent-length: 19\r\n\r\n{{"
    );
    connection
        .write_all(unfinished.as_bytes())
        .await
        .expect("sent");
    let mut answer = String::new();
    let whole = connection.read_to_string(&mut answer);
    timeout(DEADLINE, whole)
        .await
        .expect("closed")
        .expect("read");
    let limits = [ORIGINS, ("VOTE__LIMITS__ADDRESS_BURST", "1/1h")];
    let limited = show.app_with(&limits).await;
    assert!(limited.vote("ana", None).await.is_accepted());
    read.problem("rate-limited", ana(&limited)).await;
    assert!(answer.contains("\"code\":\"request-timeout\""), "{answer}");
    for (name, value) in FIELDS {
        assert!(answer.contains(&format!("{name}: {value}\r\n")), "{answer}");
    }
    read.0.insert("request-timeout".to_owned());
}

/// Of who votes.
async fn of_voters(read: &mut Read) {
    let show = Show::open().await;
    let identity = Identity::new();
    let app = show
        .app_with(&[&[ORIGINS], &identity.settings()[..]].concat())
        .await;
    let unico = |token: Option<&str>| {
        let ballot = ballot(&app, &json!({ "candidate": "ana", "channel": "unico" }));
        match token {
            Some(token) => ballot.bearer_auth(token),
            None => ballot,
        }
    };
    read.problem("voter-token-required", unico(None)).await;
    read.problem("invalid-voter-token", unico(Some("a.b.c")))
        .await;
    let token = identity.token("maria");
    assert!(Answer::of(unico(Some(&token))).await.is_accepted());
    read.problem("vote-limit-reached", unico(Some(&token)))
        .await;

    let gone = ("VOTE__VOTERS__JWKS_FILE", "/nonexistent/keys");
    let settings = [&identity.settings()[1..], &[ORIGINS, gone]].concat();
    let app = show.app_with(&settings).await;
    let ballot = ballot(&app, &json!({ "candidate": "ana", "channel": "unico" }));
    read.problem("voter-keys-unavailable", ballot.bearer_auth(token))
        .await;
}

/// Of who is no gateway.
async fn of_gateways(read: &mut Read) {
    let poll =
        demo_poll()
            .between(ago(60), ago(-3_600))
            .channels(&[("sms", 1, Eligibility::Gateway)]);
    let show = Show::with(poll.definition(), Some(Transition::Open)).await;
    let app = show.app_with(&[ORIGINS]).await;
    read.problem("gateway-required", ana(&app)).await;
    let batch = format!("{}/v1/polls/{POLL}/votes/batch", app.url);
    read.problem("unauthorized", app.client.post(batch)).await;
}

/// Of what the poll is at.
async fn of_states(read: &mut Read) {
    let tomorrow = definition(ago(-600), ago(-3_600));
    let early = Show::with(tomorrow, Some(Transition::Open)).await;
    let app = early.app_with(&[ORIGINS]).await;
    read.problem("poll-not-open", ana(&app)).await;

    let show = Show::open().await;
    let app = show.app_with(&[ORIGINS]).await;
    show.withdraw("ana").await;
    app.sees("candidate-withdrawn").await;
    read.problem("candidate-withdrawn", ana(&app)).await;
    show.readmit("ana").await;
    for (transition, code) in COURSE {
        show.change(transition).await;
        app.sees(code).await;
        if !code.is_empty() {
            read.problem(code, ana(&app)).await;
        }
    }
}

/// Of a Redis that stands still, and one that was never there.
async fn of_outages(read: &mut Read) {
    let mut show = Show::open().await;
    let app = show
        .app_with(&[
            ORIGINS,
            ("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "300"),
            ("VOTE__COMMIT__QUEUE_CAPACITY", "16"),
        ])
        .await;
    show.redis.pause();
    let mut missing = BTreeSet::from(["outcome-unknown", "not-recorded", "overloaded"]);
    let all_met = async {
        while !missing.is_empty() {
            let votes = (0..64).map(|_| Answer::of(ana(&app).header("Origin", PAGE)));
            for answer in join_all(votes).await {
                missing.remove(answer.code());
                read.note(&answer);
            }
        }
    };
    let all_met = timeout(DEADLINE, all_met).await;
    all_met.unwrap_or_else(|_| panic!("not met: {missing:?}"));
    show.redis.resume();
    app.stop().await.expect("a clean stop");

    show.redis.stop().await;
    let app = App::start(&show.redis.url(), &[ORIGINS]).await;
    let unknown = || async {
        let answer = Answer::of(ana(&app).header("Origin", PAGE)).await;
        (answer.code() == "store-unavailable").then_some(answer)
    };
    read.note(&eventually(DEADLINE, unknown).await);
}
