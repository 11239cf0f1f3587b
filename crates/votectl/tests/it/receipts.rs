//! `votectl receipt verify` against a Redis without TLS: with a key of its own, and of repeats.

use crate::support::{
    PATIENCE, fails, json, opened, poll_file, run, service, vote, vote_with, votectl,
};
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
        is_repeat: false,
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

#[tokio::test]
async fn a_repeats_receipt_is_counted_like_the_first_one_also_after_sealing() {
    let (server, _dir, _file) = opened().await;
    let (_service, address) = service("vote-ingest", &server).await;
    let mut receipts = Vec::new();
    for expected in [201, 200, 200] {
        let key = "idempotency-key: k\r\n";
        let (status, answer) = vote_with(address, "paredao-01", key).await;
        assert_eq!(status, expected, "{answer}");
        receipts.push(answer["receipt"].as_str().expect("it is text").to_owned());
    }
    for sealed in [false, true] {
        if sealed {
            json(&server, "poll close paredao-01 --yes").await;
            json(&server, "poll seal paredao-01 --now --yes").await;
        }
        for (sequence, receipt) in (1..).zip(&receipts) {
            let found = json(&server, &format!("receipt verify {receipt}")).await;
            assert_eq!(
                (&found["counted"], &found["sealed"], &found["sequence"]),
                (&true.into(), &sealed.into(), &sequence.into())
            );
        }
    }
    let audit = json(&server, "audit paredao-01").await;
    assert_eq!(
        (&audit["passed"], &audit["total"]),
        (&true.into(), &1.into())
    );
}

#[tokio::test]
async fn a_result_that_a_lost_sealing_left_on_a_void_poll_says_nothing_of_a_receipt() {
    let (server, _dir, _file) = opened().await;
    let (_service, address) = service("vote-ingest", &server).await;
    let answer = vote(address, "paredao-01").await;
    let receipt = answer["receipt"].as_str().expect("it is text");
    json(&server, "poll close paredao-01 --yes").await;
    let mut redis = server.connection().await;
    let document = "vote:poll:paredao-01";
    let mut get = redis::cmd("GET");
    let closed: String = get
        .arg(document)
        .query_async(&mut redis)
        .await
        .expect("it is there");
    json(&server, "poll seal paredao-01 --now --yes").await;
    // The sealing has come as far as its result, and `poll void` was quicker with the document.
    let mut set = redis::cmd("SET");
    let set = set.arg(document).arg(&closed);
    set.exec_async(&mut redis).await.expect("set");
    json(&server, "poll void paredao-01 --yes").await;
    let verify = format!("receipt verify {receipt}");
    let found = json(&server, &verify).await;
    assert_eq!(
        (&found["counted"], &found["sealed"]),
        (&true.into(), &false.into())
    );
    let said = run(&server, &verify).await.stdout();
    assert!(said.contains("counted: the ledger holds"), "{said}");
    // Of a poll that is gone nothing else is left to look at.
    let mut del = redis::cmd("DEL");
    let gone = del.arg(document).exec_async(&mut redis).await;
    gone.expect("gone");
    let found = json(&server, &verify).await;
    assert_eq!(
        (&found["counted"], &found["sealed"]),
        (&true.into(), &true.into())
    );
}
