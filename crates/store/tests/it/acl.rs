//! The users of `deploy/redis/acl`: each service runs as its own, and may do no more.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, Value};
use tokio_util::sync::CancellationToken;
use vote_domain::{ManualClock, Transition};
use vote_store::{Durability, RedisConfig, SnapshotConfig, Snapshotter, Store};
use vote_testkit::{RedisServer, eventually, newer_redis_server};

use crate::support::{
    ANA, DEADLINE, Show, Voting, at, closes_at, is_accepted, keyed, lane_config, opens_at, vote,
};

const INGEST: &str = include_str!("../../../../deploy/redis/acl/vote-ingest.acl");
const RESULTS: &str = include_str!("../../../../deploy/redis/acl/vote-results.acl");
const VOTECTL: &str = include_str!("../../../../deploy/redis/acl/votectl.acl");

/// Keeps its rights, loses its login: see the README beside the users.
const DEFAULT: &str = "user default off resetpass allkeys allchannels +@all";

/// Who may do all: looks at what the others did.
const ADMIN: &str = "user admin on >secret allkeys allchannels +@all";

/// The file that the README beside the users tells to make.
fn users(default: &str) -> String {
    let users: String = [INGEST, RESULTS, VOTECTL]
        .iter()
        .map(|user| format!("{} >secret\n", user.trim_end()))
        .collect();
    format!("{users}{ADMIN}\n{default}\n")
}

async fn show() -> Show {
    let redis = RedisServer::builder().acl(&users(DEFAULT)).start().await;
    let url = redis.url_as("votectl", "secret");
    Show::open_at(redis, url, 2).await
}

/// What the server says to a user's command.
async fn says(show: &Show, user: &str, command: &str) -> Result<Value, RedisError> {
    let client = show.redis.client_as(user, "secret");
    let mut connection: MultiplexedConnection = client
        .get_multiplexed_async_connection()
        .await
        .expect("the user may log in");
    let mut words = command.split(' ');
    let mut redis_command: Cmd = redis::cmd(words.next().expect("a command"));
    redis_command.arg(words.collect::<Vec<_>>());
    redis_command.query_async(&mut connection).await
}

async fn assert_refused(show: &Show, user: &str, command: &str) {
    match says(show, user, command).await {
        Err(error) if error.to_string().contains("NOPERM") || error.code() == Some("NOPERM") => {}
        Err(error) if error.to_string().contains("can't run this command") => {}
        other => panic!("{user} {command}: {other:?}"),
    }
}

#[tokio::test]
async fn the_whole_way_of_a_vote_works_with_the_least_rights() {
    let show = show().await;
    let ingest = show.redis.url_as("vote-ingest", "secret");
    let voting = Voting::start(&ingest, lane_config(), show.id.as_str()).await;
    for number in 0..50 {
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
        assert!(is_accepted(
            &voting.cast(keyed(ANA, &format!("k{number}"))).await
        ));
    }

    let url = show.redis.url_as("vote-results", "secret");
    let store = Store::new(&RedisConfig::new(url).expect("an address"));
    let config = SnapshotConfig {
        interval: std::time::Duration::from_millis(20),
        polls_interval: std::time::Duration::from_millis(20),
        stale_after: std::time::Duration::from_secs(2),
    };
    let cancel = CancellationToken::new();
    let snapshots = Snapshotter::start(
        &store.expect("usable"),
        std::sync::Arc::new(ManualClock::new(at("2025-11-24T01:02:03Z"))),
        config,
        &mut prometheus_client::registry::Registry::default(),
        cancel.clone(),
    );
    eventually(DEADLINE, || async {
        let read = snapshots.borrow();
        let poll = read.polls.get(&show.id);
        poll.is_some_and(|poll| poll.snapshot.tally.total() == 100)
    })
    .await;
    cancel.cancel();

    voting.writer.drain(DEADLINE).await;
    show.change(Transition::Close, closes_at()).await;
    let closed = show.poll().await;
    let next = closed.forget_voters(closes_at(), "test").expect("closed");
    let forgotten = show.operator.forget_voters(&next, closed.revision).await;
    assert!(forgotten.expect("destroyed").1);
    let poll = show.poll().await;
    show.operator
        .seal(
            &poll,
            &std::collections::BTreeSet::new(),
            closes_at(),
            "test",
        )
        .await
        .expect("sealed");
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);

    // A pool asks before it gives a connection out again: one that may not ask is a new connection each time.
    let refused = says(&show, "admin", "ACL LOG").await.expect("a log");
    assert_eq!(refused, Value::Array(Vec::new()), "refused");
}

#[tokio::test]
async fn ingest_can_neither_list_a_tally_nor_change_a_poll() {
    let show = show().await;
    let ingest = "vote-ingest";
    for key in ["tally", "minutes:1", "writers", "ended", "late", "seen"] {
        for command in ["HGETALL", "HVALS", "HKEYS"] {
            assert_refused(
                &show,
                ingest,
                &format!("{command} vote:{{{}/0}}:{key}", show.id),
            )
            .await;
        }
        assert_refused(
            &show,
            ingest,
            &format!("HSCAN vote:{{{}/0}}:{key} 0", show.id),
        )
        .await;
    }
    for command in [
        "SET vote:poll:paredao-01 x",
        "SADD vote:polls x",
        "SREM vote:polls paredao-01",
        "DEL vote:{paredao-01/0}:tally",
        "HDEL vote:{paredao-01/0}:tally torcida/ana",
        "HDEL vote:{paredao-01/0}:ended x",
        "GET other",
        "HMGET other field",
        "EVAL return(1) 0",
        "KEYS *",
        "SCAN 0",
        "FLUSHALL",
        "CONFIG GET *",
        "ACL LIST",
        "CLIENT LIST",
        "SHUTDOWN",
        "REPLICAOF NO ONE",
        "CLUSTER FAILOVER",
        "SCRIPT FLUSH",
        "MONITOR",
    ] {
        assert_refused(&show, ingest, command).await;
    }
    // A script of one's own has no more rights than its caller.
    let Value::BulkString(sha1) = says(
        &show,
        ingest,
        "SCRIPT LOAD return{redis.call('HGETALL',KEYS[1])}",
    )
    .await
    .expect("may load") else {
        panic!("no digest");
    };
    let sha1 = String::from_utf8(sha1).expect("hexadecimal");
    assert_refused(
        &show,
        ingest,
        &format!("EVALSHA {sha1} 1 vote:{{paredao-01/0}}:tally"),
    )
    .await;
}

#[tokio::test]
async fn results_can_write_nothing_at_all() {
    let show = show().await;
    let results = "vote-results";
    for command in [
        "HSET vote:{paredao-01/0}:tally torcida/ana 7",
        "HINCRBY vote:{paredao-01/0}:tally torcida/ana 7",
        "SET vote:poll:paredao-01 x",
        "SET vote:receipts:key x",
        "GET vote:voters:paredao-01",
        "SADD vote:polls x",
        "DEL vote:polls",
        "EVAL return(1) 0",
        "GET other",
        "FLUSHALL",
        "CONFIG SET maxmemory 1",
    ] {
        assert_refused(&show, results, command).await;
    }
    let Value::BulkString(sha1) = says(
        &show,
        results,
        "SCRIPT LOAD return(redis.call('HSET',KEYS[1],'a','1'))",
    )
    .await
    .expect("may load") else {
        panic!("no digest");
    };
    let sha1 = String::from_utf8(sha1).expect("hexadecimal");
    let key = "vote:{paredao-01/0}:tally";
    assert_refused(&show, results, &format!("EVALSHA {sha1} 1 {key}")).await;
    let read_only = says(&show, results, &format!("EVALSHA_RO {sha1} 1 {key}")).await;
    assert!(read_only.is_err(), "{read_only:?}");
    assert!(show.tally().await.is_empty());
}

#[tokio::test]
async fn the_operator_can_delete_no_votes_and_no_documents() {
    let show = show().await;
    for command in [
        "DEL vote:poll:paredao-01",
        "HDEL vote:{paredao-01/0}:tally torcida/ana",
        "HDEL vote:{paredao-01/0}:ended x",
        "DEL vote:{paredao-01/0}:state",
        "DEL vote:polls",
        "SPOP vote:polls",
        "FLUSHALL",
        "CONFIG GET *",
        "KEYS *",
    ] {
        assert_refused(&show, "votectl", command).await;
    }
}

#[tokio::test]
async fn the_operator_takes_and_restores_a_backup_with_these_rights_and_deletes_only_its_marks() {
    let show = show().await;
    let ingest = show.redis.url_as("vote-ingest", "secret");
    let voting = Voting::start(&ingest, lane_config(), show.id.as_str()).await;
    for number in 0..20 {
        assert!(is_accepted(
            &voting.cast(keyed(ANA, &format!("k{number}"))).await
        ));
    }
    voting.writer.drain(DEADLINE).await;
    show.change(Transition::Close, closes_at()).await;
    let closed = show.poll().await;
    show.seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    let backup = show
        .operator
        .backup(&show.id, closes_at(), "test", "test 1.0")
        .await
        .expect("taken")
        .expect("there");
    let target = RedisServer::builder().acl(&users(DEFAULT)).start().await;
    let operator = crate::support::store(&target.url_as("votectl", "secret")).operator();
    operator
        .restore(&backup, closes_at(), "test", |_| {})
        .await
        .expect("restored");
    let audit = operator.audit(&show.id).await.expect("it answers");
    let audit = audit.expect("it is there");
    assert!(audit.passed && audit.total == 20, "{:?}", audit.differences);
    for key in [
        "vote:poll:paredao-01",
        "vote:poll:paredao-01:final",
        "vote:{paredao-01/0}:state",
        "vote:{paredao-01/0}:tally",
        "vote:receipts:key",
        "vote:polls",
        "other:import",
    ] {
        assert_refused(&show, "votectl", &format!("DEL {key}")).await;
    }
    assert_refused(&show, "votectl", "GET vote:voters:paredao-01").await;
    for user in ["vote-ingest", "vote-results"] {
        assert_refused(&show, user, "DEL vote:voters:paredao-01").await;
        assert_refused(&show, user, "DEL vote:{paredao-01/0}:import").await;
        assert_refused(&show, user, "SET vote:{paredao-01/0}:import x").await;
    }
}

#[tokio::test]
async fn the_operator_records_what_a_process_has_left_behind_with_these_rights() {
    let show = show().await;
    let poll = show.poll().await;
    let ingest = show.redis.url_as("vote-ingest", "secret");
    let voting = Voting::start(&ingest, lane_config(), show.id.as_str()).await;
    for number in 0..20 {
        assert!(is_accepted(
            &voting.cast(keyed(ANA, &format!("k{number}"))).await
        ));
    }
    says(&show, "admin", "FLUSHALL").await.expect("flushed");
    let patience = std::time::Duration::from_millis(300);
    let spill = voting.writer.drain(patience).await.left_behind;
    assert_eq!(spill.votes(), 20);
    show.operator.save(&poll, 0).await.expect("saved");
    for lane in spill.lanes() {
        let now = at("2025-11-24T01:02:10Z");
        let replayed = show.operator.replay(&spill, lane, now, || ()).await;
        assert_eq!(replayed.expect("recorded").0.recorded, lane.votes());
    }
    let audit = show.audit().await;
    assert!(audit.passed && audit.total == 20, "{:?}", audit.differences);
    let refused = says(&show, "admin", "ACL LOG").await.expect("a log");
    assert_eq!(refused, Value::Array(Vec::new()), "refused");
}

#[tokio::test]
async fn the_operator_deletes_a_draft_with_these_rights() {
    let show = show().await;
    let draft = show.draft("other").await;
    let marked = draft.deleted(opens_at(), "test").expect("it is a draft");
    show.operator
        .delete(&marked, draft.revision)
        .await
        .expect("deleted");
    eventually(DEADLINE, || async {
        let found = show.operator.get(draft.definition.id()).await;
        found.expect("read").is_none()
    })
    .await;
}

/// Votes on a server with these users that writes its append-only file, which is then killed and started again:
/// what it has of 80 votes, and its log.
async fn after_kill_9(default: &str) -> (u128, String) {
    let redis = RedisServer::builder()
        .acl(&users(default))
        .append_only(true)
        .config("appendfsync", "always")
        .start()
        .await;
    let url = redis.url_as("votectl", "secret");
    let mut show = Show::open_at(redis, url, 2).await;
    let ingest = show.redis.url_as("vote-ingest", "secret");
    let voting = Voting::start(&ingest, lane_config(), show.id.as_str()).await;
    let poll = show.poll().await;
    for number in 0..40 {
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
        assert!(is_accepted(
            &voting.cast(keyed(ANA, &format!("k{number}"))).await
        ));
    }
    // Nobody is there to send again what Redis may have lost.
    voting.writer.abort();
    drop(voting);
    show.redis.kill9();
    show.redis.restart().await;
    let figures = show.operator.figures(&poll).await.expect("it answers");
    let total = figures.iter().map(|shard| shard.tally.total()).sum();
    (total, show.redis.log())
}

#[tokio::test]
async fn a_redis_with_these_users_still_has_every_vote_after_kill_9() {
    let (votes, log) = after_kill_9(DEFAULT).await;
    assert_eq!(votes, 80, "{log}");
    assert!(!log.contains("NOPERM"), "{log}");
}

/// Redis reads its append-only file back as the user `default`, with its rights, and leaves out each transaction
/// that it may not run: each vote is written as one. Seen on 7.0.15. Should a later Redis know better, this
/// test says that the users' README can be shorter.
#[tokio::test]
async fn a_default_user_without_rights_would_cost_them() {
    let (votes, log) = after_kill_9("user default off").await;
    assert!(votes < 80 && log.contains("NOPERM"), "{votes}: {log}");
}

#[tokio::test]
async fn without_a_password_a_checked_in_user_cannot_log_in() {
    let redis = RedisServer::builder()
        .acl(&[INGEST, RESULTS, VOTECTL].concat())
        .start()
        .await;
    for user in ["vote-ingest", "vote-results", "votectl"] {
        let client = redis.client_as(user, "guess");
        assert!(
            client.get_multiplexed_async_connection().await.is_err(),
            "{user}"
        );
    }
}

/// As the chart and `deploy/compose/secrets.sh` write the user then.
#[tokio::test]
async fn with_fsync_ingest_needs_one_more_right_and_says_which() {
    let Some(binary) = newer_redis_server() else {
        println!("left out: no newer server, see `make setup`");
        return;
    };
    for (more, is_allowed) in [("", false), (" +config|get", true)] {
        let user = format!("{}{more} >secret\n{ADMIN}\n{DEFAULT}\n", INGEST.trim_end());
        let redis = RedisServer::builder()
            .binary(&binary)
            .acl(&user)
            .append_only(true)
            .config("appendfsync", "always")
            .start()
            .await;
        let store = crate::support::store(&redis.url_as("vote-ingest", "secret"));
        let checked = Durability::Fsync.check(&store).await;
        match checked {
            Ok(()) => assert!(is_allowed),
            Err(error) => assert!(
                !is_allowed && error.to_string().contains("allow our user +config|get"),
                "{error}"
            ),
        }
    }
}
