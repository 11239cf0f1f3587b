//! Two operators at once, as two commands: each vote has one fate, each annulment is there once, and the figures agree.

use crate::support::{json, opened, run, service, service_with, vote, vote_with};
use serde_json::{Value, json as value};
use vote_domain::{Clock as _, Minute, wire_time};
use vote_runtime::SystemClock;
use vote_testkit::RedisServer;

const POLL: &str = "paredao-01";
const SUSPECT: [(&str, &str); 2] = [
    ("VOTE__SUSPICION__THRESHOLD", "100"),
    ("VOTE__SUSPICION__CLIENT_FIELDS_POINTS", "100"),
];

/// Runs a command until nobody was quicker, as its operator does. Gives its JSON.
pub(crate) async fn insisting(server: &RedisServer, line: &str) -> Value {
    loop {
        let exit = run(server, &format!("{line} --output json")).await;
        if exit.code() == Some(0) {
            return serde_json::from_str(&exit.stdout()).expect("JSON");
        }
        let said = exit.stderr();
        let was_slower = ["changed meanwhile", "newer revision", "reads back as"];
        assert!(
            exit.code() == Some(1) && was_slower.iter().any(|part| said.contains(part)),
            "{line}: {said}"
        );
    }
}

async fn audit(server: &RedisServer) -> Value {
    let audit = json(server, &format!("audit {POLL}")).await;
    assert_eq!(audit["passed"], true, "{audit}");
    audit
}

#[tokio::test]
async fn commands_that_decide_of_the_same_votes_at_once_give_each_one_fate() {
    const VOTES: u64 = 40;
    let (server, _dir, _file) = opened().await;
    let (_strict, strict) = service_with("vote-ingest", &server.url(), &SUSPECT).await;
    for number in 0..VOTES {
        let key = format!("idempotency-key: suspect-{number}\r\n");
        let (status, _) = vote_with(strict, POLL, &key).await;
        assert_eq!(status, 201);
    }
    let decide = |what: &str| {
        format!(
            "quarantine {what} {POLL} --reason client_fields --reason deny_list --why live --yes"
        )
    };
    let (release, annul) = (decide("release"), decide("annul"));
    let (one, two, three) = tokio::join!(
        insisting(&server, &release),
        insisting(&server, &annul),
        insisting(&server, &release),
    );
    let votes = |answer: &Value| answer["votes"].as_u64().expect("a figure");
    let (released, annulled) = (votes(&one) + votes(&three), votes(&two));
    assert_eq!(released + annulled, VOTES);
    let shown = json(&server, &format!("quarantine show {POLL}")).await;
    let row = value!({
        "reason": "client_fields", "channel": "torcida", "candidate": "ana",
        "undecided": 0, "released": released, "annulled": annulled,
    });
    assert_eq!(shown["votes"], value!([row]));
    assert_eq!(audit(&server).await["total"], released);
}

#[tokio::test]
async fn commands_that_annul_and_take_back_at_once_are_all_done_and_sealing_takes_one_of_them_or_none()
 {
    let (server, _dir, _file) = opened().await;
    let (_ingest, ingest) = service("vote-ingest", &server).await;
    for _ in 0..5 {
        vote(ingest, POLL).await;
    }
    let until = Minute::from_timestamp(SystemClock.now()).next().start();
    let window = |minutes: i64| {
        let from = until - jiff::SignedDuration::from_mins(minutes);
        let (from, until) = (wire_time::format(from), wire_time::format(until));
        format!("annul {POLL} --from {from} --until {until} --reason robots --yes")
    };
    let (first, second) = (window(10), window(20));
    json(&server, &first).await;
    let take_back = format!("annul {POLL} --take-back 1 --reason engano --yes");
    let (_, _, _) = tokio::join!(
        insisting(&server, &second),
        insisting(&server, &take_back),
        insisting(&server, &second),
    );
    let list = json(&server, &format!("annul {POLL} --list")).await;
    let list = list["annulments"].as_array().expect("a list");
    let stands = |one: &Value| one.get("taken_back_at").is_none();
    let standing: Vec<bool> = list.iter().map(stands).collect();
    assert_eq!(standing, [false, true], "{list:?}");
    assert_eq!(audit(&server).await["annulled"], 5);

    // One takes it back, the other seals: what the first was told is what the result says.
    json(&server, &format!("poll close {POLL} --yes")).await;
    let take_back = format!("annul {POLL} --take-back 2 --reason engano --yes");
    let seal = format!("poll seal {POLL} --now --yes");
    let (taken, sealing) = tokio::join!(run(&server, &take_back), run(&server, &seal));
    if sealing.stderr().contains("was taken back") {
        // It came after the result, and was told that it is too late.
        assert_eq!(taken.code(), Some(1), "{}", taken.stderr());
        run(&server, &second).await;
    }
    let sealed = insisting(&server, &seal).await;
    let total = sealed["standing"]["total_votes"].as_u64();
    match taken.code() {
        Some(0) => assert_eq!(total, Some(5), "{}", taken.stdout()),
        _ => assert!([Some(0), Some(5)].contains(&total), "{}", taken.stderr()),
    }
    assert_eq!(audit(&server).await["total"], 5);
}
