//! `votectl receipt verify` with a key of its own, against a Redis without TLS.

use crate::support::{PATIENCE, fails, json, poll_file, run, votectl};
use vote_domain::{PollId, Receipt, ReceiptKey, WriterId, wire_time};
use vote_testkit::RedisServer;

const KEY: [u8; 32] = [0xab; 32];

fn receipt() -> String {
    let receipt = Receipt {
        poll: PollId::parse("paredao-01").expect("the id is right"),
        writer: WriterId::from_bytes([1; 8]),
        shard: 0,
        sequence: 1,
        place: 0,
        at: wire_time::parse("2026-11-24T01:02:03Z").expect("the time is right"),
    };
    receipt.sign(&ReceiptKey::from_bytes(KEY))
}

#[tokio::test]
async fn a_receipt_is_verified_with_the_key_in_a_file() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    json(&server, &format!("poll apply {}", poll_file(dir.path()))).await;
    let key = dir.path().join("key");
    std::fs::write(&key, format!("{}\n", "ab".repeat(32))).expect("the file can be written");
    let verify = format!("receipt verify {}", receipt());
    let missing = fails(&server, &verify, 2).await;
    assert!(missing.contains("give --key-file"), "{missing}");
    let by_option = run(&server, &format!("{verify} --key-file {}", key.display())).await;
    let by_setting = votectl()
        .env("VOTE__RECEIPTS__KEY_FILE", &key)
        .args(["--redis", &server.url()])
        .args(verify.split(' '))
        .spawn()
        .wait(PATIENCE)
        .await;
    for exit in [by_option, by_setting] {
        // Genuine, and of a batch that nobody has written.
        assert!(
            exit.stdout()
                .starts_with("genuine: a vote in poll paredao-01"),
            "{}{}",
            exit.stdout(),
            exit.stderr()
        );
        assert_eq!(exit.code(), Some(1));
        assert!(
            exit.stderr().contains("not in the tally"),
            "{}",
            exit.stderr()
        );
    }
}
