//! A poll on a Redis of its own, a writer to cast votes with, and the service that publishes them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use vote_domain::{
    Annulled, IdempotencyKey, KeyDigest, ManualClock, Minute, Poll, PollDefinition, PollId, Reason,
    Receipt, Transition,
};
use vote_http::{Running, launch};
use vote_results::Results;
use vote_runtime::{ServiceName, Settings};
use vote_store::{
    Acceptance, LaneConfig, Outcome, Place, PollOperator, RedisConfig, Store, VoteToCast,
    VoteWriter, VoteWriterConfig,
};
use vote_testkit::fixtures::{demo_poll, random_bytes};
use vote_testkit::{RedisServer, eventually};

pub(crate) use vote_testkit::fixtures::at;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const PRODUCTION: &str = "token-of-production";
pub(crate) const BROADCAST: &str = "token-of-broadcast-graphics";
pub(crate) const ID: &str = "paredao-01";
pub(crate) const ANA: u8 = 0;
pub(crate) const BIA: u8 = 1;
/// The receipts' key of the settings.
pub(crate) const RECEIPT_KEY: &str =
    "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";

pub(crate) fn opens_at() -> Timestamp {
    at("2026-11-24T00:00:00Z")
}

pub(crate) fn closes_at() -> Timestamp {
    at("2026-11-26T02:00:00Z")
}

/// A time at which the poll is open.
pub(crate) fn voting() -> Timestamp {
    at("2026-11-24T01:02:03Z")
}

pub(crate) fn definition(changes: &Value) -> PollDefinition {
    demo_poll()
        .shards(2)
        .with(
            "candidates",
            json!([
                { "id": "ana", "name": "Ana", "color": "#e4572e" },
                { "id": "bia", "name": "Bia", "image_url": "https://example.com/bia.png" }
            ]),
        )
        .with_all(changes)
        .definition()
}

fn store(url: &str) -> Store {
    let mut config = RedisConfig::new(url).expect("a usable address");
    config.connect_timeout = Duration::from_millis(500);
    config.response_timeout = Duration::from_millis(500);
    Store::new(&config).expect("nothing to refuse")
}

/// A Redis whose data outlives it.
pub(crate) async fn lasting_redis() -> RedisServer {
    RedisServer::builder()
        .append_only(true)
        .config("appendfsync", "always")
        .start()
        .await
}

/// Changes polls as production would.
pub(crate) struct Producer {
    pub(crate) operator: PollOperator,
    url: String,
}

impl Producer {
    pub(crate) fn new(redis: &RedisServer) -> Self {
        let url = redis.url();
        Self {
            operator: store(&url).operator(),
            url,
        }
    }

    /// Applies a poll, a draft.
    pub(crate) async fn apply(&self, changes: &Value) -> Poll {
        let draft = Poll::draft(definition(changes), opens_at(), "test");
        self.operator.save(&draft, 0).await.expect("saved");
        draft
    }

    /// Applies a poll and opens it.
    pub(crate) async fn open(&self, changes: &Value) -> Poll {
        let draft = self.apply(changes).await;
        self.change(draft.definition.id().as_str(), Transition::Open, opens_at())
            .await
    }

    pub(crate) async fn poll(&self, id: &str) -> Poll {
        let id = PollId::parse(id).expect("an id");
        self.operator
            .get(&id)
            .await
            .expect("Redis answers")
            .expect("the poll is there")
    }

    pub(crate) async fn change(&self, id: &str, transition: Transition, now: Timestamp) -> Poll {
        let poll = self.poll(id).await;
        let next = poll.transition(transition, now, "test").expect("legal");
        self.operator
            .save(&next, poll.revision)
            .await
            .expect("saved");
        next
    }

    /// Annuls all votes for Ana in the minute in which votes come, as `votectl annul` does.
    pub(crate) async fn annul_ana(&self) {
        let poll = self.poll(ID).await;
        let minute = Minute::from_timestamp(voting());
        let votes = Annulled {
            from: minute.start(),
            until: minute.next().start(),
            channel: None,
            candidate: Some(poll.definition.candidates()[usize::from(ANA)].id.clone()),
        };
        let why = Reason::parse("a wave of automata").expect("a reason");
        let next = poll.annul(votes, why, voting(), "zuleika").expect("legal");
        self.operator
            .save(&next, poll.revision)
            .await
            .expect("saved");
    }

    /// Takes that back.
    pub(crate) async fn take_back(&self, number: u32) {
        let poll = self.poll(ID).await;
        let why = Reason::parse("they were people").expect("a reason");
        let next = poll.take_back(number, why, voting(), "zuleika");
        self.operator
            .save(&next.expect("legal"), poll.revision)
            .await
            .expect("saved");
    }

    /// Lets its figures go on air.
    pub(crate) async fn release(&self, id: &str) {
        let poll = self.poll(id).await;
        let next = poll.release(voting(), "test").expect("legal");
        self.operator
            .save(&next, poll.revision)
            .await
            .expect("saved");
    }

    /// Holds its figures, as `votectl poll hold` does.
    pub(crate) async fn hold(&self, id: &str) -> Poll {
        let poll = self.poll(id).await;
        let without = poll.hold(None, voting(), "test").expect("legal");
        let figures = self.operator.held_figures(&poll, &without, voting());
        let figures = figures.await.expect("figures");
        let next = poll.hold(Some(figures), voting(), "test").expect("legal");
        self.operator
            .save(&next, poll.revision)
            .await
            .expect("saved");
        next
    }

    pub(crate) async fn redefine(&self, id: &str, changes: &Value) {
        let poll = self.poll(id).await;
        let next = poll
            .redefine(definition(changes), opens_at(), "test")
            .expect("legal");
        self.operator
            .save(&next, poll.revision)
            .await
            .expect("saved");
    }

    /// Closes and seals a poll.
    pub(crate) async fn seal(&self, id: &str, now: Timestamp) -> vote_domain::SealedPoll {
        self.change(id, Transition::Close, now).await;
        // As soon as all that has voted is drained. An attempt whose answer was lost may have sealed it.
        eventually(DEADLINE, || async {
            let poll = self.poll(id).await;
            if let Ok(Some(sealed)) = self.operator.sealed(poll.definition.id()).await {
                return Ok(sealed);
            }
            let sealed = self
                .operator
                .seal(&poll, &BTreeSet::new(), now, "test")
                .await;
            sealed.map_err(|error| error.to_string())
        })
        .await
    }

    /// A process that takes votes.
    pub(crate) async fn voting(&self) -> Voting {
        self.voting_with(LaneConfig::default()).await
    }

    /// One with these settings, but for its patience.
    pub(crate) async fn voting_with(&self, lane: LaneConfig) -> Voting {
        let config = VoteWriterConfig {
            lane: LaneConfig {
                accept_timeout: Duration::from_secs(10),
                ..lane
            },
            refresh_interval: Duration::from_millis(20),
            receipt_key: None,
            random: random_bytes,
        };
        let mut registry = Registry::default();
        Voting(VoteWriter::start(&store(&self.url), config, &mut registry))
    }
}

/// The demo poll, open on this Redis, and the service that publishes it.
pub(crate) async fn published(redis: &RedisServer) -> (Producer, App) {
    let producer = Producer::new(redis);
    producer.open(&json!({})).await;
    let app = App::start(&redis.url()).await;
    (producer, app)
}

/// The demo poll with three votes for Ana and one for Bia, released.
pub(crate) async fn released() -> (RedisServer, Producer, App) {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    producer.release(ID).await;
    let voters = producer.voting().await;
    for candidate in [ANA, ANA, BIA, ANA] {
        voters.vote(candidate, voting()).await;
    }
    voters.end().await;
    app.until_votes(4).await;
    (redis, producer, app)
}

/// A process that takes votes.
pub(crate) struct Voting(Arc<VoteWriter>);

impl Voting {
    /// Ends in order, so that nobody has to wait for it.
    pub(crate) async fn end(self) {
        self.0.drain(std::time::Duration::from_secs(20)).await;
    }

    pub(crate) async fn cast(&self, poll: &str, vote: VoteToCast) -> Place {
        let open = eventually(DEADLINE, || async { self.0.find(poll).ok().flatten() }).await;
        // Votes are taken as soon as the writer has seen the poll open.
        eventually(DEADLINE, || async {
            match open.cast(vote.clone()).await {
                Outcome::Accepted(Acceptance { place, .. })
                | Outcome::Duplicate(Some(Acceptance { place, .. })) => Ok(place),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    pub(crate) async fn vote(&self, candidate: u8, when: Timestamp) -> Place {
        self.cast(ID, vote(candidate, when)).await
    }
}

impl Drop for Voting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A vote of the open channel, with a key, so that a repeat would be no second vote.
pub(crate) fn vote(candidate: u8, when: Timestamp) -> VoteToCast {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    let key = format!("vote-{}", COUNTER.fetch_add(1, Ordering::Relaxed));
    let poll = PollId::parse(ID).expect("valid");
    VoteToCast {
        channel: 0,
        candidate,
        received_at_ms: when.as_millisecond(),
        key: Some(KeyDigest::new(
            &poll,
            &IdempotencyKey::parse(&key).expect("valid"),
        )),
        voter: None,
        is_withdrawn: false,
        quarantine: None,
        span: None,
    }
}

pub(crate) fn receipt_of(place: Place) -> Receipt {
    Receipt {
        poll: PollId::parse(ID).expect("valid"),
        writer: place.writer,
        shard: place.shard,
        sequence: place.sequence,
        place: place.place,
        is_repeat: false,
        at: voting(),
    }
}

/// The service, and a client.
pub(crate) struct App {
    pub(crate) running: Running<Results>,
    pub(crate) clock: Arc<ManualClock>,
    client: reqwest::Client,
    address: SocketAddr,
}

impl App {
    pub(crate) async fn start(redis_url: &str) -> Self {
        Self::start_with(redis_url, &[]).await
    }

    /// Starts the service at a time when the poll is open. The clock stands until it is moved.
    pub(crate) async fn start_with(redis_url: &str, over: &[(&str, &str)]) -> Self {
        let set = [
            ("VOTE__REDIS__URL", redis_url),
            ("VOTE__REDIS__CONNECT_TIMEOUT_MS", "500"),
            ("VOTE__REDIS__RESPONSE_TIMEOUT_MS", "500"),
            ("VOTE__HTTP__BIND", "127.0.0.1:0"),
            ("VOTE__ADMIN__BIND", "127.0.0.1:0"),
            ("VOTE__HTTP__WORKERS", "2"),
            ("VOTE__POLLS__REFRESH_INTERVAL_MS", "50"),
            ("VOTE__SNAPSHOT__INTERVAL_MS", "50"),
            ("VOTE__ACCESS__PRODUCTION_TOKEN", PRODUCTION),
            ("VOTE__ACCESS__BROADCAST_TOKEN", BROADCAST),
            ("VOTE__SHUTDOWN__GRACE_MS", "0"),
        ];
        let env = set
            .iter()
            .chain(over)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Settings::load(ServiceName::Results, None, env).expect("settings");
        let clock = Arc::new(ManualClock::new(voting()));
        let running = launch::<Results>(settings, Arc::clone(&clock) as _, None)
            .await
            .expect("a service");
        Self {
            address: running.address(),
            running,
            clock,
            client: reqwest::Client::builder()
                .no_gzip()
                .no_brotli()
                .build()
                .expect("a client"),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.client.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.expect("a body").to_vec(),
        }
    }

    /// An answer whose body is still to come.
    pub(crate) async fn begin(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = self.client.get(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(reqwest::Method::GET, path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(reqwest::Method::GET, path, headers).await
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        self.get_with(path, &[("authorization", &bearer)]).await
    }

    /// Waits until the standing counts so many votes for staff, whatever the public sees.
    pub(crate) async fn until_staff_sees_votes(&self, votes: u64) {
        eventually(DEADLINE, || async {
            let answer = self.get_as(PRODUCTION, &results()).await;
            answer
                .try_json()
                .is_some_and(|json| json["total_votes"] == votes)
        })
        .await;
    }

    /// Waits until the JSON at a path is as wanted, and returns the answer.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Answer {
        eventually(DEADLINE, || async {
            let answer = self.get(path).await;
            let json = answer.try_json().unwrap_or(Value::Null);
            if answer.status == 200 && wanted(&json) {
                Ok(answer)
            } else {
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                Err(format!("{} {body}", answer.status))
            }
        })
        .await
    }

    /// Waits for a number of votes in the standing.
    pub(crate) async fn until_votes(&self, votes: u64) -> Answer {
        self.until(&results(), |standing| standing["total_votes"] == votes)
            .await
    }

    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.running.admin_address());
        let response = self.client.get(url).send().await.expect("an answer");
        response.text().await.expect("text")
    }

    /// Waits until the samples that start with `prefix` are these, in order, and no other.
    pub(crate) async fn until_series(&self, prefix: &str, wanted: &[&str]) {
        eventually(DEADLINE, || async {
            let metrics = self.metrics().await;
            let lines = metrics.lines();
            let mut series: Vec<&str> = lines.filter(|line| line.starts_with(prefix)).collect();
            series.sort_unstable();
            if series == wanted {
                Ok(())
            } else {
                Err(format!("{series:#?}"))
            }
        })
        .await;
    }

    /// As [`App::metric`], of counts.
    pub(crate) async fn count(&self, name: &str, labels: &[&str]) -> u64 {
        self.samples::<u64>(name, labels).await.into_iter().sum()
    }

    /// The sum of the samples whose line starts with `name` and holds all `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        self.samples::<f64>(name, labels).await.into_iter().sum()
    }

    async fn samples<T: std::str::FromStr>(&self, name: &str, labels: &[&str]) -> Vec<T> {
        let text = self.metrics().await;
        text.lines()
            .filter(|line| line.starts_with(name))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect()
    }

    pub(crate) async fn stop(self) {
        self.running
            .shutdown(CancellationToken::new())
            .await
            .expect("a clean stop");
    }
}

/// An answer, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn try_json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), "application/json");
        self.try_json().expect("JSON")
    }

    /// The code of a problem.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let body = self.try_json().expect("JSON");
        assert_eq!(body["status"], self.status);
        assert!(!body["detail"].as_str().expect("a detail").is_empty());
        (
            self.status,
            body["code"].as_str().expect("a code").to_owned(),
        )
    }
}

pub(crate) fn results() -> String {
    format!("/v1/polls/{ID}/results")
}

/// The address of a feed of the demo poll.
pub(crate) fn feed(format: &str) -> String {
    format!("{}.{format}", results())
}

pub(crate) fn problem(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
