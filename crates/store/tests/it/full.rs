//! A Redis whose memory is full: it refuses votes and what grows, and polls that are there can still be run and ended.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use redis::aio::MultiplexedConnection;
use vote_domain::{Poll, Transition, Visibility};
use vote_store::{LaneConfig, Outcome, RestoreError, SaveError, StoreError};
use vote_testkit::{RedisServer, eventually, newer_redis_server};

use crate::support::{
    ANA, DEADLINE, Show, Voting, closes_at, definition, is_accepted, keyed, lane_config, opens_at,
    store, vote,
};

async fn say(redis: &mut MultiplexedConnection, words: &[&str]) -> redis::RedisResult<()> {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).exec_async(redis).await
}

async fn used_memory(redis: &mut MultiplexedConnection) -> u64 {
    let info: String = redis::cmd("INFO")
        .arg("memory")
        .query_async(redis)
        .await
        .expect("it answers");
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|text| text.trim().parse().ok())
        .expect("a figure")
}

/// Fills the server with what is not ours, until it refuses more.
async fn fill(server: &RedisServer) {
    let mut redis = server.connection().await;
    let bound = (used_memory(&mut redis).await + 500_000).to_string();
    say(&mut redis, &["CONFIG", "SET", "maxmemory", &bound])
        .await
        .expect("set");
    let junk = "x".repeat(10_000);
    for number in 0.. {
        let key = format!("junk:{number}");
        if let Err(refused) = say(&mut redis, &["SET", &key, &junk]).await {
            assert_eq!(refused.code(), Some("OOM"), "{refused}");
            break;
        }
    }
    // What its clients use comes and goes.
    let bound = (used_memory(&mut redis).await - 200_000).to_string();
    say(&mut redis, &["CONFIG", "SET", "maxmemory", &bound])
        .await
        .expect("set");
}

async fn give_memory(server: &RedisServer) {
    let mut redis = server.connection().await;
    say(&mut redis, &["CONFIG", "SET", "maxmemory", "0"])
        .await
        .expect("set");
}

fn is_full(error: &StoreError) -> bool {
    let text = error.to_string();
    matches!(error, StoreError::Full { used, max, .. } if used > max)
        && text.contains("bytes (maxmemory) are used")
        && text.contains("raise its maxmemory")
}

async fn save(show: &Show, next: &Poll, before: &Poll) {
    let saved = show.operator.save(next, before.revision).await;
    saved.unwrap_or_else(|error| panic!("{}: {error}", next.state));
}

/// Everything that an operator does to a poll on air, on a full server.
async fn run_the_poll(show: &Show) {
    show.change(Transition::Pause, opens_at()).await;
    show.change(Transition::Resume, opens_at()).await;
    let poll = show.poll().await;
    let later = closes_at() + SignedDuration::from_hours(1);
    let extended = poll.extend(later, opens_at(), "test").expect("legal");
    save(show, &extended, &poll).await;
    let hidden = extended
        .show(Visibility::Embargoed, opens_at(), "test")
        .expect("legal");
    save(show, &hidden, &extended).await;
}

async fn a_full_server_can_be_run(server: RedisServer) {
    let show = Show::open_on(server, 2).await;
    let lane = LaneConfig {
        accept_timeout: Duration::from_secs(2),
        ..lane_config()
    };
    let voting = Voting::start(&show.url, lane, show.id.as_str()).await;
    for number in 0..20 {
        let vote = keyed(ANA, &format!("k{number}"));
        assert!(is_accepted(&voting.cast(vote).await));
    }
    let (draft, other) = (show.draft("draft").await, show.draft("other").await);

    fill(&show.redis).await;
    let refused = voting.cast(vote(ANA)).await;
    assert!(matches!(refused, Outcome::NotRecorded), "{refused:?}");
    eventually(DEADLINE, || async { voting.writer.ready().is_err() }).await;
    run_the_poll(&show).await;
    let marked = draft.deleted(opens_at(), "test").expect("a draft");
    show.operator
        .delete(&marked, draft.revision)
        .await
        .expect("deleted");
    let void = other.transition(Transition::Void, opens_at(), "test");
    save(&show, &void.expect("legal"), &other).await;
    // A new poll is the beginning of much.
    let mut json = serde_json::to_value(definition(2)).expect("JSON");
    json["id"] = "new".into();
    let new = vote_domain::PollDefinition::parse_json(json.to_string().as_bytes()).expect("valid");
    let new = Poll::draft(new, opens_at(), "test");
    match show.operator.save(&new, 0).await {
        Err(SaveError::Store(error)) => assert!(is_full(&error), "{error}"),
        other => panic!("{other:?}"),
    }
    let listed = show.operator.listed().await.expect("it answers");
    let listed: Vec<String> = listed.into_iter().map(|one| one.id).collect();
    assert_eq!(listed, ["other", show.id.as_str()]);

    give_memory(&show.redis).await;
    eventually(DEADLINE, || async {
        is_accepted(&voting.cast(vote(ANA)).await)
    })
    .await;

    fill(&show.redis).await;
    let closed = show.change(Transition::Close, opens_at()).await;
    // The writer says that it is drained, and is believed: nobody is abandoned.
    let sealed = show.seal(&closed, closes_at(), "test").await;
    let sealed = sealed.expect("sealed");
    assert_eq!(sealed.abandoned, []);
    let audit = show.audit().await;
    assert!(audit.passed && audit.total >= 21, "{:?}", audit.differences);
    let taken = show
        .operator
        .backup(&show.id, closes_at(), "test", "test 1.0")
        .await;
    let backup = taken.expect("taken").expect("there");

    let target = RedisServer::start().await;
    fill(&target).await;
    let operator = store(&target.url()).operator();
    match operator.restore(&backup, closes_at(), "test", |_| {}).await {
        Err(error @ RestoreError::NotBegun(_)) => {
            let text = error.to_string();
            assert!(
                text.contains("maxmemory") && text.contains("nothing was written"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    give_memory(&target).await;
    operator
        .restore(&backup, closes_at(), "test", |_| {})
        .await
        .expect("restored");
}

#[tokio::test]
async fn a_full_redis_refuses_votes_and_new_polls_and_can_be_run_closed_and_sealed() {
    a_full_server_can_be_run(RedisServer::start().await).await;
}

#[tokio::test]
async fn a_full_valkey_refuses_votes_and_new_polls_and_can_be_run_closed_and_sealed() {
    let Some(binary) = newer_redis_server() else {
        println!("left out: no newer server, see `make setup`");
        return;
    };
    a_full_server_can_be_run(RedisServer::builder().binary(binary).start().await).await;
}

/// What the commit script would write on a full server is refused whole: no vote is half counted.
#[tokio::test]
async fn a_refused_batch_leaves_nothing_behind() {
    let show = Show::open().await;
    let lane = LaneConfig {
        accept_timeout: Duration::from_secs(1),
        ..lane_config()
    };
    let voting = show.voting_with(&show.url, lane).await;
    fill(&show.redis).await;
    for number in 0..3 {
        let outcome = voting.cast(keyed(ANA, &format!("k{number}"))).await;
        assert!(matches!(outcome, Outcome::NotRecorded), "{outcome:?}");
    }
    assert_eq!(show.tally().await, BTreeMap::new());
    let figures = show.operator.figures(&show.poll().await).await;
    assert!(figures.expect("it answers")[0].writers.is_empty());
}
