//! A poll that is taken to another Redis, whole or not at all.

use std::sync::atomic::{AtomicBool, Ordering};

use vote_domain::{PollState, Transition};
use vote_store::{
    AuditReport, Backup, BackupError, PollOperator, RestoreError, SaveError, TakeError,
};
use vote_testkit::{Fault, FaultProxy, RedisCluster, RedisServer};

use crate::snapshots::Reading;
use crate::support::{
    ANA, BIA, DEADLINE, Show, at, closes_at, is_accepted, keyed, store, vote, voting_ms,
};

fn now() -> jiff::Timestamp {
    at("2025-11-24T01:03:00Z")
}

/// A poll with votes of several hours and writers, on so many shards.
pub(crate) async fn voted(shards: u16) -> Show {
    let show = Show::open_on(RedisServer::start().await, shards).await;
    for process in 0..2 {
        let voting = show.voting().await;
        for number in 0..12 {
            let mut plain = vote(if number % 3 == 0 { BIA } else { ANA });
            plain.received_at_ms += number * 1_700_000;
            assert!(is_accepted(&voting.cast(plain).await));
            let name = format!("{process}-{number}");
            assert!(is_accepted(&voting.cast(keyed(ANA, &name)).await));
        }
        voting.writer.drain(DEADLINE).await;
    }
    show
}

pub(crate) async fn taken<R>(show: &Show<R>) -> Backup {
    let backup = show
        .operator
        .backup(&show.id, now(), "test", "test 1.0")
        .await
        .expect("it can be taken")
        .expect("the poll is there");
    let json = backup.to_json().expect("JSON");
    assert_eq!(
        Backup::parse(json.as_bytes()).as_ref(),
        Ok(&backup),
        "{json}"
    );
    backup
}

pub(crate) async fn restored(operator: &PollOperator, backup: &Backup) -> AuditReport {
    let restored = operator
        .restore(backup, now(), "test", |_| {})
        .await
        .expect("restored");
    let id = backup.poll().definition.id();
    let there = operator.get(id).await.expect("it answers");
    assert_eq!(there.as_ref(), Some(&restored.poll));
    let audit = operator.audit(id).await.expect("it answers");
    let audit = audit.expect("the poll is there");
    assert!(audit.passed, "{:?}", audit.differences);
    audit
}

/// All keys of a server, without the receipts' key.
async fn keys(redis: &RedisServer) -> Vec<String> {
    let mut connection = redis.connection().await;
    let mut keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut connection)
        .await
        .expect("it answers");
    keys.retain(|key| key != "vote:receipts:key");
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn a_closed_poll_moves_from_one_server_to_a_cluster_and_is_sealed_there() {
    let show = voted(5).await;
    show.change(Transition::Close, closes_at()).await;
    let before = show.audit().await;
    assert_eq!(before.total, 48);
    let backup = taken(&show).await;

    let cluster = RedisCluster::start().await;
    let there = store(&cluster.url()).operator();
    let after = restored(&there, &backup).await;
    assert_eq!((&after.shards, after.total), (&before.shards, before.total));
    assert!(after.waiting.is_empty(), "{:?}", after.waiting);
    assert_eq!(
        there.get(&show.id).await.expect("answers"),
        Some(show.poll().await)
    );

    // Results read the same from both, to the byte.
    let (here, moved) = (Reading::start(&show.url), Reading::start(&cluster.url()));
    let (here, moved) = (
        here.total(48).await.snapshot,
        moved.total(48).await.snapshot,
    );
    assert_eq!(
        (&here.poll, &here.tally, &here.minutes, &here.late),
        (&moved.poll, &moved.tally, &moved.minutes, &moved.late)
    );
    assert_eq!(
        (&here.ledger, here.revision),
        (&moved.ledger, moved.revision)
    );

    // And it goes on there as it would have here, with another number of keys a node.
    let moved = Show {
        url: cluster.url(),
        redis: cluster,
        operator: there,
        id: show.id.clone(),
    };
    let poll = moved.poll().await;
    let there = moved
        .seal(&poll, closes_at(), "test")
        .await
        .expect("sealed");
    let here = show.seal(&poll, closes_at(), "test").await.expect("sealed");
    assert_eq!(there.sha256, here.sha256);
    let again = taken(&moved).await;
    assert_eq!(again.sealed(), Some(&here));
}

#[tokio::test]
async fn each_state_comes_back_as_it_was_or_paused() {
    for transitions in [
        &[][..],
        &[Transition::Open],
        &[Transition::Open, Transition::Pause],
        &[Transition::Open, Transition::Close],
        &[Transition::Open, Transition::Close, Transition::Seal],
        &[Transition::Open, Transition::Void],
    ] {
        let draft = vote_domain::Poll::draft(
            crate::support::definition(3),
            crate::support::opens_at(),
            "test",
        );
        let redis = RedisServer::start().await;
        let operator = store(&redis.url()).operator();
        operator.save(&draft, 0).await.expect("saved");
        let show = Show {
            url: redis.url(),
            redis,
            operator,
            id: draft.definition.id().clone(),
        };
        for transition in transitions {
            match transition {
                Transition::Seal => {
                    let closed = show.poll().await;
                    show.seal(&closed, now(), "test").await.expect("sealed");
                }
                transition => drop(show.change(*transition, now()).await),
            }
            if *transition == Transition::Open {
                let voting = show.voting().await;
                for number in 0..9 {
                    assert!(is_accepted(
                        &voting.cast(keyed(ANA, &number.to_string())).await
                    ));
                }
                voting.writer.drain(DEADLINE).await;
            }
        }
        let backup = taken(&show).await;
        let target = RedisServer::start().await;
        let there = store(&target.url()).operator();
        let audit = restored(&there, &backup).await;
        assert_eq!(audit.total, backup.totals().votes);
        let (was, is) = (show.poll().await, there.get(&show.id).await);
        let is = is.expect("it answers").expect("it is there");
        if matches!(was.state, PollState::Open | PollState::Paused) {
            assert_eq!(
                (is.state, is.revision),
                (PollState::Paused, was.revision + 1)
            );
            let last = is.log.last().expect("a line");
            assert_eq!((last.action.as_str(), last.by.as_str()), ("import", "test"));
            assert!(last.detail.contains(backup.sha256()), "{}", last.detail);
        } else {
            assert_eq!(is, was);
            // The same again, but for when it was taken.
            let moved = Show {
                url: target.url(),
                redis: target,
                operator: there,
                id: show.id.clone(),
            };
            assert_eq!(taken(&moved).await, backup);
            let left: Vec<String> = keys(&moved.redis).await;
            assert!(left.iter().all(|key| !key.ends_with(":import")), "{left:?}");
        }
    }
}

#[tokio::test]
async fn late_votes_and_marks_come_back() {
    let show = voted(1).await;
    let voting = show.voting().await;
    let mut late = vote(ANA);
    late.received_at_ms = closes_at().as_millisecond();
    let _refused = voting.cast(late).await;
    let before = show.audit().await;
    assert_eq!((before.late, before.shards[0].writers), (1, 3));
    let backup = taken(&show).await;
    let target = RedisServer::start().await;
    let after = restored(&store(&target.url()).operator(), &backup).await;
    assert_eq!((after.late, &after.shards), (1, &before.shards));
    assert_eq!(after.shards[0].drained, 2, "the two that have ended");
}

#[tokio::test]
async fn a_restore_that_breaks_anywhere_shows_nothing_and_is_completed_by_repeating_it() {
    let show = voted(2).await;
    show.change(Transition::Close, closes_at()).await;
    let closed = show.poll().await;
    show.seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    let backup = taken(&show).await;
    for cut in [Fault::CutBeforeRequest, Fault::CutBeforeReply] {
        for place in 0.. {
            let target = RedisServer::start().await;
            let proxy = FaultProxy::start(target.port()).await;
            proxy.only(["EVALSHA", "SET", "SADD", "DEL"]);
            let through = store(&proxy.url()).operator();
            let mut faults = vec![Fault::Pass; place];
            faults.push(cut);
            proxy.schedule(faults);
            let broken = through.restore(&backup, now(), "test", |_| {}).await;
            let direct = store(&target.url()).operator();
            if proxy.scheduled() > 0 {
                assert!(broken.is_ok(), "nothing was cut: {broken:?}");
                assert!(place > 20, "only {place} commands");
                break;
            }
            let published = direct.get(&show.id).await.expect("it answers").is_some();
            let began = !keys(&target).await.is_empty();
            if began && !published {
                // Neither is another poll made of it.
                let draft = vote_domain::Poll::draft(
                    crate::support::definition(2),
                    crate::support::opens_at(),
                    "test",
                );
                let refused = direct.save(&draft, 0).await;
                assert!(
                    matches!(refused, Err(SaveError::HalfRestored(_))),
                    "{place}: {refused:?}"
                );
                assert!(direct.list().await.expect("answers").is_empty());
            }
            // Only what comes last, when all is done, may fail unnoticed.
            let last = broken.is_ok();
            assert!(!last || published, "{place} {cut:?}");
            match direct.restore(&backup, now(), "test", |_| {}).await {
                Ok(resumed) => assert_eq!(resumed.resumed, began, "{place} {cut:?}"),
                Err(RestoreError::Taken(_)) if last => {}
                Err(error) => panic!("{place} {cut:?}: {broken:?}, then {error}"),
            }
            let audit = direct
                .audit(&show.id)
                .await
                .expect("answers")
                .expect("there");
            assert!(
                audit.passed && audit.total == 48,
                "{place}: {:?}",
                audit.differences
            );
            let left = keys(&target).await;
            assert!(left.iter().all(|key| !key.ends_with(":import")), "{left:?}");
        }
    }
}

#[tokio::test]
async fn what_is_there_is_neither_replaced_nor_added_to() {
    let show = voted(2).await;
    let backup = taken(&show).await;
    let error = show.operator.restore(&backup, now(), "test", |_| {}).await;
    let error = error.expect_err("it is there");
    assert!(
        matches!(&error, RestoreError::Taken(found) if found[0] == "vote:poll:paredao-01"),
        "{error}"
    );
    assert!(show.audit().await.passed);

    // A single key is enough, whichever it is.
    for key in [
        "vote:poll:paredao-01:final",
        "vote:{paredao-01/1}:state",
        "vote:{paredao-01/1}:tally",
        "vote:{paredao-01/0}:late",
        "vote:{paredao-01/0}:writers",
        "vote:{paredao-01/1}:replies",
    ] {
        let target = RedisServer::start().await;
        let mut connection = target.connection().await;
        let mut command = redis::cmd(if key.ends_with("final") {
            "SET"
        } else {
            "HSET"
        });
        command.arg(key).arg("field");
        if !key.ends_with("final") {
            command.arg("1");
        }
        command.exec_async(&mut connection).await.expect("written");
        let operator = store(&target.url()).operator();
        let error = operator.restore(&backup, now(), "test", |_| {}).await;
        assert!(
            matches!(&error, Err(RestoreError::Taken(found)) if found == &[key]),
            "{error:?}"
        );
        assert!(operator.restorable(&backup).await.is_err());
        assert_eq!(keys(&target).await, [key]);
    }
}

#[tokio::test]
async fn two_backups_of_a_poll_are_not_mixed() {
    let show = voted(2).await;
    let first = taken(&show).await;
    let voting = show.voting().await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    let second = taken(&show).await;
    assert_ne!(first.sha256(), second.sha256());

    let target = RedisServer::start().await;
    let proxy = FaultProxy::start(target.port()).await;
    proxy.only(["EVALSHA"]);
    let mut faults = vec![Fault::Pass; 7];
    faults.push(Fault::CutBeforeRequest);
    proxy.schedule(faults);
    let through = store(&proxy.url()).operator();
    through
        .restore(&first, now(), "test", |_| {})
        .await
        .expect_err("cut");
    let direct = store(&target.url()).operator();
    for attempt in [
        direct.restorable(&second).await.map(drop),
        direct
            .restore(&second, now(), "test", |_| {})
            .await
            .map(drop),
    ] {
        assert!(
            matches!(&attempt, Err(RestoreError::Other(sha256)) if sha256 == first.sha256()),
            "{attempt:?}"
        );
    }
    assert_eq!(restored(&direct, &first).await.total, 48);
}

#[tokio::test]
async fn figures_that_do_not_agree_are_not_backed_up() {
    let show = voted(2).await;
    let mut connection = show.redis.connection().await;
    redis::cmd("HINCRBY")
        .arg("vote:{paredao-01/1}:tally")
        .arg("torcida/ana")
        .arg(1)
        .exec_async(&mut connection)
        .await
        .expect("written");
    let error = show
        .operator
        .backup(&show.id, now(), "test", "test 1.0")
        .await
        .expect_err("it does not agree");
    let TakeError::Disagree(BackupError::Content(mistakes)) = &error else {
        panic!("{error}");
    };
    assert!(mistakes[0].contains("shard 1"), "{error}");
}

#[tokio::test]
async fn a_poll_that_takes_votes_is_backed_up_shard_by_shard() {
    let show = Show::open_on(RedisServer::start().await, 4).await;
    let voting = show.voting().await;
    let is_taken = AtomicBool::new(false);
    let going_on = async {
        for number in 0.. {
            if is_taken.load(Ordering::Relaxed) {
                break;
            }
            assert!(is_accepted(
                &voting.cast(keyed(BIA, &number.to_string())).await
            ));
        }
    };
    let taking = async {
        let mut totals = Vec::new();
        for _ in 0..20 {
            totals.push(taken(&show).await.totals().votes);
        }
        is_taken.store(true, Ordering::Relaxed);
        totals
    };
    let ((), totals) = tokio::join!(going_on, taking);
    assert!(totals.is_sorted(), "{totals:?}");
    assert!(totals.first() < totals.last(), "{totals:?}");
}

#[tokio::test]
async fn many_minutes_and_writers_are_written_in_small_commands() {
    let show = Show::open().await;
    let mut connection = show.redis.connection().await;
    let mut pipeline = redis::pipe();
    let hour = voting_ms() / 3_600_000;
    let mut votes = 0_i64;
    for of_poll in 0..40 {
        for minute in 0..60 {
            for (pair, factor) in [("torcida/ana", 1), ("torcida/bia", 3), ("unico/ana", 7)] {
                let count = factor * (minute + 1) * (of_poll + 1);
                votes += count;
                let key = format!(
                    "vote:{{paredao-01/0}}:minutes:{}",
                    (hour + of_poll) * 60 + minute
                );
                pipeline.cmd("HSET").arg(key).arg(pair).arg(count).ignore();
                pipeline
                    .cmd("HINCRBY")
                    .arg("vote:{paredao-01/0}:tally")
                    .arg(pair)
                    .arg(count)
                    .ignore();
            }
        }
    }
    for writer in 0..3_000_u64 {
        let own = if writer == 0 { votes } else { 0 };
        pipeline
            .cmd("HSET")
            .arg("vote:{paredao-01/0}:writers")
            .arg(format!("{writer:016x}/sequence"))
            .arg(writer + 1)
            .arg(format!("{writer:016x}/votes"))
            .arg(own)
            .arg(format!("{writer:016x}/drained"))
            .arg("ended")
            .ignore();
    }
    pipeline.exec_async(&mut connection).await.expect("written");
    let backup = taken(&show).await;
    assert_eq!(
        backup.totals().votes,
        u128::try_from(votes).expect("positive")
    );
    let target = RedisServer::start().await;
    let mut watching = target.connection().await;
    let audit = restored(&store(&target.url()).operator(), &backup).await;
    assert_eq!(audit.total, u128::try_from(votes).expect("positive"));
    let stats: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut watching)
        .await
        .expect("it answers");
    let writes: u32 = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="))
        .and_then(|rest| rest.split(',').next())
        .and_then(|calls| calls.parse().ok())
        .expect("a number");
    // 7,200 fields of minutes and 9,000 of the ledger, and what claims and fences the shard.
    assert!((17..60).contains(&writes), "{writes} calls");
}

/// Its format is that of today, whatever keys Redis had the minutes in.
#[tokio::test]
async fn a_backup_of_the_version_that_had_a_hash_for_each_hour_is_restored() {
    let backup = Backup::parse(include_bytes!("data/backup-of-hours.json")).expect("a backup");
    let target = RedisServer::start().await;
    let audit = restored(&store(&target.url()).operator(), &backup).await;
    assert_eq!((audit.total, audit.late), (50, 4));
    let mut connection = target.connection().await;
    for (minute, field, votes) in [
        (29_399_160, "torcida/ana", 3),
        (29_399_219, "torcida/bia", 4),
        (29_399_220, "unico/bia", 6),
        (29_399_237, "torcida/ana", 7),
    ] {
        let found: u64 = redis::cmd("HGET")
            .arg(format!("vote:{{de-antes/1}}:minutes:{minute}"))
            .arg(field)
            .query_async(&mut connection)
            .await
            .expect("votes");
        assert_eq!(found, votes);
    }
}
