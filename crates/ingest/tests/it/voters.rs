//! Channels that ask who votes.

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use vote_domain::Transition;
use vote_testkit::eventually;
use vote_voters::mint::SigningKey;

use crate::app::{Answer, App, DEADLINE, POLL, Show, now};

/// Who knows the voters, and makes their tokens.
pub(crate) struct Identity {
    key: SigningKey,
    file: NamedTempFile,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let key = SigningKey::from_seed([7; 32]);
        let file = NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), key.public_jwks()).expect("it is written");
        Self { key, file }
    }

    /// The file of the keys first.
    pub(crate) fn settings(&self) -> Vec<(&str, &str)> {
        vec![
            (
                "VOTE__VOTERS__JWKS_FILE",
                self.file.path().to_str().expect("text"),
            ),
            ("VOTE__VOTERS__ISSUER", "https://id.example"),
            ("VOTE__VOTERS__AUDIENCE", "paredao"),
        ]
    }

    pub(crate) fn token(&self, subject: &str) -> String {
        self.token_with("sub", json!(subject))
    }

    /// Signed by somebody else.
    pub(crate) fn forged(&self, subject: &str) -> String {
        SigningKey::from_seed([8; 32]).sign(&json!({ "sub": subject }))
    }

    /// Made then.
    pub(crate) fn token_of(&self, subject: &str, issued_at: i64) -> String {
        self.key.sign(&json!({
            "sub": subject, "iss": "https://id.example", "aud": "paredao", "iat": issued_at,
            "exp": now().as_second() + 600,
        }))
    }

    pub(crate) fn token_with(&self, name: &str, value: Value) -> String {
        let mut claims = json!({
            "sub": "maria", "iss": "https://id.example", "aud": "paredao", "exp": now().as_second() + 600,
        });
        claims[name] = value;
        self.key.sign(&claims)
    }
}

async fn show() -> (Show, Identity) {
    (Show::open().await, Identity::new())
}

async fn app(show: &Show, identity: &Identity) -> App {
    show.app_with(&identity.settings()).await
}

/// The same vote until it is answered with more than that it may be sent again, as clients do on a busy machine.
async fn vote_until_answered(app: &App, token: &str, key: &str) -> Answer {
    let settled = || async {
        let answer = vote(app, token, key).await;
        (!answer.status.is_server_error()).then_some(answer)
    };
    eventually(DEADLINE, settled).await
}

/// A vote of the channel of voters.
async fn vote(app: &App, token: &str, key: &str) -> Answer {
    let ballot = json!({ "candidate": "ana", "channel": "unico" });
    let request = app.post(POLL).json(&ballot).bearer_auth(token);
    Answer::of(request.header("Idempotency-Key", key)).await
}

#[tokio::test]
async fn a_voter_has_as_many_votes_as_the_channel_gives_and_a_repeat_uses_none() {
    let (show, identity) = show().await;
    let app = app(&show, &identity).await;
    for name in ["maria", "joao"] {
        let token = identity.token(name);
        assert!(vote(&app, &token, &format!("{name}1")).await.is_accepted());
        assert!(vote(&app, &token, &format!("{name}1")).await.is_repeat());
        let second = vote(&app, &token, &format!("{name}2")).await;
        assert_eq!(
            (second.status.as_u16(), second.code()),
            (403, "vote-limit-reached")
        );
    }
    // Another token of the same voter is the same voter.
    let later = identity.token_with("exp", json!(now().as_second() + 900));
    assert_eq!(
        vote(&app, &later, "maria3").await.code(),
        "vote-limit-reached"
    );
    assert_eq!(show.total().await, 2);
    let metrics = app.metrics().await;
    assert!(
        metrics.contains("vote_voter_tokens_total{result=\"seen\"} 4"),
        "{metrics}"
    );
    assert!(metrics.contains("vote_voter_keys 1"), "{metrics}");
}

#[tokio::test]
async fn a_request_with_a_token_is_answered_alike_on_every_way() {
    let (show, identity) = show().await;
    let app = app(&show, &identity).await;
    let expired = identity.token_with("exp", json!(now().as_second() - 60));
    let stranger = SigningKey::from_seed([8; 32]).sign(&json!({ "sub": "maria" }));
    let tokens = [
        String::new(),
        expired,
        stranger,
        "x".repeat(1900),
        "x".repeat(8000),
    ];
    for token in &tokens {
        let mut answers = Vec::new();
        for connection in ["keep-alive", "close"] {
            let ballot = json!({ "candidate": "ana", "channel": "unico" });
            let request = app.post(POLL).json(&ballot).bearer_auth(token);
            let answer = Answer::of(request.header("Connection", connection)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
            answers.push((answer.headers.get("www-authenticate").cloned(), answer.body));
        }
        assert_eq!(answers[0], answers[1]);
    }
    let good = identity.token("maria");
    let ballot = json!({ "candidate": "ana", "channel": "unico" });
    let request = app.post(POLL).json(&ballot).bearer_auth(&good);
    assert!(
        Answer::of(request.header("Connection", "close"))
            .await
            .is_accepted()
    );
    // An open channel does not look at it.
    let open = app
        .post(POLL)
        .json(&json!({ "candidate": "ana" }))
        .bearer_auth("nonsense");
    assert!(Answer::of(open).await.is_accepted());
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_said_as_far_as_it_helps() {
    let (show, identity) = show().await;
    let app = app(&show, &identity).await;
    let soon = now().as_second() + 300;
    let stranger = SigningKey::from_seed([8; 32]).sign(&json!({ "sub": "maria", "exp": 0 }));
    for (token, says) in [
        (identity.token_with("exp", json!(1_000)), "has expired"),
        (identity.token_with("nbf", json!(soon)), "is not valid yet"),
        (
            identity.token_with("aud", json!("other")),
            "was not made for this service",
        ),
        (
            identity.token_with("iss", json!("other")),
            "was not made for this service",
        ),
        // Of who could not sign nothing is said but that.
        (stranger, "token is not valid;"),
    ] {
        let answer = vote(&app, &token, "k").await;
        assert_eq!(answer.code(), "invalid-voter-token", "{answer:?}");
        assert!(answer.detail().contains(says), "{answer:?}");
        assert_eq!(
            answer.headers["www-authenticate"],
            "Bearer error=\"invalid_token\""
        );
    }
    let ballot = json!({ "candidate": "ana", "channel": "unico" });
    let missing = Answer::of(app.post(POLL).json(&ballot)).await;
    assert_eq!(missing.code(), "voter-token-required");
    assert_eq!(missing.headers["www-authenticate"], "Bearer");
    assert_eq!(show.total().await, 0);
}

#[tokio::test]
async fn a_page_may_send_a_token() {
    let (show, _) = show().await;
    let origins = ("VOTE__HTTP__CORS_ALLOWED_ORIGINS", "https://page.example");
    let app = show.app_with(&[origins]).await;
    let url = format!("{}/v1/polls/{POLL}/votes", app.url);
    let preflight = app.client.request(Method::OPTIONS, url);
    let preflight = preflight
        .header("Origin", "https://page.example")
        .header("Access-Control-Request-Method", "POST")
        .header(
            "Access-Control-Request-Headers",
            "authorization,content-type,idempotency-key",
        );
    let answer = Answer::of(preflight).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test]
async fn a_form_is_told_that_it_can_carry_no_token() {
    let (show, identity) = show().await;
    let app = app(&show, &identity).await;
    let form = app.client.post(format!("{}/polls/{POLL}/votes", app.url));
    let form = form
        .header("Sec-Fetch-Site", "same-origin")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("candidate=ana&channel=unico&key=k&lang=en");
    let answer = form.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(show.total().await, 0);
}

#[tokio::test]
async fn of_a_thousand_votes_at_once_by_two_processes_one_is_recorded() {
    let (show, identity) = show().await;
    let apps = [app(&show, &identity).await, app(&show, &identity).await];
    let token = identity.token("maria");
    let votes = (0..1000).map(|n: usize| {
        let (app, token) = (&apps[n % 2], &token);
        async move { vote_until_answered(app, token, &format!("k{n}")).await }
    });
    let answers = join_all(votes).await;
    let recorded = |answer: &&Answer| answer.is_accepted() || answer.is_repeat();
    let recorded = answers.iter().filter(recorded).count();
    let refused = answers
        .iter()
        .filter(|answer| answer.code() == "vote-limit-reached");
    assert_eq!((recorded, refused.count()), (1, 999));
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn a_closed_poll_whose_voters_are_forgotten_takes_no_vote_and_says_so() {
    let (show, identity) = show().await;
    let app = app(&show, &identity).await;
    let token = identity.token("maria");
    assert!(vote(&app, &token, "k1").await.is_accepted());
    let closed = show.change(Transition::Close).await;
    app.sees("poll-closed").await;
    assert!(vote(&app, &token, "k1").await.is_repeat());
    let next = closed.forget_voters(now(), "test").expect("closed");
    let forgotten = show.operator.forget_voters(&next, closed.revision).await;
    assert!(forgotten.expect("destroyed").1);
    let said = eventually(DEADLINE, || async {
        let answer = vote(&app, &token, "k1").await;
        (!answer.is_repeat()).then_some(answer)
    })
    .await;
    assert_eq!(said.code(), "poll-closed", "{said:?}");
    assert!(said.detail().contains("is forgotten"), "{said:?}");
}
