//! Who is a gateway, whom it votes for, and how often.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vote_testkit::{ChildProcess, eventually};

use super::{
    FILE, File, NDJSON, OTHER, TOKEN, app, both, count, entry, lines, numbers, request, send,
    send_as, show, word, words,
};
use crate::app::{Answer, DEADLINE, POLL};
use crate::both::limited;
use crate::voters::Identity;

#[tokio::test]
async fn keys_are_the_gateways_own() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    // Who guesses what a gateway counts by takes none of its votes away.
    assert!(app.vote("ana", Some("1")).await.is_accepted());
    let open = "{\"key\":\"1\",\"channel\":\"torcida\",\"candidate\":\"ana\"}\n";
    assert_eq!(words(&send(&app, open).await), ["accepted"]);
    let vote = |voter: &str| {
        format!(
            "{{\"key\":\"2\",\"channel\":\"fone\",\"candidate\":\"ana\",\"voter\":\"{voter}\"}}\n"
        )
    };
    assert_eq!(words(&send_as(&app, TOKEN, vote("x")).await), ["accepted"]);
    assert_eq!(words(&send_as(&app, OTHER, vote("x")).await), ["accepted"]);
    assert_eq!(
        words(&send_as(&app, OTHER, vote("x")).await),
        ["already_accepted"]
    );
    assert_eq!(show.total().await, 4);
}

#[tokio::test]
async fn who_shows_no_gateways_token_sends_no_batch_and_votes_by_no_channel_of_gateways() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    for token in [
        "",
        "wrong",
        &TOKEN[1..],
        &TOKEN.to_uppercase(),
        &"x".repeat(5_000),
    ] {
        let answer = Answer::of(request(&app, token, lines(3))).await;
        assert_eq!(answer.code(), "unauthorized", "{token:.20}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    let none = app
        .client
        .post(format!("{}/v1/polls/{POLL}/votes/batch", app.url));
    let none = Answer::of(none.header("content-type", NDJSON).body(lines(3))).await;
    assert_eq!(none.code(), "unauthorized");
    for channel in ["sms", "fone"] {
        let ballot = json!({ "candidate": "ana", "channel": channel });
        let by_itself = Answer::of(app.post(POLL).json(&ballot).bearer_auth(TOKEN)).await;
        assert_eq!(
            (by_itself.status.as_u16(), by_itself.code()),
            (403, "gateway-required")
        );
        assert_eq!(by_itself.body["eligibility"], "gateway");
    }
    assert_eq!(show.total().await, 0);

    // Where no file is named, nobody is a gateway.
    let without = show.app().await;
    let answer = Answer::of(request(&without, TOKEN, lines(3))).await;
    assert_eq!(answer.code(), "unauthorized");
}

#[tokio::test]
async fn a_gateways_voters_have_the_channels_limit_and_are_whom_the_file_says() {
    let (show, identity) = (show(4).await, Identity::new());
    let subjects = "channels = [\"unico\", \"fone\"]\nvoters_are_subjects = true";
    let text = both() + &entry("leste", "the-token-of-the-gateway-leste", subjects);
    let file = File::of(&text);
    let mut settings = identity.settings();
    let path = file.path();
    settings.push((FILE, &path));
    let app = show.app_with(&settings).await;
    let vote = |key: &str, channel: &str, voter: &str| {
        json!({ "key": key, "channel": channel, "candidate": "ana", "voter": voter }).to_string()
            + "\n"
    };
    let three =
        vote("a", "fone", "maria") + &vote("b", "fone", "maria") + &vote("c", "fone", "maria");
    assert_eq!(
        words(&send(&app, three.clone()).await),
        ["accepted", "accepted", "vote-limit-reached"]
    );
    assert_eq!(
        words(&send(&app, three).await),
        ["already_accepted", "already_accepted", "vote-limit-reached"]
    );
    // Another gateway's maria is somebody else; whom a token names is somebody else again.
    assert_eq!(
        words(&send_as(&app, OTHER, vote("d", "fone", "maria")).await),
        ["accepted"]
    );
    let leste = "the-token-of-the-gateway-leste";
    assert_eq!(
        words(&send_as(&app, leste, vote("e", "unico", "maria")).await),
        ["accepted"]
    );
    // And she has voted by `unico` now.
    let ballot = json!({ "candidate": "ana", "channel": "unico" });
    let token = identity.token("maria");
    let by_token = Answer::of(app.post(POLL).json(&ballot).bearer_auth(&token)).await;
    assert_eq!(by_token.code(), "vote-limit-reached");
    assert_eq!(show.total().await, 4);
    // Nobody is named in Redis.
    let redis = show.redis.dir().to_owned();
    let written = tokio::task::spawn_blocking(move || crate::nobody_named::written(&redis));
    let written = written.await.expect("read");
    assert!(!written.windows(5).any(|part| part == b"maria"));
}

#[tokio::test]
async fn of_a_channel_that_gets_its_first_limit_what_a_gateway_sends_again_is_found_in_whichever_shard_it_is()
 {
    let (show, identity) = (show(4).await, Identity::new());
    let subjects = "channels = [\"torcida\"]\nvoters_are_subjects = true";
    let file = File::of(&entry("sms", TOKEN, subjects));
    let (mut settings, path) = (identity.settings(), file.path());
    settings.push((FILE, &path));
    let apps = [
        show.app_with(&settings).await,
        show.app_with(&settings).await,
    ];
    let vote = |key: &str, candidate: &str, voter: &str| {
        json!({ "key": key, "channel": "torcida", "candidate": candidate, "voter": voter })
            .to_string()
            + "\n"
    };
    let before = |candidate: &str| -> String {
        let each = (0..12).map(|n| vote(&format!("before-{n}"), candidate, &format!("v{n}")));
        each.collect()
    };
    assert_eq!(
        words(&send(&apps[0], before("ana")).await),
        ["accepted"; 12]
    );
    let poll = show.poll().await;
    let next = limited(&poll, 1, "poll").expect("it asks for more");
    let saved = show.operator.save(&next, poll.revision).await;
    saved.expect("saved");
    let nameless = "{\"key\":\"n\",\"channel\":\"torcida\",\"candidate\":\"ana\"}\n";
    for app in &apps {
        eventually(DEADLINE, || async {
            words(&send(app, nameless).await) == ["voter-required"]
        })
        .await;
    }
    // With that one, where the limit was not known yet.
    let counted = show.total().await;
    for app in &apps {
        // Good lines stand between those that are looked up, and each is answered in its place.
        let lines = before("ana") + &vote("more", "ana", "more") + &before("bia");
        let answers = send(app, lines).await;
        let (again, rest) = answers.split_at(12);
        assert_eq!(words(again), ["already_accepted"; 12]);
        assert!(["accepted", "already_accepted"].contains(&word(&rest[0])));
        assert_eq!(words(&rest[1..]), ["idempotency-key-reused"; 12]);
        assert_eq!(numbers(&answers), (1..=25).collect::<Vec<_>>());
    }
    assert_eq!(show.total().await, counted + 1);
    // What came before the limit has used none of it. Of two in one batch either may be the first: one may be looked up elsewhere.
    let two = vote("first", "ana", "v0") + &vote("second", "ana", "v0");
    let answers = send(&apps[1], two).await;
    assert_eq!(
        count(&answers),
        BTreeMap::from([("accepted", 1), ("vote-limit-reached", 1)])
    );
    assert_eq!(show.total().await, counted + 2);
}

#[tokio::test]
async fn beyond_its_rate_a_gateways_lines_are_told_when_to_come_again_and_addresses_do_not_count() {
    let show = show(1).await;
    let slow = entry("sms", TOKEN, "channels = [\"sms\"]\nrate = \"5/1h\"");
    let file = File::of(&slow);
    let app = show
        .app_with(&[
            (FILE, &file.path()),
            ("VOTE__LIMITS__ADDRESS_BURST", "2/1h"),
        ])
        .await;
    let answers = send(&app, lines(8)).await;
    assert_eq!(
        count(&answers),
        BTreeMap::from([("accepted", 5), ("rate-limited", 3)])
    );
    let limited = answers.last().expect("a line");
    assert_eq!(
        (&limited["key"], &limited["retry_after_s"]),
        (&json!("k7"), &json!(720))
    );
    assert!(
        limited["detail"]
            .as_str()
            .is_some_and(|said| said.contains("5/3600s"))
    );
    assert_eq!(show.total().await, 5);
    let metrics = app.metrics().await;
    assert!(
        metrics.contains("vote_gateway_lines_total{gateway=\"sms\",outcome=\"rate_limited\"} 3"),
        "{metrics}"
    );
    // Who tries tokens is held to the limit of its address.
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(
            Answer::of(request(&app, "wrong", ""))
                .await
                .code()
                .to_owned(),
        );
    }
    assert_eq!(codes, ["unauthorized", "unauthorized", "rate-limited"]);
    assert_eq!(send(&app, "").await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_file_is_read_again_and_a_wrong_one_changes_nothing() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    let status = async |token: &str| {
        let answer = request(&app, token, "").send().await.expect("an answer");
        answer.status().as_u16()
    };
    assert_eq!((status(TOKEN).await, status(OTHER).await), (200, 200));
    let says = async |line: &str| {
        eventually(DEADLINE, || async { app.metrics().await.contains(line) }).await;
    };
    file.write("[[gateway]]\nname = \"x\"\n");
    says("vote_gateways_file_refused 1").await;
    assert_eq!((status(TOKEN).await, status(OTHER).await), (200, 200));
    file.write(&entry("fone", OTHER, "channels = [\"fone\"]"));
    says("vote_gateways_file_refused 0").await;
    says("vote_gateways 1").await;
    assert_eq!((status(TOKEN).await, status(OTHER).await), (401, 200));
}

#[tokio::test]
async fn a_wrong_file_ends_the_start_and_no_token_is_shown() {
    let file = File::of(&entry("sms", TOKEN, "channels = []"));
    let mut process = ChildProcess::builder(env!("CARGO_BIN_EXE_vote-ingest"))
        .env("VOTE__HTTP__BIND", "127.0.0.1:0")
        .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
        .env(FILE, file.path())
        .spawn();
    let exit = process.wait(DEADLINE).await;
    assert_ne!(exit.code(), Some(0));
    let said = format!("{}{}", exit.stdout(), exit.stderr());
    assert!(
        said.contains("gateways.file") && said.contains("names none"),
        "{said}"
    );
    assert!(!said.contains(TOKEN), "{said}");
}
