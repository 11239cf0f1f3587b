//! Ledgers of many writers that were killed: what a change of them costs to read, and that what was not read is still proved. And
//! batches that come in between what is read of a shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::sync::watch::Receiver;
use vote_domain::WriterId;
use vote_store::{PollSnapshot, RedisConfig, Snapshots, Store};
use vote_testkit::{FaultProxy, eventually};

use crate::ended_writers::{call, key, loaded, said, writer};
use crate::snapshots::Reading;
use crate::support::{ANA, DEADLINE, Show, is_accepted, vote};

const WRITERS: u64 = 20_000;
/// So often it changes, and what Redis may send to a reader each time: the ledger's part of it is 5 kB.
const CHANGES: u64 = 21;
const MOST_BYTES: u64 = 64 * 1024;
/// So many that their ledger is long.
const SOME: u64 = 600;

/// Each of so many writers records a batch of one vote, and is killed.
async fn are_killed(redis: &mut MultiplexedConnection, count: u64) {
    let sha1 = loaded(redis).await;
    let all: Vec<u64> = (1..=count).collect();
    for part in all.chunks(1_000) {
        let mut pipeline = redis::pipe();
        for &number in part {
            pipeline.add_command(call(&sha1, writer(number), 1, "live", 1));
        }
        let said: Vec<String> = pipeline.query_async(redis).await.expect("replies");
        assert!(said.iter().all(|reply| reply == "A"));
    }
}

/// How often Redis was asked for a piece of a hash.
async fn pieces(redis: &mut MultiplexedConnection) -> u64 {
    let mut info = redis::cmd("INFO");
    let answer = info.arg("commandstats").query_async(redis).await;
    let stats: String = answer.expect("it answers");
    let mut lines = stats.lines();
    let calls = lines.find_map(|line| line.strip_prefix("cmdstat_hscan:calls="));
    let calls = calls.expect("it was asked").split(',').next();
    calls
        .and_then(|calls| calls.parse().ok())
        .expect("a number")
}

async fn agreed(show: &Show, reading: &Reading) {
    assert_eq!(reading.count("vote_snapshot_disagreements_total"), 0);
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
}

/// The snapshot with so many votes; its ledger has them all.
async fn with_votes(reading: &Reading, votes: u64) -> Arc<PollSnapshot> {
    let snapshot = reading.total(votes.into()).await.snapshot;
    assert_eq!(snapshot.ledger_total(), u128::from(votes));
    assert_eq!(snapshot.minutes.total(), u128::from(votes));
    snapshot
}

#[tokio::test]
async fn a_change_of_a_ledger_of_twenty_thousand_killed_writers_reads_few_of_them() {
    let show = Show::open().await;
    let mut redis = show.redis.connection().await;
    are_killed(&mut redis, WRITERS).await;
    let voting = show.voting().await;
    let proxy = FaultProxy::start(show.redis.port()).await;
    let reading = Reading::start_every(Duration::from_millis(250), &proxy.url());
    let mut votes = WRITERS;
    for _ in 0..3 {
        voting.cast(vote(ANA)).await;
        votes += 1;
        with_votes(&reading, votes).await;
    }
    let (looks, bytes) = (pieces(&mut redis).await, proxy.counts().reply_bytes);
    let mut others = Vec::new();
    for round in 1..CHANGES {
        voting.cast(vote(ANA)).await;
        votes += 1;
        if round % 5 == 1 {
            // A process that is new is not a reason to look for it, nor one that ends.
            let other = show.voting().await;
            other.cast(vote(ANA)).await;
            votes += 1;
            others.push(other);
        }
        let snapshot = with_votes(&reading, votes).await;
        let batches = snapshot.revision - snapshot.poll.revision;
        assert!(batches <= votes, "{batches}");
    }
    for other in others {
        assert!(other.writer.drain(DEADLINE).await.in_time);
    }
    voting.cast(vote(ANA)).await;
    with_votes(&reading, votes + 1).await;
    assert_eq!(pieces(&mut redis).await, looks);
    // The whole ledger is 1.5 MB in each of two answers.
    let bytes = proxy.counts().reply_bytes - bytes;
    assert!(bytes < CHANGES * MOST_BYTES, "{bytes} bytes");
    assert_eq!(reading.count("vote_snapshot_disagreements_total"), 0);
}

#[tokio::test]
async fn a_batch_of_a_writer_that_nobody_expects_is_found_though_it_has_no_vote() {
    let show = Show::open().await;
    let mut redis = show.redis.connection().await;
    are_killed(&mut redis, SOME).await;
    let reading = Reading::start(&show.url);
    let before = with_votes(&reading, SOME).await;
    let sha1 = loaded(&mut redis).await;
    let batch = call(&sha1, writer(7), 2, "live", 0);
    assert_eq!(said(&mut redis, batch).await, "A");
    let after = eventually(DEADLINE, || async {
        let snapshot = reading.total(SOME.into()).await.snapshot;
        Some(snapshot).filter(|snapshot| snapshot.revision > before.revision)
    })
    .await;
    assert_eq!(after.revision, before.revision + 1);
    assert_eq!(after.has_batch(0, &writer(7), 2), Some(true));
    agreed(&show, &reading).await;
}

#[tokio::test]
async fn one_that_ends_and_one_that_comes_are_not_taken_for_each_other() {
    let show = Show::open().await;
    let mut redis = show.redis.connection().await;
    are_killed(&mut redis, SOME).await;
    let reading = Reading::start(&show.url);
    let before = with_votes(&reading, SOME).await;
    let sha1 = loaded(&mut redis).await;
    // The one has what the other had, and the votes of the ledger are what they were without both.
    let mut both = redis::pipe();
    both.atomic();
    both.add_command(call(&sha1, writer(7), 1, "end", 0));
    both.add_command(call(&sha1, writer(SOME + 1), 1, "live", 1));
    let said: Vec<String> = both.query_async(&mut redis).await.expect("replies");
    assert_eq!(said, ["V1", "A"]);
    let after = eventually(DEADLINE, || async {
        let snapshot = with_votes(&reading, SOME + 1).await;
        Some(snapshot).filter(|snapshot| snapshot.has_all_writers())
    })
    .await;
    assert_eq!(after.revision, before.revision + 1);
    for number in [7, SOME, SOME + 1] {
        assert_eq!(after.has_batch(0, &writer(number), 1), Some(true));
    }
    assert_eq!(after.ended_writers(), 1);
    let is_there = |id: WriterId| after.ledger[0].contains_key(&id);
    assert!(!is_there(writer(7)) && is_there(writer(SOME + 1)));
    agreed(&show, &reading).await;
}

#[tokio::test]
async fn a_long_ledger_whose_batches_were_not_counted_is_read_whole() {
    let show = Show::open().await;
    let mut redis = show.redis.connection().await;
    are_killed(&mut redis, SOME).await;
    let mut forget = redis::cmd("HDEL");
    let forget = forget.arg(key("state")).arg(&["batches", "joined"]);
    forget.exec_async(&mut redis).await.expect("forgotten");
    let reading = Reading::start(&show.url);
    with_votes(&reading, SOME).await;
    let voting = show.voting().await;
    for votes in 1..=3 {
        voting.cast(vote(ANA)).await;
        let snapshot = with_votes(&reading, SOME + votes).await;
        assert_eq!(snapshot.has_batch(0, &writer(7), 1), Some(true));
    }
    assert!(!show.counts_its_batches().await);
    agreed(&show, &reading).await;
}

/// Whether a question of a reading of a shard is the one about the ledger that comes last.
type IsLast = Box<dyn FnMut(&[&[u8]]) -> bool + Send>;

/// Of a ledger that is read whole it is the second time that this is read.
fn ledger_again() -> IsLast {
    let mut has_fence = false;
    Box::new(move |words| match words {
        [b"HMGET", key, _, _, ..] if key.ends_with(b":state") => {
            has_fence = true;
            false
        }
        [b"HGETALL", key] if key.ends_with(b":writers") => std::mem::take(&mut has_fence),
        _ => false,
    })
}

/// Of one that is read by names it is these, which come behind the tally.
fn names() -> IsLast {
    Box::new(|words| matches!(words, [b"HMGET", key, _, _, ..] if key.ends_with(b":writers")))
}

/// Counts the snapshots whose figures are not of one instant.
async fn count_mixed(mut snapshots: Receiver<Snapshots>, mixed: Arc<AtomicU32>) {
    while snapshots.changed().await.is_ok() {
        for confirmed in snapshots.borrow_and_update().polls.values() {
            let snapshot = &confirmed.snapshot;
            let total = snapshot.tally.total();
            let agrees = total == snapshot.ledger_total() && total == snapshot.minutes.total();
            mixed.fetch_add(u32::from(!agrees), Ordering::Relaxed);
        }
    }
}

/// A show whose ledger has so many killed writers is read through a proxy. There is a batch behind what one reading has read, right
/// before it asks for the ledger; so for as many readings as `times` says, one after the other. Gives how often a script has read then.
async fn batches_come_between(killed: u64, times: u32, mut is_last: IsLast) -> u32 {
    let show = Show::open().await;
    are_killed(&mut show.redis.connection().await, killed).await;
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    let mut votes = killed + 1;
    let proxy = FaultProxy::start(show.redis.port()).await;
    let mut config = RedisConfig::new(proxy.url()).expect("an address");
    // As long as a test may take to do something meanwhile.
    config.response_timeout = DEADLINE;
    let patient = Store::new(&config).expect("nothing to refuse");
    let reading = Reading::start_on(&patient, Duration::from_millis(10));
    with_votes(&reading, votes).await;
    let (mixed, scripts) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let counting = tokio::spawn(count_mixed(reading.snapshots.clone(), mixed.clone()));
    let (mut left, run) = (times, scripts.clone());
    proxy.hold(move |words| {
        let is_script = words.first() == Some(&&b"EVALSHA_RO"[..])
            && words.iter().any(|word| word.ends_with(b":writers"));
        run.fetch_add(u32::from(is_script), Ordering::Relaxed);
        let is_held = is_last(words) && left > 0;
        left -= u32::from(is_held);
        is_held
    });
    voting.cast(vote(ANA)).await;
    votes += 1;
    for held in 1..=u64::from(times) {
        eventually(DEADLINE, || async { proxy.counts().held == held }).await;
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
        votes += 1;
        proxy.go_on();
    }
    with_votes(&reading, votes).await;
    counting.abort();
    assert_eq!(mixed.load(Ordering::Relaxed), 0);
    agreed(&show, &reading).await;
    scripts.load(Ordering::Relaxed)
}

#[tokio::test]
async fn figures_with_a_batch_between_them_are_read_again() {
    assert_eq!(batches_come_between(0, 1, ledger_again()).await, 0);
}

#[tokio::test]
async fn figures_with_a_batch_between_them_each_time_come_from_a_script() {
    let scripts = batches_come_between(0, 2, ledger_again()).await;
    // Once more where the server did not know it.
    assert!((1..=2).contains(&scripts), "{scripts}");
}

#[tokio::test]
async fn figures_of_a_long_ledger_with_a_batch_between_them_are_read_again() {
    // Also where it is looked through meanwhile.
    for times in [1, 4] {
        assert_eq!(batches_come_between(SOME, times, names()).await, 0);
    }
}
