//! A poll on a Redis of its own, and a writer to cast votes with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use vote_domain::{
    IdempotencyKey, KeyDigest, Poll, PollDefinition, PollId, SealedPoll, Transition, VoterDigest,
};
use vote_store::{
    Acceptance, AuditReport, LaneConfig, OpenPoll, Outcome, Place, PollOperator, RedisConfig,
    SealingError, Store, VoteToCast, VoteWriter, VoteWriterConfig,
};
use vote_testkit::fixtures::{demo_poll, random_bytes};
use vote_testkit::{RedisServer, eventually};

pub(crate) use vote_testkit::fixtures::at;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
pub(crate) const TORCIDA: u8 = 0;
pub(crate) const UNICO: u8 = 1;
pub(crate) const ANA: u8 = 0;
pub(crate) const BIA: u8 = 1;

pub(crate) fn opens_at() -> Timestamp {
    at("2025-11-24T00:00:00Z")
}

pub(crate) fn closes_at() -> Timestamp {
    at("2025-11-26T02:00:00Z")
}

/// A time at which the poll is open, in milliseconds.
pub(crate) fn voting_ms() -> i64 {
    at("2025-11-24T01:02:03Z").as_millisecond()
}

pub(crate) fn definition(shards: u16) -> PollDefinition {
    demo_poll()
        .between(opens_at(), closes_at())
        .shards(shards)
        .with(
            "channels",
            serde_json::json!([
                { "id": "torcida", "weight": 30, "eligibility": "open" },
                { "id": "unico", "weight": 70, "eligibility": "voter", "votes_per_voter": 2 }
            ]),
        )
        .definition()
}

/// A quick lane for tests.
pub(crate) fn lane_config() -> LaneConfig {
    LaneConfig {
        accept_timeout: Duration::from_secs(10),
        ..LaneConfig::default()
    }
}

pub(crate) fn store(url: &str) -> Store {
    let mut config = RedisConfig::new(url).expect("a usable address");
    config.connect_timeout = Duration::from_millis(500);
    config.response_timeout = Duration::from_millis(500);
    Store::new(&config).expect("nothing to refuse")
}

/// A poll, open on `redis`: one server, unless it says otherwise.
pub(crate) struct Show<R = RedisServer> {
    pub(crate) redis: R,
    pub(crate) url: String,
    pub(crate) operator: PollOperator,
    pub(crate) id: PollId,
}

impl Show {
    pub(crate) async fn open() -> Self {
        Self::open_on(RedisServer::start().await, 1).await
    }

    pub(crate) async fn open_on(redis: RedisServer, shards: u16) -> Self {
        let url = redis.url();
        Self::open_at(redis, url, shards).await
    }
}

impl<R> Show<R> {
    /// On the servers behind `url`.
    pub(crate) async fn open_at(redis: R, url: String, shards: u16) -> Self {
        Self::open_as(redis, url, definition(shards)).await
    }

    /// With that definition.
    pub(crate) async fn open_as(redis: R, url: String, definition: PollDefinition) -> Self {
        let operator = store(&url).operator();
        let draft = Poll::draft(definition, opens_at(), "test");
        operator.save(&draft, 0).await.expect("saved");
        let show = Self {
            redis,
            url,
            operator,
            id: draft.definition.id().clone(),
        };
        show.change(Transition::Open, opens_at()).await;
        show
    }

    pub(crate) async fn poll(&self) -> Poll {
        self.operator
            .get(&self.id)
            .await
            .expect("Redis answers")
            .expect("the poll is there")
    }

    pub(crate) async fn change(&self, transition: Transition, now: Timestamp) -> Poll {
        let poll = self.poll().await;
        let next = poll.transition(transition, now, "test").expect("legal");
        self.operator
            .save(&next, poll.revision)
            .await
            .expect("saved");
        next
    }

    /// Another poll, a draft, of two shards.
    pub(crate) async fn draft(&self, id: &str) -> Poll {
        let mut json = serde_json::to_value(definition(2)).expect("JSON");
        json["id"] = id.into();
        let definition = PollDefinition::parse_json(json.to_string().as_bytes()).expect("valid");
        let draft = Poll::draft(definition, opens_at(), "test");
        self.operator.save(&draft, 0).await.expect("saved");
        draft
    }

    /// Seals it as soon as all writers are drained, as `votectl` does.
    pub(crate) async fn seal(
        &self,
        closed: &Poll,
        now: Timestamp,
        by: &str,
    ) -> Result<SealedPoll, SealingError> {
        eventually(DEADLINE, || async {
            match self.operator.seal(closed, &BTreeSet::new(), now, by).await {
                Err(SealingError::Waiting(waiting)) => Err(format!("{waiting:?}")),
                sealed => Ok(sealed),
            }
        })
        .await
    }

    pub(crate) async fn audit(&self) -> AuditReport {
        self.operator
            .audit(&self.id)
            .await
            .expect("Redis answers")
            .expect("the poll is there")
    }

    /// Whether each shard has as many batches as its writers' last sequences say: by that readers of long ledgers know that they
    /// lack none.
    pub(crate) async fn counts_its_batches(&self) -> bool {
        let nodes = redis::Client::open(self.url.as_str()).expect("an address");
        let mut redis = nodes.get_multiplexed_async_connection().await.expect("up");
        let figures = self.operator.figures(&self.poll().await).await;
        for shard in figures.expect("figures") {
            let state = format!("vote:{{{}/{}}}:state", self.id, shard.shard);
            let mut count = redis::cmd("HGET");
            let count = count.arg(state).arg("batches").query_async(&mut redis);
            let count: Option<u64> = count.await.expect("a count");
            if count.unwrap_or(0) != shard.sequences() {
                return false;
            }
        }
        true
    }

    /// Votes by `<channel>/<candidate>`.
    pub(crate) async fn tally(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        let poll = self.poll().await;
        for shard in self.operator.figures(&poll).await.expect("figures") {
            for (ch, channel) in poll.definition.channels().iter().enumerate() {
                for (ca, candidate) in poll.definition.candidates().iter().enumerate() {
                    *sums
                        .entry(format!("{}/{}", channel.id, candidate.id))
                        .or_default() += shard.tally.get(ch, ca);
                }
            }
        }
        sums.retain(|_, votes| *votes > 0);
        sums
    }

    /// Whether the ledger has the batch of this place.
    pub(crate) async fn proves(&self, place: Place) -> bool {
        let figures = self.operator.figures(&self.poll().await).await;
        figures.expect("figures").iter().any(|shard| {
            let ledger = shard.writers.get(&place.writer);
            shard.shard == place.shard
                && ledger.is_some_and(|ledger| place.sequence <= ledger.last_sequence)
        })
    }

    pub(crate) async fn voting(&self) -> Voting {
        self.voting_with(&self.url, lane_config()).await
    }

    pub(crate) async fn voting_with(&self, url: &str, lane: LaneConfig) -> Voting {
        Voting::start(url, lane, self.id.as_str()).await
    }
}

/// Leaves a shard as a sealing of `closed` leaves it that ends right after it.
pub(crate) async fn half_seal(show: &Show, closed: &Poll, shard: u16) {
    let next = closed.transition(Transition::Seal, closes_at(), "test");
    let mut redis = show.redis.connection().await;
    redis::cmd("HSET")
        .arg(format!("vote:{{paredao-01/{shard}}}:state"))
        .arg(&[
            ("state", "sealed".to_owned()),
            ("revision", next.expect("legal").revision.to_string()),
        ])
        .exec_async(&mut redis)
        .await
        .expect("set");
}

/// A process that takes votes.
pub(crate) struct Voting {
    pub(crate) writer: Arc<VoteWriter>,
    pub(crate) registry: Registry,
    poll: String,
}

impl Voting {
    pub(crate) async fn start(url: &str, lane: LaneConfig, poll: &str) -> Self {
        Self::start_on(&store(url), lane, poll).await
    }

    pub(crate) async fn start_on(store: &Store, lane: LaneConfig, poll: &str) -> Self {
        let config = VoteWriterConfig {
            lane,
            refresh_interval: Duration::from_millis(20),
            receipt_key: None,
            random: random_bytes,
        };
        let mut registry = Registry::default();
        let writer = VoteWriter::start(store, config, &mut registry);
        let voting = Self {
            writer,
            registry,
            poll: poll.to_owned(),
        };
        eventually(DEADLINE, || async { voting.find().is_some() }).await;
        voting
    }

    fn find(&self) -> Option<Arc<OpenPoll>> {
        self.writer.find(&self.poll).ok().flatten()
    }

    /// Whether it knows that Redis has no document of the poll any more.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.writer.find(&self.poll).is_err()
    }

    pub(crate) fn poll(&self) -> Arc<OpenPoll> {
        self.find().expect("the poll is known")
    }

    pub(crate) async fn cast(&self, vote: VoteToCast) -> Outcome {
        self.poll().cast(vote).await
    }

    /// Waits until the process has seen `revision` of the poll.
    pub(crate) async fn sees(&self, revision: u64) {
        eventually(DEADLINE, || async {
            self.poll().poll().revision >= revision
        })
        .await;
    }

    /// The value of a metric's sample whose line starts with `name`, summed over its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("encodes");
        text.lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

impl Drop for Voting {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

/// A vote of the open channel.
pub(crate) fn vote(candidate: u8) -> VoteToCast {
    VoteToCast {
        channel: TORCIDA,
        candidate,
        received_at_ms: voting_ms(),
        key: None,
        voter: None,
        is_withdrawn: false,
        quarantine: None,
        span: None,
    }
}

pub(crate) fn key(text: &str) -> KeyDigest {
    let poll = PollId::parse("paredao-01").expect("valid");
    KeyDigest::new(&poll, &IdempotencyKey::parse(text).expect("valid"))
}

pub(crate) fn keyed(candidate: u8, text: &str) -> VoteToCast {
    VoteToCast {
        key: Some(key(text)),
        ..vote(candidate)
    }
}

pub(crate) fn voter(name: &str) -> VoterDigest {
    let poll = PollId::parse("paredao-01").expect("valid");
    VoterDigest::new(&[7; 32], &poll, name)
}

pub(crate) fn by_voter(candidate: u8, name: &str) -> VoteToCast {
    VoteToCast {
        channel: UNICO,
        voter: Some(voter(name)),
        ..vote(candidate)
    }
}

pub(crate) fn is_accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted(_))
}

/// What a repeat is told: the place by which its vote can be proved.
pub(crate) fn repeated(outcome: &Outcome) -> Place {
    match outcome {
        Outcome::Duplicate(Some(Acceptance { place, .. })) => *place,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn tally_of(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs
        .iter()
        .map(|(field, votes)| ((*field).to_owned(), *votes))
        .collect()
}

/// Writes a document as it is, as a command does that is cut off half-way, or somebody by hand.
pub(crate) async fn put(show: &Show, key: &str, document: &impl serde::Serialize) {
    let mut redis = show.redis.connection().await;
    redis::cmd("SET")
        .arg(key)
        .arg(serde_json::to_string(document).expect("JSON"))
        .exec_async(&mut redis)
        .await
        .expect("set");
}
