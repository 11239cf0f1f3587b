//! What was sent is compared with the tally, and what was refused is said.

use super::{begun, ingest, report};
use crate::support::{PATIENCE, fails, json, poll_file, run, vote};
use vote_testkit::{Exit, RedisServer};

#[tokio::test]
async fn a_load_reconciles_to_the_vote() {
    let server = RedisServer::start().await;
    let (mut service, address) = ingest(&server).await;
    let report = json(
        &server,
        &format!("load --poll paredao-01 --url http://{address} --rate 2000 --votes 2000"),
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
        .map(|line| {
            line.split(',')
                .nth(9)
                .expect("it is there")
                .parse::<u64>()
                .expect("it can be parsed")
        })
        .sum();
    assert_eq!(votes, 2_000);
    let exit = service.stop(PATIENCE).await;
    assert_eq!(exit.code(), Some(0), "{}{}", exit.stdout(), exit.stderr());
}

#[tokio::test]
async fn votes_in_a_closed_poll_are_refused_and_the_load_says_so() {
    let server = RedisServer::start().await;
    let (_service, address) = ingest(&server).await;
    json(&server, "poll close paredao-01 --yes").await;
    // The service learns of it within a second; until then it refuses no vote, and counts none either.
    let exit = run(
        &server,
        &format!(
            "load --url http://{address} --poll paredao-01 --votes 50 --rate 100 --output json"
        ),
    )
    .await;
    let report: serde_json::Value = serde_json::from_str(&exit.stdout()).expect("it is JSON");
    assert_eq!(
        (exit.code(), &report["accepted"]),
        (Some(1), &0.into()),
        "{report}"
    );
    assert_eq!(report["refused"], 50, "{report}");
    assert!(
        report["errors"][0]["error"]
            .as_str()
            .expect("it is text")
            .starts_with("410"),
        "{report}"
    );
}

#[tokio::test]
async fn two_generators_at_once_reconcile_jointly_and_neither_calls_the_others_votes_a_difference()
{
    let server = RedisServer::start().await;
    let (_service, address) = ingest(&server).await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (one, two) = (file("one.json"), file("two.json"));
    let load = |votes: u32, part: &str| {
        format!("--poll paredao-01 --url http://{address} --rate 400 --votes {votes} --part {part}")
    };
    let mut first = begun(&server, &load(800, &one)).await;
    let mut second = begun(&server, &load(400, &two)).await;
    let (first, second) = tokio::join!(first.wait(PATIENCE), second.wait(PATIENCE));
    for (exit, votes) in [(&first, 800), (&second, 400)] {
        assert_eq!(
            (exit.code(), &report(exit)["accepted"]),
            (Some(0), &votes.into()),
            "{exit:?}"
        );
    }
    let merged = json(&server, &format!("load merge {one} {two}")).await;
    for (figure, count) in [
        ("parts", 2),
        ("accepted", 1_200),
        ("votes", 1_200),
        ("rate", 800),
    ] {
        assert_eq!(merged[figure], count, "{figure}: {merged}");
    }
    assert_eq!(merged["latency_us"]["count"], 1_200);
    assert_eq!(merged["reconciliation"]["finding"], "reconciled");
    let p99 = |exit: &Exit| report(exit)["latency_us"]["p99"].as_u64();
    let joint = merged["latency_us"]["p99"].as_u64();
    assert!(joint >= p99(&first).min(p99(&second)) && joint <= p99(&first).max(p99(&second)));

    // A part that is missing is a difference, and so is a limit that was not kept.
    let said = fails(&server, &format!("load merge {one}"), 1).await;
    assert!(said.contains("the tally differs"), "{said}");
    let limit = format!("load merge {one} {two} --min-rate 1000000");
    assert!(
        fails(&server, &limit, 1)
            .await
            .contains("--min-rate is 1000000")
    );
    let said = fails(&server, &format!("load merge {one} {two} {one}"), 2).await;
    assert!(said.contains("parts of the same run"), "{said}");
    let said = fails(&server, &format!("load {}", load(1, &one)), 2).await;
    assert!(said.contains("a part is never overwritten"), "{said}");
    let other = std::fs::read_to_string(&two).expect("the part is there");
    std::fs::write(&two, other.replace("paredao-01", "paredao-02")).expect("it can be written");
    let said = fails(&server, &format!("load merge {one} {two}"), 2).await;
    assert!(said.contains("merge the parts of one poll"), "{said}");
    std::fs::write(&two, "").expect("it can be written");
    let said = fails(&server, &format!("load merge {one} {two}"), 2).await;
    assert!(said.contains("two.json: is empty"), "{said}");
}

#[tokio::test]
async fn stages_follow_each_other_and_a_limit_that_was_not_kept_is_exit_1() {
    let server = RedisServer::start().await;
    let (_service, address) = ingest(&server).await;
    let line = format!("load --poll paredao-01 --url http://{address} --stages 100:1s,500:1s");
    let kept = json(
        &server,
        &format!("{line} --min-rate 1 --max-p99 10m --max-errors 0%"),
    )
    .await;
    assert_eq!(
        (&kept["accepted"], &kept["rate"]),
        (&600.into(), &300.into()),
        "{kept}"
    );
    let exit = run(&server, &format!("{line} --min-rate 301 --max-p99 1us")).await;
    assert_eq!(exit.code(), Some(1), "{exit:?}");
    let said = exit.stderr();
    assert!(said.contains("--min-rate is 301"), "{said}");
    assert!(said.contains("--max-p99 is 1"), "{said}");
    assert!(
        exit.stdout().contains("reconciled  to the vote"),
        "{exit:?}"
    );
}

#[tokio::test]
async fn without_a_poll_only_those_that_take_votes_now_can_be_meant() {
    let server = RedisServer::start().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = poll_file(dir.path());
    let text = std::fs::read_to_string(&file).expect("the file can be read");
    let rehearsal = text.replace("kind: live", "kind: rehearsal");
    for id in ["ensaio-01", "paredao-01", "smoke-01", "smoke-02"] {
        std::fs::write(&file, rehearsal.replace("paredao-01", id))
            .expect("the file can be written");
        json(&server, &format!("poll apply {file}")).await;
        json(&server, &format!("poll open {id}")).await;
    }
    json(&server, "poll close smoke-01 --yes").await;
    json(&server, "poll seal smoke-01 --now --yes").await;
    json(&server, "poll pause smoke-02").await;
    let said = fails(&server, "load --votes 1", 2).await;
    assert!(
        said.contains("name one of: ensaio-01, paredao-01\n"),
        "{said}"
    );
    for id in ["ensaio-01", "paredao-01"] {
        json(&server, &format!("poll close {id} --yes")).await;
    }
    std::fs::write(&file, text.replace("paredao-01", "final-01")).expect("the file can be written");
    json(&server, &format!("poll apply {file}")).await;
    json(&server, "poll open final-01").await;
    let said = fails(&server, "load --votes 1", 2).await;
    assert!(
        said.contains("votes in a live poll count") && said.contains("final-01"),
        "{said}"
    );
    json(&server, "poll close final-01 --yes").await;
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
    let receipt = answer["receipt"].as_str().expect("it is text");
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
    json(&server, "poll close paredao-01 --yes").await;
    json(&server, "poll seal paredao-01 --now --yes").await;
    assert_eq!(json(&server, &verify).await["sealed"], true);
}
