//! Commands while the slots of a cluster move from master to master, in each of the ways in which servers move them.

use crate::support::{PATIENCE, poll_file, service_at, vote, votectl};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use vote_testkit::{RedisCluster, eventually, redis_server_8_4, valkey_server_9};

const POLL: &str = "paredao-01";
const SHARDS: usize = 4;

/// More moves than this are made before a command is given, and again before it may count as given meanwhile.
const MOVES: usize = 2;

#[derive(Debug, Clone, Copy)]
enum By {
    /// Key by key, as every server can.
    Keys,
    /// Valkey's `CLUSTER MIGRATESLOTS`.
    Source,
    /// Redis' `CLUSTER MIGRATION IMPORT`.
    Target,
}

/// Runs the command to its end, which must be a good one; gives what it says.
async fn run(redis: &str, line: &str) -> String {
    let command = votectl().args(["--redis", redis]).args(line.split(' '));
    let exit = command.spawn().wait(PATIENCE).await;
    let said = format!("{line}: {}{}", exit.stdout(), exit.stderr());
    assert_eq!(exit.code(), Some(0), "{said}");
    exit.stdout()
}

/// The slots of the poll's document and of its shards.
async fn slots(redis: &RedisCluster) -> Vec<u16> {
    let mut slots = vec![redis.slot_of(&format!("vote:poll:{POLL}")).await];
    for shard in 0..SHARDS {
        slots.push(redis.slot_of(&format!("{{{POLL}/{shard}}}")).await);
    }
    slots.sort_unstable();
    slots.dedup();
    slots
}

/// Moves the slots round and round, and counts. It ends between two moves.
async fn move_until(
    is_over: &AtomicBool,
    redis: &RedisCluster,
    slots: &[u16],
    by: By,
    moved: &AtomicUsize,
) {
    loop {
        for slot in slots {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let to = (redis.owner_of(*slot).await + 1) % 3;
            match by {
                By::Keys => redis.move_slot(*slot, to).await,
                By::Source => redis.migrate_slot(*slot, to).await,
                By::Target => redis.import_slot(*slot, to).await,
            }
            moved.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A whole evening of an operator.
async fn an_evening(redis: &RedisCluster, by: By) {
    let url = redis.url();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let poll = poll_file(dir.path());
    let text = std::fs::read_to_string(&poll).expect("it is there");
    let text = text.replace("shards: 1", &format!("shards: {SHARDS}"));
    std::fs::write(&poll, text).expect("it can be written");
    run(&url, &format!("poll apply {poll}")).await;
    run(&url, &format!("poll open {POLL}")).await;
    let (_ingest, address) = service_at("vote-ingest", &url).await;
    for _ in 0..20 {
        vote(address, POLL).await;
    }
    let slots = slots(redis).await;
    assert!(slots.len() > 2, "the shards are spread");
    let (moved, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let file = dir.path().join("backup.json");
    let commands = async {
        for line in [
            format!("audit {POLL}"),
            format!("poll pause {POLL}"),
            format!("poll resume {POLL}"),
            format!("poll journal {POLL}"),
            format!("export {POLL} --what backup --file {}", file.display()),
            "poll list".to_owned(),
            "doctor".to_owned(),
            format!("poll close {POLL} --yes"),
            format!("poll seal {POLL} --now --yes"),
            format!("audit {POLL}"),
        ] {
            let before = moved.load(Ordering::Relaxed);
            eventually(PATIENCE, || async {
                moved.load(Ordering::Relaxed) >= before + MOVES
            })
            .await;
            run(&url, &line).await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(commands, move_until(&is_over, redis, &slots, by, &moved));
    redis.wait_until_ok().await;
    let audit = run(&url, &format!("audit {POLL} --output json")).await;
    let audit: Value = serde_json::from_str(&audit).expect("it is JSON");
    assert_eq!(audit["passed"], true, "{audit}");
    assert_eq!(audit["total"], 20, "{audit}");
    assert!(file.is_file());
}

#[tokio::test]
async fn every_command_gets_through_while_slots_move_key_by_key() {
    let redis = RedisCluster::builder().append_only(true).start().await;
    an_evening(&redis, By::Keys).await;
}

#[tokio::test]
async fn every_command_gets_through_while_valkey_moves_slots() {
    let Some(valkey) = valkey_server_9() else {
        println!("left out: no Valkey 9, see `make setup`");
        return;
    };
    let redis = RedisCluster::builder().binary(valkey).append_only(true);
    an_evening(&redis.start().await, By::Source).await;
}

#[tokio::test]
async fn every_command_gets_through_while_redis_moves_slots() {
    let Some(program) = redis_server_8_4() else {
        println!("left out: no Redis 8.4, which VOTE_TEST_NEWER_REDIS may name");
        return;
    };
    let redis = RedisCluster::builder().binary(program).append_only(true);
    an_evening(&redis.start().await, By::Target).await;
}
