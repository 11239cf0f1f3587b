//! `votectl load` against a real ingest service.

use crate::support::{PATIENCE, fails, json, poll_file, run, service, vote};
use std::net::SocketAddr;
use vote_testkit::{ChildProcess, RedisServer};

/// An ingest service on this Redis, ready to take votes in the demo poll.
async fn ingest(server: &RedisServer) -> (ChildProcess, SocketAddr) {
    let dir = tempfile::tempdir().unwrap();
    json(server, &format!("poll apply {}", poll_file(dir.path()))).await;
    json(server, "poll open paredao-01").await;
    service("vote-ingest", server).await
}

#[tokio::test]
async fn a_load_reconciles_to_the_vote() {
    let server = RedisServer::start().await;
    let (mut service, address) = ingest(&server).await;
    let report = json(
        &server,
        &format!("load --url http://{address} --rate 2000 --votes 2000"),
    )
    .await;
    assert_eq!(report["accepted"], 2_000);
    assert_eq!(report["reconciliation"]["finding"], "reconciled");
    assert_eq!(report["latency_us"]["count"], 2_000);
    let audit = json(&server, "audit paredao-01").await;
    assert_eq!(
        (&audit["total"], &audit["passed"]),
        (&2_000.into(), &true.into())
    );
    let export = run(&server, "export paredao-01").await.stdout();
    let votes: u64 = export
        .lines()
        .skip(1)
        .take(4)
        .map(|line| line.split(',').nth(9).unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(votes, 2_000);
    let exit = service.stop(PATIENCE).await;
    assert_eq!(exit.code(), Some(0), "{}{}", exit.stdout(), exit.stderr());
}

#[tokio::test]
async fn votes_in_a_closed_poll_are_refused_and_the_load_says_so() {
    let server = RedisServer::start().await;
    let (_service, address) = ingest(&server).await;
    json(&server, "poll close paredao-01").await;
    // The service learns of it within a second; until then it refuses no vote, and counts none either.
    let exit = run(
        &server,
        &format!(
            "load --url http://{address} --poll paredao-01 --votes 50 --rate 100 --output json"
        ),
    )
    .await;
    let report: serde_json::Value = serde_json::from_str(&exit.stdout()).unwrap();
    assert_eq!(
        (exit.code(), &report["accepted"]),
        (Some(1), &0.into()),
        "{report}"
    );
    assert_eq!(report["refused"], 50, "{report}");
    assert!(
        report["errors"][0]["error"]
            .as_str()
            .unwrap()
            .starts_with("410"),
        "{report}"
    );
}

#[tokio::test]
async fn without_a_poll_only_those_that_take_votes_now_can_be_meant() {
    let server = RedisServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = poll_file(dir.path());
    let text = std::fs::read_to_string(&file).unwrap();
    for id in ["ensaio-01", "paredao-01", "smoke-01", "smoke-02"] {
        std::fs::write(&file, text.replace("paredao-01", id)).unwrap();
        json(&server, &format!("poll apply {file}")).await;
        json(&server, &format!("poll open {id}")).await;
    }
    json(&server, "poll close smoke-01").await;
    json(&server, "poll seal smoke-01 --now --yes").await;
    json(&server, "poll pause smoke-02").await;
    let said = fails(&server, "load --votes 1", 2).await;
    assert!(
        said.contains("name one of: ensaio-01, paredao-01\n"),
        "{said}"
    );
    for id in ["ensaio-01", "paredao-01"] {
        json(&server, &format!("poll close {id}")).await;
    }
    let said = fails(&server, "load --votes 1", 2).await;
    for there in [
        "paredao-01 (closed)",
        "smoke-01 (sealed)",
        "smoke-02 (paused)",
    ] {
        assert!(said.contains(there), "{said}");
    }
}

#[tokio::test]
async fn a_receipt_is_genuine_and_counted_also_after_sealing_and_a_changed_one_is_not() {
    let server = RedisServer::start().await;
    let (_service, address) = ingest(&server).await;
    let answer = vote(address, "paredao-01").await;
    let receipt = answer["receipt"].as_str().unwrap();
    let verify = format!("receipt verify {receipt}");
    let found = json(&server, &verify).await;
    assert_eq!(
        (&found["genuine"], &found["counted"], &found["sealed"]),
        (&true.into(), &true.into(), &false.into())
    );
    assert_eq!(found["accepted_at"], answer["accepted_at"]);
    let end = if receipt.ends_with('A') { "Q" } else { "A" };
    let forged = format!("{}{end}", &receipt[..receipt.len() - 1]);
    fails(&server, &format!("receipt verify {forged}"), 1).await;
    json(&server, "poll close paredao-01").await;
    json(&server, "poll seal paredao-01 --now --yes").await;
    assert_eq!(json(&server, &verify).await["sealed"], true);
}
