//! One voter, a limit of one vote, a thousand votes at once by two processes of the operating system, and Redis dies in the middle.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use vote_domain::{Poll, PollId, Transition};
use vote_store::{PollOperator, RedisConfig, Store};
use vote_testkit::{RedisSentinels, eventually};

use crate::app::{POLL, Show, ago, definition, now};
use crate::process::Process;
use crate::voters::Identity;

/// As long as a failover may take on a busy machine, and less than a key lives.
const PATIENCE: Duration = Duration::from_secs(55);
const VOTES: usize = 1_000;

/// What all votes of one voter come to.
struct Crowd {
    client: Client,
    token: String,
    /// Answers so far, of whatever kind.
    answers: AtomicUsize,
}

impl Crowd {
    fn new(identity: &Identity) -> Self {
        Self {
            client: Client::new(),
            token: identity.token("maria"),
            answers: AtomicUsize::new(0),
        }
    }

    /// Sends a vote with that key, as a client does: again with the same key until it is known how it ended. Whether it was
    /// accepted.
    async fn cast(&self, process: &Process, key: &str) -> bool {
        let attempt = || async {
            let ballot = json!({ "candidate": "ana", "channel": "unico" });
            let vote = self.client.post(process.votes()).json(&ballot);
            let vote = vote.bearer_auth(&self.token).header("Idempotency-Key", key);
            let answer = vote.send().await.map_err(|error| error.to_string())?;
            self.answers.fetch_add(1, Ordering::Relaxed);
            let status = answer.status().as_u16();
            let body: Value = answer.json().await.map_err(|error| error.to_string())?;
            match (status, body["code"].as_str()) {
                (200 | 201, _) => Ok(true),
                (403, Some("vote-limit-reached")) => Ok(false),
                (503 | 504, _) => Err(body.to_string()),
                other => panic!("{other:?} is no end of such a vote"),
            }
        };
        eventually(PATIENCE, attempt).await
    }

    /// Sends so many at once, by both processes in turn; how many were accepted.
    async fn cast_all(&self, processes: &[Process], name: &str, votes: usize) -> usize {
        let votes = (0..votes).map(|number| async move {
            let process = &processes[number % processes.len()];
            self.cast(process, &format!("{name}{number}")).await
        });
        let ended = join_all(votes).await;
        ended.into_iter().filter(|accepted| *accepted).count()
    }

    async fn has_answers(&self, count: usize) {
        let answers = || async { self.answers.load(Ordering::Relaxed) >= count };
        eventually(PATIENCE, answers).await;
    }
}

async fn two(redis: &str, identity: &Identity) -> [Process; 2] {
    let settings = identity.settings();
    [
        Process::start(redis, &settings).await,
        Process::start(redis, &settings).await,
    ]
}

#[tokio::test]
async fn of_a_thousand_votes_one_is_recorded_although_redis_is_killed_meanwhile() {
    let (mut show, identity) = (Show::open().await, Identity::new());
    let processes = two(&show.redis.url(), &identity).await;
    assert_ne!(processes[0].child.pid(), processes[1].child.pid());
    let crowd = Crowd::new(&identity);
    let kills = async {
        crowd.has_answers(1).await;
        show.redis.kill9();
        show.redis.restart().await;
    };
    let (accepted, ()) = tokio::join!(crowd.cast_all(&processes, "k", VOTES), kills);
    assert_eq!(accepted, 1);
    assert_eq!(show.total().await, 1);
}

/// A failover may forget what the old master had acknowledged. The limit holds all the same; and if the vote of another key is
/// recorded before the process that had the first one accepted can repair it, that one is counted as lost.
#[tokio::test]
async fn of_a_thousand_votes_one_is_recorded_although_a_failover_forgets_it() {
    let (mut redis, identity) = (RedisSentinels::start().await, Identity::new());
    let operator = open_poll(&redis.url()).await;
    let processes = two(&redis.url(), &identity).await;
    let crowd = Crowd::new(&identity);

    // The replicas lag: what comes now dies with the master.
    let master = redis.master_index().await;
    let replicas: Vec<usize> = (0..redis.servers().len())
        .filter(|at| *at != master)
        .collect();
    for replica in &replicas {
        redis.server(*replica).pause();
    }
    // What was sent to them would be read when they go on.
    let mut connection = redis.server(master).connection().await;
    let mut kill = redis::cmd("CLIENT");
    kill.arg(&["KILL", "TYPE", "replica"]);
    let _: u64 = kill.query_async(&mut connection).await.expect("killed");
    let before = crowd.cast_all(&processes, "before", VOTES / 2).await;
    assert_eq!(before, 1);

    let fails = async {
        crowd.has_answers(VOTES / 2 + 1).await;
        let port = redis.server(master).port();
        redis.server_mut(master).kill9();
        for replica in &replicas {
            redis.server(*replica).resume();
        }
        redis.wait_for_master_other_than(port).await;
    };
    let (meanwhile, ()) = tokio::join!(crowd.cast_all(&processes, "after", VOTES / 2), fails);
    let id = PollId::parse(POLL).expect("valid");
    eventually(PATIENCE, || async {
        let audit = operator
            .audit(&id)
            .await
            .map_err(|error| error.to_string())?;
        let audit = audit.ok_or("no poll")?;
        let lost: u64 = audit.lost.iter().map(|lost| lost.votes).sum();
        let told = u64::try_from(before + meanwhile).expect("few");
        let is_right = audit.passed && audit.total == 1 && told == 1 + lost;
        is_right.then_some(()).ok_or_else(|| {
            format!(
                "{} recorded, {told} accepted, {lost} lost: {:?}",
                audit.total, audit.differences
            )
        })
    })
    .await;
}

async fn open_poll(redis: &str) -> PollOperator {
    let config = RedisConfig::new(redis).expect("an address");
    let operator = Store::new(&config).expect("usable").operator();
    let draft = Poll::draft(definition(ago(60), ago(-3_600)), now(), "test");
    operator.save(&draft, 0).await.expect("saved");
    let open = draft
        .transition(Transition::Open, now(), "test")
        .expect("legal");
    operator.save(&open, draft.revision).await.expect("saved");
    operator
}
