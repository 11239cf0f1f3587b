//! What reading costs Redis where nothing happens, and that nothing is missed for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use vote_domain::{Poll, Transition};
use vote_store::{PollOperator, Snapshots};
use vote_testkit::fixtures::demo_poll;
use vote_testkit::{RedisServer, eventually};

use crate::snapshots::Reading;
use crate::support::{ANA, DEADLINE, Show, Voting, at, lane_config, opens_at, store, vote};

const POLLS: usize = 50;
const SHARDS: u16 = 4;

/// Commands by their names, those within scripts among them.
async fn commands(connection: &mut MultiplexedConnection) -> BTreeMap<String, u64> {
    let mut info = redis::cmd("INFO");
    let answer = info.arg("commandstats").query_async(connection).await;
    let stats: String = answer.expect("it answers");
    let lines = stats
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_"));
    let calls = lines.filter_map(|line| {
        let (name, figures) = line.split_once(":calls=")?;
        Some((name.to_owned(), figures.split(',').next()?.parse().ok()?))
    });
    calls.collect()
}

async fn open(operator: &PollOperator, id: &str) -> Poll {
    let definition = demo_poll()
        .id(id)
        .between(opens_at(), crate::support::closes_at())
        .shards(SHARDS)
        .definition();
    let draft = Poll::draft(definition, opens_at(), "test");
    operator.save(&draft, 0).await.expect("saved");
    let open = draft.transition(Transition::Open, opens_at(), "test");
    let open = open.expect("legal");
    operator.save(&open, draft.revision).await.expect("saved");
    open
}

fn votes(snapshots: &Snapshots, id: &str) -> Option<u128> {
    let poll = snapshots.polls.get(id)?;
    Some(poll.snapshot.tally.total())
}

/// Waits until all polls are confirmed at this time, and says whether each snapshot is the one of before.
async fn all_confirmed(reading: &Reading, now: &str) {
    reading.clock.set(at(now));
    eventually(DEADLINE, || async {
        let snapshots = reading.snapshots.borrow();
        let mut polls = snapshots.polls.values();
        polls.len() == POLLS && polls.all(|poll| poll.confirmed_at == at(now))
    })
    .await;
}

#[tokio::test]
async fn idle_polls_are_confirmed_by_one_question_a_tick() {
    let redis = RedisServer::start().await;
    let operator = store(&redis.url()).operator();
    for number in 0..POLLS {
        open(&operator, &format!("poll-{number}")).await;
    }
    let voting = Voting::start(&redis.url(), lane_config(), "poll-7").await;
    voting.cast(vote(ANA)).await;
    voting.writer.drain(DEADLINE).await;
    drop(voting);
    let reading = Reading::start_every(Duration::from_millis(20), &redis.url());
    all_confirmed(&reading, "2025-11-24T01:02:05Z").await;
    let mut connection = redis.connection().await;
    let before = commands(&mut connection).await;
    for second in 10..40 {
        all_confirmed(&reading, &format!("2025-11-24T01:03:{second}Z")).await;
    }
    let after = commands(&mut connection).await;
    let since = |name: &str| {
        let count = |stats: &BTreeMap<String, u64>| stats.get(name).copied().unwrap_or(0);
        count(&after) - count(&before)
    };
    for name in ["evalsha_ro", "hgetall", "smembers", "get"] {
        assert_eq!(since(name), 0, "{name}");
    }
    let all: u64 = after.keys().map(|name| since(name)).sum();
    let ticks = since("info");
    println!("{all} commands at {ticks} ticks");
    assert!(
        ticks > 20 && all <= ticks * 8,
        "{all} commands at {ticks} ticks"
    );

    // A vote wakes what it is for.
    let voting = Voting::start(&redis.url(), lane_config(), "poll-3").await;
    voting.cast(vote(ANA)).await;
    eventually(DEADLINE, || async {
        votes(&reading.snapshots.borrow(), "poll-3") == Some(1)
    })
    .await;
    // And so does an operator.
    let poll = voting.poll().poll().clone();
    let paused = poll.transition(Transition::Pause, opens_at(), "test");
    let paused = paused.expect("legal");
    operator.save(&paused, poll.revision).await.expect("saved");
    eventually(DEADLINE, || async {
        let snapshots = reading.snapshots.borrow();
        let read = snapshots.polls.get("poll-3");
        read.is_some_and(|read| read.snapshot.poll.revision == paused.revision)
    })
    .await;
}

#[tokio::test]
async fn only_what_has_changed_is_read_while_most_is_at_rest() {
    const VOTES: u128 = 40;
    let redis = RedisServer::start().await;
    let operator = store(&redis.url()).operator();
    for number in 0..POLLS {
        open(&operator, &format!("poll-{number}")).await;
    }
    let voting = Voting::start(&redis.url(), lane_config(), "poll-7").await;
    let reading = Reading::start_every(Duration::from_millis(20), &redis.url());
    all_confirmed(&reading, "2025-11-24T01:02:05Z").await;
    let mut connection = redis.connection().await;
    let before = commands(&mut connection).await;
    let readings = || reading.count("vote_snapshot_read_seconds_count");
    let read_before = readings();
    for cast in 1..=VOTES {
        voting.cast(vote(ANA)).await;
        eventually(DEADLINE, || async {
            votes(&reading.snapshots.borrow(), "poll-7") == Some(cast)
        })
        .await;
    }
    let (after, read) = (commands(&mut connection).await, readings() - read_before);
    let since = |name: &str| {
        let count = |stats: &BTreeMap<String, u64>| stats.get(name).copied().unwrap_or(0);
        count(&after) - count(&before)
    };
    let (hashes, documents, questions) = (since("hgetall"), since("get"), since("info"));
    println!("{read} readings, {hashes} hashes, {documents} documents, {questions} questions");
    // Another one where a vote came between a question and its reading.
    assert!(u128::from(read) <= 3 * VOTES, "{read} readings");
    // The ledger twice, tally, late votes and three minutes; perhaps once more.
    assert!(hashes <= read * u64::from(SHARDS) * 14, "{hashes} hashes");
    // The receipts' key, and a few documents and keys of voters in their turn.
    assert!(
        documents <= 14 * questions,
        "{documents} documents at {questions} questions"
    );
    // All others are confirmed meanwhile.
    all_confirmed(&reading, "2025-11-24T01:02:06Z").await;
    // Ingest learns of a change in the same way.
    let poll = voting.poll().poll().clone();
    let paused = poll.transition(Transition::Pause, opens_at(), "test");
    let paused = paused.expect("legal");
    operator.save(&paused, poll.revision).await.expect("saved");
    voting.sees(paused.revision).await;
    // And of one that Redis has forgotten.
    let document = serde_json::to_string(&poll).expect("a document");
    let restored = redis::Cmd::set("vote:poll:poll-7", document);
    restored.exec_async(&mut connection).await.expect("written");
    eventually(DEADLINE, || async {
        voting.poll().poll().revision == poll.revision
    })
    .await;
}

#[tokio::test]
async fn a_poll_that_has_rested_shows_its_next_vote_while_others_never_rest() {
    let show = Show::open().await;
    open(&show.operator, "quiet").await;
    let busy = show.voting().await;
    let quiet = Voting::start(&show.url, lane_config(), "quiet").await;
    let reading = Reading::start(&show.url);
    let mut votes_of_busy = 0;
    for votes_of_quiet in 1..4 {
        // More ticks than make a poll quiet, and the server changes at each.
        let ticks = reading.count("vote_snapshot_read_seconds_count") + 200;
        while reading.count("vote_snapshot_read_seconds_count") < ticks {
            busy.cast(vote(ANA)).await;
            votes_of_busy += 1;
            reading.total(votes_of_busy).await;
        }
        quiet.cast(vote(ANA)).await;
        eventually(DEADLINE, || async {
            votes(&reading.snapshots.borrow(), "quiet") == Some(votes_of_quiet)
        })
        .await;
    }
}

#[tokio::test]
async fn nothing_is_confirmed_by_a_server_that_is_gone() {
    let mut show = Show::open_on(RedisServer::builder().append_only(true).start().await, 2).await;
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    let reading = Reading::start(&show.url);
    let before = reading.total(1).await;
    show.redis.kill9();
    reading.clock.set(at("2025-11-24T01:30:00Z"));
    let failures = reading.count("vote_snapshot_failures_total");
    eventually(DEADLINE, || async {
        reading.count("vote_snapshot_failures_total") > failures + 3
    })
    .await;
    let kept = reading.poll().expect("kept");
    assert!(Arc::ptr_eq(&before.snapshot, &kept.snapshot));
    assert!(kept.confirmed_at < at("2025-11-24T01:30:00Z"));
    show.redis.restart().await;
    eventually(DEADLINE, || async {
        let read = reading.poll();
        read.is_some_and(|read| read.confirmed_at == at("2025-11-24T01:30:00Z"))
    })
    .await;
}
