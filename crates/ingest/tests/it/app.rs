//! The service in this process, with a poll open on a Redis of its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use vote_domain::{CandidateId, Clock, Eligibility, Poll, PollDefinition, PollId, Transition};
use vote_http::{Service as _, StopError};
use vote_ingest::Ingest;
use vote_runtime::{ServiceName, Settings, SystemClock};
use vote_store::{AuditReport, PollOperator, RedisConfig, Store};
use vote_testkit::fixtures::demo_poll;
use vote_testkit::{RedisServer, eventually};

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const POLL: &str = "paredao-01";

/// What is done to an open poll, and the problem of a vote then.
pub(crate) const COURSE: [(Transition, &str); 4] = [
    (Transition::Pause, "poll-paused"),
    (Transition::Resume, ""),
    (Transition::Close, "poll-closed"),
    (Transition::Void, "poll-void"),
];

/// The problems that a request may meet: those that the document names for its operations, and those of requests
/// that are for no operation.
pub(crate) static DOCUMENTED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let document = serde_json::to_value(Ingest::openapi()).expect("JSON");
    let members = |value: &Value| {
        value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(_, v)| v.clone())
            .collect::<Vec<_>>()
    };
    let operations = members(&document["paths"])
        .into_iter()
        .flat_map(|path| members(&path));
    let answers = operations.flat_map(|operation| members(&operation["responses"]));
    let examples: Vec<_> = answers
        .map(|answer| answer["content"]["application/problem+json"]["examples"].clone())
        .collect();
    let examples = examples.iter().filter_map(Value::as_object);
    let of_no_operation = ["not-found", "method-not-allowed"].map(str::to_owned);
    examples
        .flat_map(|examples| examples.keys().cloned())
        .chain(of_no_operation)
        .collect()
});

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// The machine's clock, and so much more.
pub(crate) struct Ahead(pub(crate) SignedDuration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        now() + self.0
    }
}

/// The machine's clock, or another one by so many seconds.
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    pub(crate) fn ahead_by(seconds: i64) -> Self {
        Self(AtomicI64::new(seconds))
    }

    pub(crate) fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        now() + SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() - seconds).expect("a time")
}

/// The poll of the documentation between two times, with a channel that asks for a proof besides.
pub(crate) fn definition(opens_at: Timestamp, closes_at: Timestamp) -> PollDefinition {
    let channels = [
        ("torcida", 30, Eligibility::Open),
        ("unico", 70, Eligibility::Voter),
        ("prova", 1, Eligibility::ProofOfWork),
    ];
    demo_poll()
        .between(opens_at, closes_at)
        .channels(&channels)
        .definition()
}

/// A Redis with the poll on it.
pub(crate) struct Show {
    pub(crate) redis: RedisServer,
    pub(crate) operator: PollOperator,
}

impl Show {
    pub(crate) async fn open() -> Self {
        Self::with(definition(ago(60), ago(-3_600)), Some(Transition::Open)).await
    }

    pub(crate) async fn with(definition: PollDefinition, then: Option<Transition>) -> Self {
        let redis = RedisServer::builder().append_only(true).start().await;
        let operator = Store::new(&RedisConfig::new(redis.url()).expect("an address"))
            .expect("a usable address")
            .operator();
        let show = Self { redis, operator };
        let draft = Poll::draft(definition, now(), "test");
        show.operator.save(&draft, 0).await.expect("saved");
        if let Some(transition) = then {
            show.change(transition).await;
        }
        show
    }

    pub(crate) async fn poll(&self) -> Poll {
        let id = PollId::parse(POLL).expect("valid");
        self.operator
            .get(&id)
            .await
            .expect("Redis answers")
            .expect("the poll")
    }

    pub(crate) async fn change(&self, transition: Transition) -> Poll {
        let poll = self.poll().await;
        let next = poll.transition(transition, now(), "test").expect("legal");
        self.save(next, poll.revision).await
    }

    /// The poll without one of its candidates.
    pub(crate) async fn withdraw(&self, candidate: &str) -> Poll {
        let candidate = CandidateId::parse(candidate).expect("an id");
        let poll = self.poll().await;
        let next = poll.withdraw(&candidate, now(), "test").expect("legal");
        self.save(next, poll.revision).await
    }

    /// The poll with that candidate again.
    pub(crate) async fn readmit(&self, candidate: &str) -> Poll {
        let candidate = CandidateId::parse(candidate).expect("an id");
        let poll = self.poll().await;
        let next = poll.readmit(&candidate, now(), "test").expect("legal");
        self.save(next, poll.revision).await
    }

    async fn save(&self, next: Poll, revision: u64) -> Poll {
        self.operator.save(&next, revision).await.expect("saved");
        next
    }

    pub(crate) async fn audit(&self) -> AuditReport {
        let id = PollId::parse(POLL).expect("valid");
        self.operator
            .audit(&id)
            .await
            .expect("Redis answers")
            .expect("the poll")
    }

    /// All votes in the tally; the figures must agree.
    pub(crate) async fn total(&self) -> u128 {
        let audit = self.audit().await;
        assert!(audit.passed, "{:?}", audit.differences);
        audit.total
    }

    /// Until Redis remembers no key any more.
    pub(crate) async fn forgets_keys(&self) {
        let redis = self.redis.connection().await;
        eventually(DEADLINE, || {
            let mut redis = redis.clone();
            async move {
                let mut keys = redis::cmd("KEYS");
                let seen = keys.arg("*:seen").query_async(&mut redis).await;
                let seen: Vec<String> = seen.expect("Redis answers");
                seen.is_empty()
            }
        })
        .await;
    }

    pub(crate) async fn app(&self) -> App {
        self.app_with(&[]).await
    }

    pub(crate) async fn app_with(&self, settings: &[(&str, &str)]) -> App {
        let app = App::start(&self.redis.url(), settings).await;
        app.knows_polls().await;
        app
    }
}

/// The service, and a client of it.
pub(crate) struct App {
    pub(crate) running: Option<vote_http::Running<Ingest>>,
    pub(crate) url: String,
    pub(crate) admin_url: String,
    pub(crate) client: Client,
}

impl App {
    pub(crate) async fn start(redis: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_by(Arc::new(SystemClock), redis, settings).await
    }

    pub(crate) async fn start_by(
        clock: Arc<dyn Clock>,
        redis: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        Self::start_changed(clock, redis, settings, |_| {}).await
    }

    /// A service that remembers keys for four seconds, less than settings let it beside what it may wait for.
    pub(crate) async fn forgetful(redis: &str, settings: &[(&str, &str)]) -> Self {
        let forget = |settings: &mut Settings| {
            settings.commit.idempotency_window = Duration::from_secs(4);
        };
        let app = Self::start_changed(Arc::new(SystemClock), redis, settings, forget).await;
        app.knows_polls().await;
        app
    }

    async fn start_changed(
        clock: Arc<dyn Clock>,
        redis: &str,
        settings: &[(&str, &str)],
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut env = vec![
            ("VOTE__REDIS__URL", redis),
            ("VOTE__HTTP__BIND", "127.0.0.1:0"),
            ("VOTE__ADMIN__BIND", "127.0.0.1:0"),
            ("VOTE__HTTP__WORKERS", "1"),
            ("VOTE__REDIS__CONNECT_TIMEOUT_MS", "500"),
            ("VOTE__POLLS__REFRESH_INTERVAL_MS", "50"),
        ];
        env.extend_from_slice(settings);
        let env = env
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings = Settings::load(ServiceName::Ingest, None, env).expect("right settings");
        change(&mut settings);
        let running = vote_http::launch::<Ingest>(settings, clock, None)
            .await
            .expect("started");
        Self {
            url: format!("http://{}", running.address()),
            admin_url: format!("http://{}", running.admin_address()),
            running: Some(running),
            client: Client::new(),
        }
    }

    async fn knows_polls(&self) {
        eventually(DEADLINE, || async {
            self.client
                .get(format!("{}/readyz", self.url))
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    pub(crate) fn post(&self, poll: &str) -> RequestBuilder {
        self.client
            .post(format!("{}/v1/polls/{poll}/votes", self.url))
    }

    /// Votes for a candidate, with a key or without.
    pub(crate) async fn vote(&self, candidate: &str, key: Option<&str>) -> Answer {
        let mut request = self.post(POLL).json(&json!({ "candidate": candidate }));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        Answer::of(request).await
    }

    /// Asks for a challenge for a vote through a channel, with a key or without.
    pub(crate) async fn challenge(&self, channel: &str, key: Option<&str>) -> Answer {
        let url = format!("{}/v1/polls/{POLL}/challenge?channel={channel}", self.url);
        let mut request = self.client.get(url);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        Answer::of(request).await
    }

    /// A proof for such a vote.
    pub(crate) async fn proof(&self, channel: &str, key: Option<&str>) -> String {
        let challenge = self.challenge(channel, key).await;
        assert_eq!(challenge.status, StatusCode::OK, "{challenge:?}");
        let challenge = challenge.body.to_string();
        let solved = tokio::task::spawn_blocking(move || vote_proof::solve(challenge.as_bytes()));
        solved.await.expect("not cancelled").expect("solved")
    }

    /// Votes through the channel `prova`.
    pub(crate) async fn prove(&self, candidate: &str, key: Option<&str>, proof: &str) -> Answer {
        let body = json!({ "candidate": candidate, "channel": "prova", "proof": proof });
        let mut request = self.post(POLL).json(&body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        Answer::of(request).await
    }

    pub(crate) async fn send(&self, body: Value) -> Answer {
        self.send_to(POLL, body).await
    }

    pub(crate) async fn send_to(&self, poll: &str, body: Value) -> Answer {
        Answer::of(self.post(poll).json(&body)).await
    }

    /// A vote that is answered as `code` says, once the process has seen a change.
    pub(crate) async fn sees(&self, code: &str) -> Answer {
        eventually(DEADLINE, || async {
            let answer = self.vote("ana", None).await;
            (answer.code() == code).then_some(answer)
        })
        .await
    }

    /// What `/readyz` says.
    pub(crate) async fn ready(&self) -> (StatusCode, String) {
        let answer = self.client.get(format!("{}/readyz", self.url)).send().await;
        let answer = answer.expect("an answer");
        (answer.status(), answer.text().await.expect("text"))
    }

    pub(crate) async fn metrics(&self) -> String {
        let answer = self
            .client
            .get(format!("{}/metrics", self.admin_url))
            .send()
            .await;
        answer.expect("an answer").text().await.expect("text")
    }

    pub(crate) async fn stop(mut self) -> Result<(), StopError> {
        let running = self.running.take().expect("running");
        let skip_grace = CancellationToken::new();
        skip_grace.cancel();
        running.shutdown(skip_grace).await
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response: Response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let answer = Self {
            status,
            headers,
            body,
        };
        if answer.status.is_client_error() || answer.status.is_server_error() {
            answer.assert_is_problem();
        }
        answer
    }

    fn assert_is_problem(&self) {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{self:?}"
        );
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
        assert!(DOCUMENTED.contains(self.code()), "{self:?}");
        assert_eq!(
            self.body["type"],
            format!("/problems/{}", self.code()),
            "{self:?}"
        );
        assert!(
            self.body["title"].is_string() && self.body["detail"].is_string(),
            "{self:?}"
        );
    }

    /// The problem's code; empty where there is none.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or_default()
    }

    pub(crate) fn is_accepted(&self) -> bool {
        self.status == StatusCode::CREATED && self.body["status"] == "accepted"
    }

    pub(crate) fn is_repeat(&self) -> bool {
        self.status == StatusCode::OK && self.body["status"] == "already_accepted"
    }
}
