//! Voters: counted by the hour across shards and processes, and forgotten with the key of their digests.

use jiff::Timestamp;
use redis::AsyncCommands as _;
use vote_domain::Transition;
use vote_store::{NoVoterKey, OpenPoll, Outcome, VoteToCast};
use vote_testkit::fixtures::demo_poll;
use vote_testkit::{RedisServer, eventually};

use crate::support::{
    ANA, DEADLINE, Show, UNICO, Voting, at, closes_at, is_accepted, key, lane_config, opens_at,
    repeated,
};

const KEY: &str = "vote:voters:paredao-01";

/// A poll of these many shards whose second channel counts voters in this way.
async fn show(shards: u16, limit: serde_json::Value) -> Show {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let mut unico = serde_json::json!({ "id": "unico", "weight": 70, "eligibility": "voter" });
    for (name, value) in limit.as_object().expect("an object") {
        unico[name] = value.clone();
    }
    let torcida = serde_json::json!({ "id": "torcida", "weight": 30, "eligibility": "open" });
    let definition = demo_poll()
        .between(opens_at(), closes_at())
        .shards(shards)
        .with("channels", serde_json::json!([torcida, unico]))
        .definition();
    Show::open_as(redis, url, definition).await
}

fn ballot(open: &OpenPoll, name: &str, received_at: Timestamp, text: &str) -> VoteToCast {
    VoteToCast {
        channel: UNICO,
        candidate: ANA,
        received_at_ms: received_at.as_millisecond(),
        key: Some(key(text)),
        voter: open
            .voter(UNICO, name, received_at)
            .expect("the key is known"),
        is_withdrawn: false,
        quarantine: None,
        span: None,
    }
}

async fn cast(voting: &Voting, name: &str, received_at: &str, text: &str) -> Outcome {
    let open = voting.poll();
    open.cast(ballot(&open, name, at(received_at), text)).await
}

fn is_used_up(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::LimitReached)
}

#[tokio::test]
async fn votes_are_counted_by_the_hour_and_a_repeat_across_its_border_is_the_same_vote() {
    let show = show(
        8,
        serde_json::json!({ "votes_per_voter": 2, "per": "hour" }),
    )
    .await;
    let (one, other) = (
        Voting::start(&show.url, lane_config(), show.id.as_str()).await,
        Voting::start(&show.url, lane_config(), show.id.as_str()).await,
    );
    for name in ["maria", "joao", "ana", "bia", "caio", "duda"] {
        let text = |n: u8| format!("{name}{n}");
        assert!(is_accepted(
            &cast(&one, name, "2025-11-24T01:10:00Z", &text(1)).await
        ));
        assert!(is_accepted(
            &cast(&other, name, "2025-11-24T01:59:59.999Z", &text(2)).await
        ));
        let third = cast(&one, name, "2025-11-24T01:59:59.999Z", &text(3)).await;
        assert!(is_used_up(&third));
        // The vote of a second ago comes again, to another process, in the next hour: it uses none of that.
        repeated(&cast(&other, name, "2025-11-24T02:00:00Z", &text(2)).await);
        for n in 3..=4 {
            assert!(is_accepted(
                &cast(&one, name, "2025-11-24T02:00:01Z", &text(n)).await
            ));
        }
        let third = cast(&other, name, "2025-11-24T02:59:59Z", &text(5)).await;
        assert!(is_used_up(&third));
    }
    let audit = show.audit().await;
    assert!(audit.passed && audit.total == 24, "{:?}", audit.differences);
}

#[tokio::test]
async fn of_a_thousand_votes_at_once_through_two_processes_a_voter_has_one() {
    let show = show(4, serde_json::json!({ "votes_per_voter": 1 })).await;
    let mut votings = Vec::new();
    for _ in 0..2 {
        votings.push(Voting::start(&show.url, lane_config(), show.id.as_str()).await);
    }
    let casts = (0..1000).map(|n: usize| {
        let open = votings[n % 2].poll();
        let vote = ballot(&open, "maria", at("2025-11-24T01:00:00Z"), &n.to_string());
        tokio::spawn(async move { open.cast(vote).await })
    });
    let mut accepted = 0;
    for cast in casts.collect::<Vec<_>>() {
        match cast.await.expect("it ends") {
            Outcome::Accepted(_) => accepted += 1,
            outcome => assert!(is_used_up(&outcome), "{outcome:?}"),
        }
    }
    assert_eq!(accepted, 1);
    let audit = show.audit().await;
    assert!(audit.passed && audit.total == 1, "{:?}", audit.differences);
}

#[tokio::test]
async fn where_no_votes_are_counted_nothing_stands_for_a_voter() {
    let show = show(1, serde_json::json!({})).await;
    let voting = Voting::start(&show.url, lane_config(), show.id.as_str()).await;
    let voter = voting.poll().voter(UNICO, "maria", opens_at());
    assert_eq!(voter, Ok(None));
    let mut redis = show.redis.connection().await;
    assert!(!redis.exists::<_, bool>(KEY).await.expect("Redis answers"));
}

#[tokio::test]
async fn a_key_that_redis_forgets_is_put_back_while_the_poll_takes_votes() {
    let show = show(1, serde_json::json!({ "votes_per_voter": 1 })).await;
    let voting = Voting::start(&show.url, lane_config(), show.id.as_str()).await;
    let mut redis = show.redis.connection().await;
    let made: Vec<u8> = redis.get(KEY).await.expect("it is there");
    assert_eq!(made.len(), 32);
    assert!(is_accepted(
        &cast(&voting, "maria", "2025-11-24T01:00:00Z", "k1").await
    ));
    redis.del::<_, ()>(KEY).await.expect("deleted");
    let there = || async {
        let mut redis = show.redis.connection().await;
        redis
            .get::<_, Option<Vec<u8>>>(KEY)
            .await
            .expect("it answers")
            == Some(made.clone())
    };
    eventually(DEADLINE, there).await;
    // Under the same key she is who she was.
    let again = cast(&voting, "maria", "2025-11-24T01:00:00Z", "k2").await;
    assert!(is_used_up(&again));
}

#[tokio::test]
async fn forgotten_voters_stay_forgotten() {
    let show = show(1, serde_json::json!({ "votes_per_voter": 1 })).await;
    let voting = Voting::start(&show.url, lane_config(), show.id.as_str()).await;
    assert!(is_accepted(
        &cast(&voting, "maria", "2025-11-24T01:00:00Z", "k1").await
    ));
    show.poll()
        .await
        .forget_voters(closes_at(), "test")
        .expect_err("it is open");
    let closed = show.change(Transition::Close, closes_at()).await;
    voting.sees(closed.revision).await;
    // A repeat still finds its vote.
    repeated(&cast(&voting, "maria", "2025-11-24T01:00:00Z", "k1").await);
    let next = closed
        .forget_voters(closes_at(), "maria")
        .expect("it is over");
    let forgotten = show.operator.forget_voters(&next, closed.revision).await;
    assert!(forgotten.expect("destroyed").1);
    voting.sees(next.revision).await;
    let gone = || async { voting.poll().voter(UNICO, "maria", opens_at()) == Err(NoVoterKey) };
    eventually(DEADLINE, gone).await;
    let later = Voting::start(&show.url, lane_config(), show.id.as_str()).await;
    assert_eq!(
        later.poll().voter(UNICO, "maria", opens_at()),
        Err(NoVoterKey)
    );
    let mut redis = show.redis.connection().await;
    assert!(!redis.exists::<_, bool>(KEY).await.expect("Redis answers"));
    // Again: nothing more happens.
    let again = show.operator.forget_voters(&next, next.revision).await;
    assert!(!again.expect("nothing is left").1);
    show.seal(&next, closes_at(), "test").await.expect("sealed");
}
