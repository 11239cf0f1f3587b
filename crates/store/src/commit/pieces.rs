//! Tests of `commit.lua` with more checked votes than it looks up at once: what it writes in pieces.

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, RedisResult};
use vote_domain::{KeyDigest, WriterId};
use vote_testkit::RedisServer;
use vote_testkit::fixtures::demo_poll;

use super::batch::{Batch, CheckedVote};
use super::call::{Call, Mode};
use super::target::Target;
use crate::script::COMMIT;

const WRITER: WriterId = WriterId::from_bytes([1; 8]);
const VOTES: u16 = 300;
/// These repeat the key of a vote of an earlier piece, and of one of their own; one of each kind is for somebody else.
const REPEATS: [(usize, usize, u8, char); 4] = [
    (200, 5, 0, 'd'),
    (201, 130, 0, 'd'),
    (290, 6, 1, 'm'),
    (299, 280, 1, 'm'),
];

fn target() -> Target {
    let mut target = Target::new(&demo_poll().draft(), 0, 60_000);
    // Many keys share their field of `seen` with one of another piece, or of the same.
    target.remembered = target.remembered.among(128);
    target
}

/// Votes with a key each, but for [`REPEATS`].
fn batch() -> Batch {
    let mut batch = Batch::starting(1_000);
    for number in 0..VOTES {
        let mut bytes = [7; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        batch.checked.push(CheckedVote {
            channel: 0,
            candidate: 0,
            key: Some(KeyDigest::from_bytes(bytes)),
            voter: None,
            is_withdrawn: false,
            quarantine: None,
        });
    }
    for (at, of, candidate, _) in REPEATS {
        batch.checked[at] = CheckedVote {
            candidate,
            ..batch.checked[of]
        };
    }
    batch
}

async fn server() -> (RedisServer, MultiplexedConnection) {
    let redis = RedisServer::start().await;
    let mut connection = redis.connection().await;
    COMMIT.load(&mut connection).await.expect("it is loaded");
    let fence = [("state", "open"), ("opens_at", "0"), ("closes_at", "9e15")];
    let () = connection
        .hset_multiple(target().keys.state(), &fence)
        .await
        .expect("a fence");
    (redis, connection)
}

async fn send(connection: &mut MultiplexedConnection, sequence: u64) -> RedisResult<String> {
    let batch = batch();
    let call = Call::new(WRITER, sequence, Mode::Live, &batch);
    call.command(&target()).query_async(connection).await
}

#[tokio::test]
async fn votes_of_several_pieces_are_each_counted_once_and_their_keys_expire() {
    let (_redis, mut connection) = server().await;
    let mut expected = vec!['a'; usize::from(VOTES)];
    for (at, _, _, letter) in REPEATS {
        expected[at] = letter;
    }
    let expected: String = expected.into_iter().collect();
    let reply = send(&mut connection, 1).await.expect("it is judged");
    assert_eq!(reply, format!("A{expected}"));
    // All again: of each key its vote is known.
    let expected = expected.replace('a', "d");
    let reply = send(&mut connection, 2).await.expect("it is judged");
    assert_eq!(reply, format!("A{expected}"));
    let votes = usize::from(VOTES) - REPEATS.len();
    let keys = target().keys;
    let tally: Vec<usize> = connection.hvals(keys.tally()).await.expect("a tally");
    assert_eq!(tally, [votes]);
    let records: Vec<Vec<u8>> = connection.hvals(keys.seen()).await.expect("records");
    assert_eq!(records.iter().map(Vec::len).sum::<usize>(), votes * 16);
    let expires_in: i64 = connection.pttl(keys.seen()).await.expect("a time");
    assert!(expires_in > 0, "{expires_in}");
}

#[tokio::test]
async fn where_a_key_is_of_another_type_no_piece_is_written() {
    let (_redis, mut connection) = server().await;
    let keys = target().keys;
    let minute = keys.minutes(0);
    for key in [
        keys.tally(),
        minute,
        keys.writers(),
        keys.replies(),
        keys.ended(),
    ] {
        let () = connection.set(&key, "of another type").await.expect("set");
        let error = send(&mut connection, 1).await.expect_err(&key);
        assert_eq!(error.code(), Some("WRONGTYPE"), "{key}: {error}");
        let left: Vec<String> = connection.keys("*").await.expect("keys");
        let fence = keys.state();
        assert!(
            left.iter().all(|name| [&key, &fence].contains(&name)),
            "{key}: {left:?}"
        );
        let () = connection.del(&key).await.expect("deleted");
    }
    assert!(send(&mut connection, 1).await.is_ok());
}

#[tokio::test]
async fn a_full_server_takes_no_piece() {
    let (redis, mut connection) = server().await;
    let limit = |bytes: &'static str| {
        let mut command = redis::cmd("CONFIG");
        command.arg(&["SET", "maxmemory", bytes]);
        command
    };
    let mut operator = redis.connection().await;
    let () = limit("1").query_async(&mut operator).await.expect("full");
    let error = send(&mut connection, 1).await.expect_err("it is full");
    assert_eq!(error.code(), Some("OOM"), "{error}");
    let left: Vec<String> = connection.keys("*").await.expect("keys");
    assert_eq!(left, [target().keys.state()]);
    let () = limit("0").query_async(&mut operator).await.expect("room");
    assert!(send(&mut connection, 1).await.is_ok());
}
