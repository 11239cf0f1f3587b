//! One Redis, one connection to it and one clock for all schedules.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::runtime::Runtime;
use vote_domain::{KeyDigest, KeySeed, Poll, PollDefinition};
use vote_testkit::RedisServer;

use super::gate::{Request, Upstream};
use super::steps::{HALF_OPEN_MS, KEYS, Phase, VOTES_PER_VOTER, WRITERS};
use crate::commit::config::LaneConfig;
use crate::commit::metrics::{LaneMetrics, WriterMetrics};
use crate::commit::remembered::Remembered;
use crate::fields;
use crate::keys::ShardKeys;
use crate::script::{COMMIT, COMMIT_ENTRY, DECIDE_QUARANTINE, FENCE};

/// The boundary that schedules are laid around: of a minute, an hour and an idempotency window.
pub(super) const BOUNDARY_MS: i64 = 1_763_949_600_000;
const MINUTE_MS: i64 = 60_000;
/// The minutes that have votes: schedules keep within half a minute of the boundary.
pub(super) const MINUTES: std::ops::Range<i64> =
    BOUNDARY_MS / MINUTE_MS - 2..BOUNDARY_MS / MINUTE_MS + 2;

/// The digests of the keys that votes have: found once, since one in 262,144 is in the field of another.
static DIGESTS: OnceLock<Vec<KeyDigest>> = OnceLock::new();

/// Everything that Redis holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<String, Vec<u8>>);

struct Entry {
    sequence: Option<u64>,
    votes: Option<u64>,
    drained: Option<String>,
}

/// `commit.lua` as it is, but for the pieces in which it reads and writes records: the model's batches have few votes, so two
/// make a piece.
fn in_pieces_of_two(script: &str) -> String {
    let pieces = "FIRST_BUCKET, CHUNK = 9, 128\n";
    assert_eq!(script.matches(pieces).count(), 1, "where do pieces begin?");
    script.replace(pieces, "FIRST_BUCKET, CHUNK = 9, 2\n")
}

pub(super) struct Harness {
    /// Whether writers are lanes of one process, which share a connection.
    pub(super) shares: bool,
    /// How often a cut took the requests of several of them.
    pub(super) cut_together: AtomicUsize,
    pub(super) upstream: Upstream,
    pub(super) poll: Poll,
    pub(super) metrics: Vec<LaneMetrics>,
    pub(super) keys: ShardKeys,
    /// The digest of the script that is run in place of `commit.lua`: that one in small pieces, maybe with a mistake in it.
    script: Mutex<String>,
    /// The same in place of `decide_quarantine.lua`.
    deciding_mutant: Mutex<Option<String>>,
    /// Lets the clock go when it is dropped: before the runtime, which waits for its tasks.
    _freeze: std::sync::mpsc::Sender<()>,
    pub(super) runtime: Runtime,
    _registries: Vec<Registry>,
    _redis: RedisServer,
}

impl Harness {
    /// Writers that have a process each, or share one.
    pub(super) fn start(shares: bool) -> Self {
        let redis = Runtime::new().expect("a runtime").block_on(async {
            let redis = RedisServer::start().await;
            let mut connection = redis.connection().await;
            for script in [&COMMIT, &COMMIT_ENTRY, &FENCE, &DECIDE_QUARANTINE] {
                script.load(&mut connection).await.expect("loaded");
            }
            redis
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        // A paused clock jumps to the next timer when nothing is to be done, unless a blocking task is
        // at work: this one is, for as long as the harness lives.
        let (freeze, frozen) = std::sync::mpsc::channel::<()>();
        runtime.block_on(async {
            tokio::task::spawn_blocking(move || frozen.recv());
        });
        let connection = redis.client().get_connection().expect("a connection");
        let poll = Poll::draft(definition(), jiff::Timestamp::UNIX_EPOCH, "model");
        let poll = poll.seeded(KeySeed::from_bytes([7; 16]));
        let mut registries = Vec::new();
        let metrics = (0..WRITERS)
            .map(|_| {
                let mut registry = Registry::default();
                let metrics = WriterMetrics::register(&mut registry, &LaneConfig::default());
                let metrics = metrics.lane(&metrics.poll(&poll.definition), 0);
                registries.push(registry);
                metrics
            })
            .collect();
        let harness = Self {
            shares,
            cut_together: AtomicUsize::new(0),
            upstream: Arc::new(Mutex::new(connection)),
            keys: ShardKeys::new(poll.definition.id(), 0),
            poll,
            metrics,
            script: Mutex::default(),
            deciding_mutant: Mutex::default(),
            runtime,
            _freeze: freeze,
            _registries: registries,
            _redis: redis,
        };
        harness.mutate(super::COMMIT);
        harness
    }

    /// The digest of a vote's key. All keys share a field of `seen`, so that what is kept for the one is in the way of the others.
    pub(super) fn digest(&self, key: u8) -> KeyDigest {
        DIGESTS.get_or_init(|| {
            // The window is no matter here.
            let remembered = Remembered::new(&self.poll, 1);
            remembered.keys_of_one_field().take(KEYS.into()).collect()
        })[usize::from(key)]
    }

    /// From now on batches are executed by this script.
    pub(super) fn mutate(&self, script: &str) {
        *self.script.lock() = self.load(&in_pieces_of_two(script));
    }

    /// From now on it is decided by this script.
    pub(super) fn mutate_deciding(&self, script: &str) {
        *self.deciding_mutant.lock() = Some(self.load(script));
    }

    fn load(&self, script: &str) -> String {
        redis::cmd("SCRIPT")
            .arg("LOAD")
            .arg(script)
            .query(&mut *self.upstream.lock())
            .expect("a script")
    }

    /// Executes a call that decides of votes that were set aside, and gives what it says.
    pub(super) fn decide(&self, request: &Request) -> String {
        let mutant = self.deciding_mutant.lock().clone();
        let reply = match mutant {
            Some(sha1) => request.with_script(&sha1).execute(&self.upstream),
            None => request.execute(&self.upstream),
        };
        let reply = String::from_utf8(reply).expect("text");
        let said = reply.lines().nth(1);
        said.unwrap_or_else(|| panic!("it answers {reply:?}"))
            .to_owned()
    }

    /// Executes a request of a writer, and checks the kind of the reply to a batch.
    pub(super) fn execute(&self, request: &Request) -> Vec<u8> {
        if !request.is_batch() {
            return request.execute(&self.upstream);
        }
        let before = self.entry(request.writer());
        let (state, closes_at): (String, i64) = redis::pipe()
            .hget(self.keys.state(), "state")
            .hget(self.keys.state(), "closes_at")
            .query(&mut *self.upstream.lock())
            .expect("the fence");
        let sha1 = self.script.lock().clone();
        let reply = request.with_script(&sha1).execute(&self.upstream);
        let kind = reply
            .iter()
            .find(|byte| byte.is_ascii_alphabetic())
            .map_or(' ', |byte| char::from(*byte));
        let (last, sequence) = (before.sequence.unwrap_or(0), request.sequence());
        let kinds = expected_kinds(request, last, &state);
        assert!(
            kinds.contains(kind),
            "{kind} where one of {kinds} was expected: {} of {sequence} after {last} while {state}",
            request.mode()
        );
        let after = self.entry(request.writer());
        let over = matches!(state.as_str(), "sealed" | "void");
        if "ALRSXO".contains(kind) && !(kind == 'R' && over) {
            assert_eq!(
                after.sequence,
                Some(sequence),
                "answered {kind}, and its sequence is not used"
            );
        }
        if kind == 'V' {
            let said = String::from_utf8_lossy(&reply);
            let votes = format!("V{}\r\n", before.votes.unwrap_or(0));
            assert!(said.ends_with(&votes), "{said} is not {votes}");
        }
        let for_this_closing = request.earliest() == closes_at;
        let mark = match (request.mode(), state.as_str()) {
            _ if kind != 'V' || last == 0 || over => before.drained,
            ("end", _) => Some("ended".to_owned()),
            _ if before.drained.as_deref() == Some("ended") => before.drained,
            ("drain", "open" | "closed") if for_this_closing => Some(closes_at.to_string()),
            _ => before.drained,
        };
        assert_eq!(
            after.drained, mark,
            "the mark after {request:?}, {last} while {state}"
        );
        reply
    }

    /// What the ledger has of a writer: by itself, or among those that have ended.
    fn entry(&self, writer: &str) -> Entry {
        type Fields = (Option<u64>, Option<u64>, Option<String>);
        let fields = ["sequence", "votes", "drained"].map(|field| format!("{writer}/{field}"));
        let ((sequence, votes, drained), ended): (Fields, Option<String>) = redis::pipe()
            .cmd("HMGET")
            .arg(self.keys.writers())
            .arg(&fields)
            .hget(self.keys.ended(), writer)
            .query(&mut *self.upstream.lock())
            .expect("the ledger");
        if let Some(ended) = ended {
            let left = (sequence, votes, drained);
            assert_eq!(left, (None, None, None), "{writer} has ended, and is there");
            let (sequence, votes) = fields::parse_ended(&ended).expect("an entry");
            return Entry {
                sequence: Some(sequence),
                votes: Some(votes),
                drained: Some("ended".to_owned()),
            };
        }
        Entry {
            sequence,
            votes,
            drained,
        }
    }

    pub(super) fn flush(&self) {
        redis::cmd("FLUSHALL")
            .exec(&mut *self.upstream.lock())
            .expect("flushed");
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut redis = self.upstream.lock();
        let names = all_keys(&mut redis);
        let mut pipeline = redis::pipe();
        for name in &names {
            pipeline.cmd("DUMP").arg(name);
        }
        let values: Vec<Vec<u8>> = pipeline.query(&mut *redis).expect("values");
        Snapshot(names.into_iter().zip(values).collect())
    }

    /// In one step, as a failover is for those who see it.
    pub(super) fn restore(&self, snapshot: &Snapshot) {
        let mut pipeline = redis::pipe();
        pipeline.atomic().cmd("FLUSHALL").ignore();
        for (name, value) in &snapshot.0 {
            pipeline.cmd("RESTORE").arg(name).arg(0).arg(value).ignore();
        }
        pipeline.exec(&mut *self.upstream.lock()).expect("restored");
    }

    /// All that Redis holds, in an order of its own: for comparisons.
    pub(super) fn dump(&self) -> BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>> {
        let mut redis = self.upstream.lock();
        let names = all_keys(&mut redis);
        let mut pipeline = redis::pipe();
        for name in &names {
            pipeline.cmd("HGETALL").arg(name);
        }
        let values: Vec<BTreeMap<Vec<u8>, Vec<u8>>> =
            pipeline.query(&mut *redis).expect("only hashes");
        names.into_iter().zip(values).collect()
    }

    pub(super) fn fence(&self, phase: Phase, closes_at: i64, revision: u64) {
        let mut command = FENCE.command(1);
        command
            .arg(self.keys.state())
            .arg(phase.as_str())
            .arg(BOUNDARY_MS - HALF_OPEN_MS)
            .arg(BOUNDARY_MS + closes_at)
            .arg(revision);
        let answer: String = command.query(&mut *self.upstream.lock()).expect("fenced");
        assert_eq!(answer, "ok");
    }

    /// What the fence says.
    pub(super) fn state(&self) -> String {
        let mut upstream = self.upstream.lock();
        let state = redis::Cmd::hget(self.keys.state(), "state");
        state.query(&mut *upstream).expect("a fence")
    }

    pub(super) fn last_sequence(&self, writer: &str) -> u64 {
        self.entry(writer).sequence.unwrap_or(0)
    }
}

/// The kinds of reply that the protocol allows to a request, where Redis has the writer up to `last`.
fn expected_kinds(request: &Request, last: u64, state: &str) -> &'static str {
    let sequence = request.sequence();
    if sequence < last {
        "B"
    } else if sequence == last {
        if request.asks() { "V" } else { "ALRSXO" }
    } else if sequence > last + 1 || request.asks() {
        "G"
    } else {
        match (request.mode(), state) {
            (_, "sealed" | "void") => "R",
            ("burn", _) => "X",
            ("replay", _) => "AO",
            (_, "paused") => "R",
            _ => "ALRS",
        }
    }
}

fn definition() -> PollDefinition {
    let candidates: Vec<_> = (0..64)
        .map(|n| serde_json::json!({ "id": format!("c{n}"), "name": format!("{n}") }))
        .collect();
    let time = |ms: i64| {
        jiff::Timestamp::from_millisecond(BOUNDARY_MS + ms)
            .expect("in range")
            .to_string()
    };
    let json = serde_json::json!({
        "id": "model", "title": "Model", "direction": "eliminate", "kind": "live",
        "opens_at": time(-HALF_OPEN_MS), "closes_at": time(HALF_OPEN_MS),
        "timezone": "America/Sao_Paulo", "visibility": "public", "shards": 1,
        "candidates": candidates,
        "channels": [
            { "id": "open", "weight": 30, "eligibility": "open" },
            { "id": "voters", "weight": 70, "eligibility": "voter", "votes_per_voter": VOTES_PER_VOTER }
        ]
    });
    PollDefinition::parse_json(json.to_string().as_bytes()).expect("a valid poll")
}

fn all_keys(redis: &mut redis::Connection) -> Vec<String> {
    redis::cmd("KEYS").arg("*").query(redis).expect("keys")
}
