//! Channels that ask for a proof of work.

use std::sync::Arc;

use futures_util::future::join_all;
use jiff::SignedDuration;
use reqwest::StatusCode;
use serde_json::{Value, json};
use vote_domain::{Poll, PollDefinition, Transition};
use vote_testkit::eventually;

use crate::app::{Ahead, Answer, App, DEADLINE, POLL, Show, ago, definition, now};

fn json_of(proof: &str) -> Value {
    let bytes = data_encoding::BASE64
        .decode(proof.as_bytes())
        .expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn proof_of(json: &Value) -> String {
    data_encoding::BASE64.encode(json.to_string().as_bytes())
}

/// The poll of the tests in more shards.
async fn show_of(shards: u16) -> Show {
    let mut file = serde_json::to_value(definition(ago(60), ago(-3_600))).expect("JSON");
    file["shards"] = shards.into();
    let definition = PollDefinition::parse_json(file.to_string().as_bytes()).expect("legal");
    Show::with(definition, Some(Transition::Open)).await
}

#[tokio::test]
async fn a_challenge_is_one_of_the_protocol_and_kept_by_nobody() {
    let show = Show::open().await;
    let app = show.app().await;
    let answer = app.challenge("prova", None).await;
    assert_eq!(answer.status, StatusCode::OK);
    // The widget takes nothing else.
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let parameters = &answer.body["parameters"];
    assert_eq!(parameters["algorithm"], "PBKDF2/SHA-256");
    assert_eq!(
        (&parameters["keyLength"], &parameters["cost"]),
        (&json!(32), &json!(1_000))
    );
    let asked = &parameters["data"]["asked"];
    let millis: i64 = asked.as_str().expect("a text").parse().expect("a number");
    let before = now().as_millisecond() - millis;
    assert!((0..60_000).contains(&before), "{before}");
    assert_eq!(
        parameters["data"],
        json!({ "asked": asked, "channel": "prova", "poll": POLL })
    );
    let lives = parameters["expiresAt"].as_i64().expect("a time") - now().as_second();
    assert!((80..=90).contains(&lives), "{lives}");
    let keyed = app.challenge("prova", Some("k")).await;
    assert_eq!(
        keyed.body["parameters"]["data"]["key"]
            .as_str()
            .map(str::len),
        Some(32)
    );
    assert!(!keyed.body.to_string().contains("\"k\""));
    assert_ne!(keyed.body["parameters"]["nonce"], parameters["nonce"]);
    assert_eq!(
        app.challenge("torcida", None).await.code(),
        "no-proof-asked"
    );
    assert_eq!(app.challenge("x", None).await.code(), "unknown-channel");
    assert_eq!(
        app.challenge("prova&x=1", None).await.code(),
        "invalid-query"
    );
    assert_eq!(
        app.challenge("prova", Some("two words")).await.code(),
        "invalid-idempotency-key"
    );
}

#[tokio::test]
async fn a_vote_without_a_proof_is_told_where_to_get_one() {
    let show = Show::open().await;
    let app = show.app().await;
    let answer = app
        .send(json!({ "candidate": "ana", "channel": "prova" }))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (403, "proof-required")
    );
    assert_eq!(answer.body["eligibility"], "proof_of_work");
    let path = answer.body["challenge"].as_str().expect("a path");
    let challenge = Answer::of(app.client.get(format!("{}{path}", app.url))).await;
    assert!(challenge.body["signature"].is_string(), "{challenge:?}");
    assert!(answer.detail().contains("Idempotency-Key"), "{answer:?}");
    assert_eq!(show.total().await, 0);
}

#[tokio::test]
async fn a_proof_without_a_key_is_one_vote_from_any_process_in_any_form() {
    let show = show_of(4).await;
    let (one, other) = (show.app().await, show.app().await);
    let proof = one.proof("prova", None).await;
    let mut again = json_of(&proof);
    again["solution"]["time"] = json!(7);
    let again = proof_of(&again);
    assert_ne!(proof, again);
    let votes = (0..20).map(|n| {
        let app = if n % 2 == 0 { &one } else { &other };
        app.prove("ana", None, if n % 3 == 0 { &again } else { &proof })
    });
    let answers = join_all(votes).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.is_accepted()).count(),
        1,
        "{answers:?}"
    );
    assert_eq!(
        answers.iter().filter(|answer| answer.is_repeat()).count(),
        19,
        "{answers:?}"
    );
    let spent = other.prove("bia", None, &proof).await;
    assert_eq!((spent.status.as_u16(), spent.code()), (422, "proof-used"));
    let keyed = other.prove("ana", Some("k"), &proof).await;
    assert_eq!(
        (keyed.status.as_u16(), keyed.code()),
        (422, "proof-mismatch")
    );
    assert!(
        keyed.detail().contains("without an Idempotency-Key"),
        "{keyed:?}"
    );
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn a_vote_with_a_key_is_one_vote_with_whichever_proof_for_that_key() {
    let show = show_of(4).await;
    let (one, other) = (show.app().await, show.app().await);
    let proof = one.proof("prova", Some("k")).await;
    assert!(one.prove("ana", Some("k"), &proof).await.is_accepted());
    assert!(other.prove("ana", Some("\"k\""), &proof).await.is_repeat());
    let newer = other.proof("prova", Some("k")).await;
    assert_ne!(newer, proof);
    assert!(other.prove("ana", Some("k"), &newer).await.is_repeat());
    assert_eq!(
        other.prove("bia", Some("k"), &newer).await.code(),
        "idempotency-key-reused"
    );
    for (key, says) in [
        (Some("other"), "another Idempotency-Key"),
        (None, "the vote has none"),
    ] {
        let answer = one.prove("ana", key, &proof).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (422, "proof-mismatch")
        );
        assert!(answer.detail().contains(says), "{answer:?}");
    }
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn a_proof_that_has_expired_is_none_and_a_newer_one_for_its_key_is_the_same_vote() {
    let show = Show::open().await;
    let app = show.app().await;
    let proof = app.proof("prova", Some("k")).await;
    assert!(app.prove("ana", Some("k"), &proof).await.is_accepted());
    // Nine seconds ahead is as far as clocks may be apart.
    let later = App::start_by(
        Arc::new(Ahead(SignedDuration::from_secs(9))),
        &show.redis.url(),
        &[("VOTE__PROOF__LIFETIME_S", "1")],
    )
    .await;
    let behind = show.app_with(&[("VOTE__PROOF__LIFETIME_S", "5")]).await;
    let old = behind.proof("prova", Some("k")).await;
    eventually(DEADLINE, || async {
        later.prove("ana", Some("k"), &proof).await.is_repeat()
    })
    .await;
    let expired = later.prove("ana", Some("k"), &old).await;
    assert_eq!(
        (expired.status.as_u16(), expired.code()),
        (422, "proof-expired")
    );
    assert!(
        expired.detail().contains("with the same Idempotency-Key"),
        "{expired:?}"
    );
    let newer = app.proof("prova", Some("k")).await;
    assert!(later.prove("ana", Some("k"), &newer).await.is_repeat());
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn a_proof_of_another_poll_or_channel_is_none() {
    let show = Show::open().await;
    let mut file = serde_json::to_value(definition(ago(60), ago(-3_600))).expect("JSON");
    file["id"] = "paredao-02".into();
    file["channels"][0]["eligibility"] = "proof_of_work".into();
    let definition = PollDefinition::parse_json(file.to_string().as_bytes()).expect("legal");
    let other = Poll::draft(definition, now(), "test");
    show.operator.save(&other, 0).await.expect("saved");
    let open = other
        .transition(Transition::Open, now(), "test")
        .expect("legal");
    show.operator
        .save(&open, other.revision)
        .await
        .expect("saved");
    let app = show.app().await;
    let proof = app.proof("prova", None).await;
    for channel in ["prova", "torcida"] {
        let body = json!({ "candidate": "ana", "channel": channel, "proof": proof });
        let answer = app.send_to("paredao-02", body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (422, "proof-mismatch"),
            "{answer:?}"
        );
    }
    // Channels that ask for none don't look at it.
    assert!(
        app.send(json!({ "candidate": "ana", "proof": proof }))
            .await
            .is_accepted()
    );
    assert!(app.prove("ana", None, &proof).await.is_accepted());
    assert_eq!(show.total().await, 2);
}

#[tokio::test]
async fn what_is_no_proof_is_refused_and_raises_the_cost_only_when_there_is_much_of_it() {
    let show = Show::open().await;
    let app = show.app().await;
    let proof = app.proof("prova", None).await;
    let mut cheaper = json_of(&proof);
    cheaper["challenge"]["parameters"]["cost"] = json!(1);
    let mut unsolved = json_of(&proof);
    unsolved["solution"]["derivedKey"] = "00".repeat(32).into();
    for wrong in [
        String::new(),
        "A".repeat(8_000),
        "e30=".to_owned(),
        "\u{0}".to_owned(),
        data_encoding::BASE64.encode("[".repeat(1_000).as_bytes()),
        proof_of(&cheaper),
        proof_of(&unsolved),
        proof[..proof.len() - 4].to_owned(),
    ] {
        let answer = app.prove("ana", None, &wrong).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (422, "proof-invalid"),
            "{answer:?}"
        );
    }
    let number = app
        .send(json!({ "candidate": "ana", "channel": "prova", "proof": 1 }))
        .await;
    assert_eq!(number.code(), "malformed-body");
    assert!(app.prove("ana", None, &proof).await.is_accepted());
    let metrics = app.metrics().await;
    let labels = format!("poll=\"{POLL}\",channel=\"prova\"");
    for line in [
        format!("vote_proofs_total{{{labels},verdict=\"invalid\"}} 8\n"),
        format!("vote_proofs_total{{{labels},verdict=\"valid\"}} 1\n"),
        format!("vote_challenges_total{{{labels}}} 1\n"),
        format!("vote_proof_cost_iterations{{{labels}}} 1000\n"),
    ] {
        assert!(metrics.contains(&line), "no {line} in\n{metrics}");
    }
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn a_channel_is_hardened_while_the_poll_is_open_and_its_proofs_may_cost_more_later() {
    let show = Show::open().await;
    let app = show.app().await;
    assert!(app.vote("ana", None).await.is_accepted());
    let harder = async |channel: usize, field: &str, value: Value| {
        let poll = show.poll().await;
        let mut file = serde_json::to_value(&poll.definition).expect("JSON");
        file["channels"][channel][field] = value;
        let newer = PollDefinition::parse_json(file.to_string().as_bytes()).expect("legal");
        let next = poll
            .redefine(newer, now(), "test")
            .expect("it asks for more");
        show.operator
            .save(&next, poll.revision)
            .await
            .expect("saved");
    };
    let early = app.proof("prova", None).await;
    harder(0, "proof_cost", 1_000.into()).await;
    harder(0, "eligibility", "proof_of_work".into()).await;
    harder(2, "proof_cost", 1_500.into()).await;
    eventually(DEADLINE, || async {
        app.challenge("prova", None).await.body["parameters"]["cost"] == 1_500
    })
    .await;
    // What was asked for then is what counts.
    assert!(app.prove("ana", None, &early).await.is_accepted());
    eventually(DEADLINE, || async {
        app.challenge("torcida", None).await.body["parameters"]["cost"] == 1_000
    })
    .await;
    assert_eq!(app.vote("ana", None).await.code(), "proof-required");
    let proof = app.proof("torcida", None).await;
    let vote = json!({ "candidate": "bia", "channel": "torcida", "proof": proof });
    assert!(app.send(vote.clone()).await.is_accepted());
    assert!(app.send(vote).await.is_repeat());
    assert_eq!(show.total().await, 3);
}

#[tokio::test]
async fn a_poll_that_is_over_for_good_gives_no_challenge() {
    let show = Show::open().await;
    let app = show.app().await;
    let proof = app.proof("prova", Some("k")).await;
    assert!(app.prove("ana", Some("k"), &proof).await.is_accepted());
    show.change(Transition::Pause).await;
    app.sees("poll-paused").await;
    assert_eq!(app.challenge("prova", None).await.status, StatusCode::OK);
    show.change(Transition::Close).await;
    app.sees("poll-closed").await;
    // For repeats: the vote may have been recorded.
    let proof = app.proof("prova", Some("k")).await;
    assert!(app.prove("ana", Some("k"), &proof).await.is_repeat());
    show.change(Transition::Void).await;
    // The shards know of it before this process does.
    eventually(DEADLINE, || async {
        app.challenge("prova", None).await.code() == "poll-void"
    })
    .await;
}
