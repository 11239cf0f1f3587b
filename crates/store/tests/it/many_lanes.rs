//! More lanes than a process may have connections: 1,024 of them, as four polls of 256 shards have.

use std::time::Duration;

use futures_util::future::join_all;
use vote_domain::{Poll, Transition};
use vote_store::{LaneConfig, Outcome};
use vote_testkit::{RedisServer, eventually};

use crate::forgetting::Backup;
use crate::support::{
    ANA, BIA, DEADLINE, Show, closes_at, is_accepted, keyed, lane_config, opens_at, vote,
};

const SHARDS: u16 = 256;

/// What `INFO` says.
async fn info(redis: &RedisServer, section: &str, prefix: &str) -> u64 {
    let mut command = redis::cmd("INFO");
    let info: String = command
        .arg(section)
        .query_async(&mut redis.connection().await)
        .await
        .expect("Redis says it");
    let mut lines = info.lines();
    let value = lines.find_map(|line| line.strip_prefix(prefix));
    let digits = |c: char| !c.is_ascii_digit();
    let value = value.and_then(|value| value.split(digits).next());
    value.expect("a field").parse().expect("a number")
}

/// How often scripts were called.
async fn calls(redis: &RedisServer) -> u64 {
    info(redis, "commandstats", "cmdstat_evalsha:calls=").await
}

/// Opens four polls of 256 shards in all.
async fn four_polls() -> (Show, Vec<Poll>) {
    let show = Show::open_on(RedisServer::start().await, SHARDS).await;
    let mut polls = vec![show.poll().await];
    for id in ["p2", "p3", "p4"] {
        let mut json = serde_json::to_value(crate::support::definition(SHARDS)).expect("JSON");
        json["id"] = id.into();
        let definition = vote_domain::PollDefinition::parse_json(json.to_string().as_bytes());
        let draft = Poll::draft(definition.expect("valid"), opens_at(), "test");
        show.operator.save(&draft, 0).await.expect("saved");
        let opened = draft.transition(Transition::Open, opens_at(), "test");
        let opened = opened.expect("legal");
        show.operator.save(&opened, 1).await.expect("saved");
        polls.push(opened);
    }
    (show, polls)
}

#[tokio::test]
async fn a_thousand_lanes_share_their_connections_and_ask_little_while_they_are_idle() {
    let (show, polls) = four_polls().await;
    let voting = show.voting().await;
    for poll in &polls {
        let id = poll.definition.id().to_string();
        let found = eventually(DEADLINE, || async {
            voting.writer.find(&id).ok().flatten().is_some()
        });
        found.await;
        let open = voting.writer.find(&id).expect("readable").expect("open");
        let votes = (0..2 * SHARDS).map(|_| open.cast(vote(ANA)));
        for outcome in join_all(votes).await {
            assert!(is_accepted(&outcome), "{outcome:?}");
        }
    }
    voting.writer.ready().expect("all lanes write");
    let connections = info(&show.redis, "clients", "connected_clients:").await;
    assert!(connections <= 16, "{connections} connections");

    // If each asked once a second, these would be thousands.
    let before = calls(&show.redis).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let calls = calls(&show.redis).await - before;
    assert!((1..400).contains(&calls), "{calls} questions");
}

#[tokio::test]
async fn what_one_of_many_idle_lanes_finds_forgotten_all_look_for() {
    let show = Show::open_on(RedisServer::start().await, SHARDS).await;
    let config = LaneConfig {
        replay_window: Duration::from_secs(60),
        ..lane_config()
    };
    let voting = show.voting_with(&show.url, config).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    let backup = Backup::take(show.redis.connection().await).await;
    let votes = (0..4 * u32::from(SHARDS)).map(|n| {
        let vote = keyed(BIA, &format!("k{n}"));
        voting.cast(vote)
    });
    for outcome in join_all(votes).await {
        assert!(is_accepted(&outcome), "{outcome:?}");
    }
    let before = show.tally().await;
    // No connection ends, and no server starts anew: only the turn of one lane can find it.
    backup.restore(show.redis.connection().await).await;
    eventually(DEADLINE, || async {
        voting.metric("vote_repaired_votes_total") > 0.0
    })
    .await;
    eventually(DEADLINE, || async { show.tally().await == before }).await;
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_poll_of_many_lanes_can_be_sealed_soon_after_it_has_closed() {
    let show = Show::open_on(RedisServer::start().await, SHARDS).await;
    let voting = show.voting().await;
    let votes = (0..2 * SHARDS).map(|_| voting.cast(vote(ANA)));
    for outcome in join_all(votes).await {
        assert!(is_accepted(&outcome), "{outcome:?}");
    }
    // By then all lanes have become idle, and none has its turn for long.
    let asked = calls(&show.redis).await;
    eventually(DEADLINE, || async { calls(&show.redis).await > asked }).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    let sealed = show.seal(&closed, closes_at(), "test").await;
    assert!(sealed.is_ok(), "{sealed:?}");
}

#[tokio::test]
async fn a_vote_that_has_no_connection_yet_can_be_taken_back() {
    let show = Show::open_on(RedisServer::start().await, 2).await;
    let config = LaneConfig {
        accept_timeout: Duration::from_millis(100),
        ..lane_config()
    };
    let voting = show.voting_with(&show.url, config).await;
    // Of the two connections that lanes share, the questions of all have made one. The other is to a server that takes
    // connections and answers nothing.
    show.redis.pause();
    let outcomes = join_all([voting.cast(vote(ANA)), voting.cast(vote(ANA))]).await;
    show.redis.resume();
    let taken_back = |outcome: &Outcome| matches!(outcome, Outcome::NotRecorded);
    assert!(outcomes.iter().any(taken_back), "{outcomes:?}");
}
