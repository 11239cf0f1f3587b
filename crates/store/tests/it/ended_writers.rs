//! Writers that came and went: what the ledger keeps of them, and what it still proves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use vote_domain::{Transition, WriterId};
use vote_store::{Acceptance, Backup, Lost, Outcome, Place};
use vote_testkit::{RedisServer, eventually};

use crate::snapshots::Reading;
use crate::support::{
    ANA, DEADLINE, Show, Voting, at, closes_at, lane_config, store, vote, voting_ms,
};

const WRITERS: u64 = 20_000;
const CODE: &str = include_str!("../../src/lua/commit.lua");

pub(crate) fn key(name: &str) -> String {
    format!("vote:{{paredao-01/0}}:{name}")
}

pub(crate) fn writer(number: u64) -> WriterId {
    WriterId::from_bytes(number.to_be_bytes())
}

/// A call of the script, by its digest: a batch of `votes` for Ana, or a question.
pub(crate) fn call(
    sha1: &str,
    writer: WriterId,
    sequence: u64,
    mode: &str,
    votes: u64,
) -> redis::Cmd {
    noting(sha1, writer, sequence, mode, votes, "")
}

fn noting(
    sha1: &str,
    writer: WriterId,
    sequence: u64,
    mode: &str,
    votes: u64,
    lost: &str,
) -> redis::Cmd {
    let minute = format!("minutes:{}", voting_ms() / 60_000);
    let keys = [
        "state", "tally", &minute, "writers", "replies", "late", "seen", "ended",
    ];
    let mut command = redis::cmd("EVALSHA");
    command.arg(sha1).arg(keys.len()).arg(&keys.map(key));
    command.arg(writer.to_string()).arg(sequence).arg(mode);
    command.arg(voting_ms()).arg(voting_ms()).arg(lost);
    command.arg(60_000).arg(&["\0\0", "", "", ""]);
    command.arg(usize::from(votes > 0)).arg(0);
    if votes > 0 {
        command.arg("torcida/ana").arg("ca").arg(votes).arg(0);
    }
    command
}

pub(crate) async fn loaded(redis: &mut MultiplexedConnection) -> String {
    let mut load = redis::cmd("SCRIPT");
    load.arg("LOAD").arg(CODE);
    load.query_async(redis).await.expect("loaded")
}

pub(crate) async fn said(redis: &mut MultiplexedConnection, command: redis::Cmd) -> String {
    command.query_async(redis).await.expect("a reply")
}

/// Each of so many writers records a batch of its own, and one more of two votes, and ends.
async fn come_and_go(redis: &mut MultiplexedConnection, writers: std::ops::Range<u64>) {
    let sha1 = loaded(redis).await;
    let all: Vec<u64> = writers.collect();
    for part in all.chunks(1_000) {
        let mut pipeline = redis::pipe();
        for &number in part {
            for (sequence, mode, votes) in [(1, "live", 1), (2, "live", 2), (2, "end", 0)] {
                pipeline.add_command(call(&sha1, writer(number), sequence, mode, votes));
            }
        }
        let said: Vec<String> = pipeline.query_async(redis).await.expect("replies");
        for replies in said.chunks(3) {
            assert_eq!(replies, ["A", "A", "V3"]);
        }
    }
}

async fn hash(redis: &mut MultiplexedConnection, name: &str) -> BTreeMap<String, String> {
    redis.hgetall(key(name)).await.expect("a hash")
}

fn sums(writers: u64, batches: u64, votes: u64) -> BTreeMap<String, String> {
    let sums = [("writers", writers), ("batches", batches), ("votes", votes)];
    sums.map(|(name, sum)| (format!("ended/{name}"), sum.to_string()))
        .into()
}

/// A backup, as it comes from its file.
async fn backup(show: &Show) -> Backup {
    let backup = show
        .operator
        .backup(&show.id, closes_at(), "test", "the tests");
    let backup = backup.await.expect("answers").expect("the poll is there");
    let json = backup.to_json().expect("JSON");
    Backup::parse(json.as_bytes()).expect("a backup")
}

#[tokio::test]
async fn twenty_thousand_writers_that_have_ended_are_three_sums_and_each_still_proves_its_receipts()
{
    let show = Show::open().await;
    let mut redis = show.redis.connection().await;
    let before = Reading::start_every(Duration::from_millis(250), &show.url);
    come_and_go(&mut redis, 1..WRITERS + 1).await;
    let votes = 3 * WRITERS;
    assert_eq!(
        hash(&mut redis, "writers").await,
        sums(WRITERS, 2 * WRITERS, votes)
    );
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    assert_eq!(audit.total, u128::from(votes));
    let all = usize::try_from(WRITERS).expect("few");
    assert_eq!(
        (audit.shards[0].writers, audit.shards[0].drained),
        (all, all)
    );

    // One that has read while they came, and one that starts now.
    let after = Reading::start_every(Duration::from_millis(50), &show.url);
    for reading in [before, after] {
        let snapshot = eventually(DEADLINE, || async {
            let confirmed = reading.total(u128::from(votes)).await;
            Some(confirmed.snapshot).filter(|snapshot| snapshot.has_all_writers())
        })
        .await;
        for number in [1, 2, WRITERS / 2, WRITERS] {
            for (sequence, is_there) in [(1, true), (2, true), (3, false)] {
                let has = snapshot.has_batch(0, &writer(number), sequence);
                assert_eq!(has, Some(is_there), "{number}:{sequence}");
            }
        }
        assert_eq!(snapshot.has_batch(0, &writer(0), 1), Some(false));
        assert_eq!(snapshot.ended_writers(), all);
        assert_eq!(snapshot.ledger_total(), u128::from(votes));
        assert_eq!(snapshot.revision - snapshot.poll.revision, 2 * WRITERS);
    }
    let poll = show.poll().await;
    let last = show.operator.last_sequence(&poll, 0, writer(7)).await;
    assert_eq!(last.expect("an answer"), Some(2));

    let elsewhere = RedisServer::start().await;
    let backup = backup(&show).await;
    let there = store(&elsewhere.url()).operator();
    let restored = there.restore(&backup, closes_at(), "test", |_| {}).await;
    restored.expect("restored");
    let mut other = elsewhere.connection().await;
    for name in ["writers", "ended", "tally"] {
        assert_eq!(
            hash(&mut other, name).await,
            hash(&mut redis, name).await,
            "{name}"
        );
    }
    let restored = there.audit(&show.id).await.expect("an answer");
    assert!(restored.expect("the poll").passed);
    for redis in [&mut redis, &mut other] {
        let batches: u64 = redis.hget(key("state"), "batches").await.expect("a count");
        assert_eq!(batches, 2 * WRITERS);
    }

    let closed = show.change(Transition::Close, closes_at()).await;
    let sealed = show.seal(&closed, closes_at(), "test").await;
    let sealed = sealed.expect("sealed");
    assert_eq!(sealed.shards[0].writers.len(), all);
    assert_eq!(sealed.last_sequence(0, &writer(WRITERS)), Some(2));
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn what_comes_late_of_a_writer_that_has_ended_counts_nothing() {
    let show = Show::open().await;
    let mut redis = show.redis.connection().await;
    come_and_go(&mut redis, 1..4).await;
    let sha1 = loaded(&mut redis).await;
    for (sequence, mode, votes, reply) in [
        (1, "live", 1, "B2"),
        (2, "live", 2, "A"),
        (2, "replay", 2, "A"),
        (2, "burn", 0, "A"),
        (4, "live", 5, "G2"),
        (1, "end", 0, "B2"),
        (2, "end", 0, "V3"),
        (2, "drain", 0, "V3"),
        (2, "check", 0, "V3"),
        (3, "check", 0, "G2"),
    ] {
        let command = call(&sha1, writer(2), sequence, mode, votes);
        assert_eq!(said(&mut redis, command).await, reply, "{mode} {sequence}");
    }
    // Its batch is known under the name that it had, whoever sends it again.
    let again = call(&sha1, writer(9), 1, &format!("replay {}/2", writer(2)), 2);
    assert_eq!(said(&mut redis, again).await, "O");
    let mut ledger = sums(3, 6, 9);
    ledger.insert(format!("{}/sequence", writer(9)), "1".to_owned());
    ledger.insert(format!("{}/votes", writer(9)), "0".to_owned());
    assert_eq!(hash(&mut redis, "writers").await, ledger);
    let ended = |number: u64| (writer(number).to_string(), "2 3".to_owned());
    assert_eq!(
        hash(&mut redis, "ended").await,
        BTreeMap::from([ended(1), ended(2), ended(3)])
    );
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    assert_eq!(audit.total, 9);
}

#[tokio::test]
async fn what_a_process_has_left_behind_is_recorded_after_its_writer_has_ended() {
    let show = Show::open().await;
    let mut redis = show.redis.connection().await;
    come_and_go(&mut redis, 1..2).await;
    let reading = Reading::start(&show.url);
    reading.total(3).await;
    let sha1 = loaded(&mut redis).await;
    let next = || call(&sha1, writer(1), 3, "replay", 5);
    assert_eq!(said(&mut redis, next()).await, "A");
    assert_eq!(said(&mut redis, next()).await, "A");
    assert_eq!(hash(&mut redis, "writers").await, sums(1, 3, 8));
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    let proof = eventually(DEADLINE, || async {
        let snapshot = reading.total(8).await.snapshot;
        snapshot.has_batch(0, &writer(1), 3)
    });
    assert!(proof.await);
}

#[tokio::test]
async fn a_process_that_ends_leaves_its_receipts_and_no_entry_in_the_ledger() {
    let show = Show::open().await;
    let reading = Reading::start(&show.url);
    let mut places: Vec<Place> = Vec::new();
    for votes in 1..=3 {
        let voting = Voting::start(&show.url, lane_config(), show.id.as_str()).await;
        let Outcome::Accepted(Acceptance { place, .. }) = voting.cast(vote(ANA)).await else {
            panic!("a vote was not accepted");
        };
        places.push(place);
        // It is in the ledger while it is there.
        reading.total(votes).await;
        assert!(voting.writer.drain(DEADLINE).await.in_time);
    }
    let mut redis = show.redis.connection().await;
    assert_eq!(hash(&mut redis, "writers").await, sums(3, 3, 3));
    assert!(hash(&mut redis, "replies").await.is_empty());
    // Whoever knew them looks them up by their names.
    let snapshot = eventually(DEADLINE, || async {
        let snapshot = reading.total(3).await.snapshot;
        let is_there = |place: &Place| snapshot.has_batch(0, &place.writer, place.sequence);
        let has_all = places.iter().all(|place| is_there(place) == Some(true));
        has_all.then_some(snapshot)
    })
    .await;
    assert!(snapshot.has_all_writers());
    for place in places {
        assert!(show.proves(place).await);
    }
}

#[tokio::test]
async fn lost_votes_are_told_of_a_writer_that_has_ended() {
    let show = Show::open().await;
    let mut redis = show.redis.connection().await;
    come_and_go(&mut redis, 1..2).await;
    let sha1 = loaded(&mut redis).await;
    let lost = format!("{}/lost 7", writer(1));
    let question = noting(&sha1, writer(1), 2, "check", 0, &lost);
    assert_eq!(said(&mut redis, question).await, "V3");
    let told = [Lost {
        shard: 0,
        writer: writer(1),
        votes: 7,
    }];
    let audit = show.audit().await;
    assert_eq!((&audit.lost[..], audit.shards[0].writers), (&told[..], 1));
    let elsewhere = RedisServer::start().await;
    let there = store(&elsewhere.url()).operator();
    let backup = backup(&show).await;
    let restored = there.restore(&backup, closes_at(), "test", |_| {}).await;
    restored.expect("restored");
    let restored = there.audit(&show.id).await.expect("an answer");
    assert_eq!(restored.expect("the poll").lost, told);
    let reading = Reading::start(&show.url);
    let snapshot = reading.total(3).await.snapshot;
    assert_eq!(snapshot.lost(), 7);
    assert_eq!(
        (snapshot.writers().count(), snapshot.ended_writers()),
        (0, 1)
    );
    let closed = show.change(Transition::Close, closes_at()).await;
    let sealed = show.seal(&closed, closes_at(), "test").await;
    assert_eq!(sealed.expect("sealed").lost, 7);
}

#[tokio::test]
async fn a_writer_does_not_end_while_a_backup_is_written() {
    let show = Show::open().await;
    let mut redis = show.redis.connection().await;
    let sha1 = loaded(&mut redis).await;
    assert_eq!(
        said(&mut redis, call(&sha1, writer(1), 1, "live", 1)).await,
        "A"
    );
    let before = hash(&mut redis, "writers").await;
    let _gone: () = redis.del(key("state")).await.expect("forgotten");
    assert_eq!(
        said(&mut redis, call(&sha1, writer(1), 1, "end", 0)).await,
        "V1"
    );
    assert_eq!(hash(&mut redis, "writers").await, before);
}

#[tokio::test]
async fn sums_that_are_not_those_of_the_ended_writers_are_a_difference() {
    let show = Show::open().await;
    let mut redis = show.redis.connection().await;
    come_and_go(&mut redis, 1..3).await;
    let _gone: () = redis
        .hdel(key("ended"), writer(2).to_string())
        .await
        .expect("forgotten");
    let audit = show.audit().await;
    let difference = "shard 0: the ledger's sums of its ended writers have 1 writers, 2 batches and 3 votes more than \
                      these themselves";
    assert_eq!(audit.differences, [difference]);
    let closed = show
        .change(Transition::Close, at("2025-11-25T00:00:00Z"))
        .await;
    let nobody = BTreeSet::new();
    let sealed = show.operator.seal(&closed, &nobody, closes_at(), "test");
    assert!(sealed.await.is_err());
    // Whoever reads figures ends to look for it, and says of no receipt that it is good.
    let reading = Reading::start(&show.url);
    let snapshot = eventually(DEADLINE, || async {
        let snapshot = reading.total(6).await.snapshot;
        Some(snapshot).filter(|snapshot| snapshot.has_all_writers())
    })
    .await;
    assert_eq!(snapshot.has_batch(0, &writer(2), 1), Some(false));
    assert_eq!(snapshot.has_batch(0, &writer(1), 1), Some(true));
}
