//! Votes, and what they are answered.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;
use vote_domain::{Receipt, Transition};

use crate::app::{Answer, COURSE, DEADLINE, POLL, Show, ago, definition};

#[tokio::test]
async fn an_accepted_vote_is_recorded_and_has_a_genuine_receipt() {
    let show = Show::open().await;
    let app = show.app().await;
    let answer = app
        .send(json!({ "candidate": "ana", "channel": "torcida", "direction": "eliminate" }))
        .await;
    assert!(answer.is_accepted(), "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    for (field, value) in [
        ("poll", POLL),
        ("candidate", "ana"),
        ("channel", "torcida"),
        ("direction", "eliminate"),
    ] {
        assert_eq!(answer.body[field], value, "{answer:?}");
    }
    let accepted_at = answer.body["accepted_at"].as_str().expect("a time");
    assert_eq!(accepted_at.len(), "2026-11-24T01:02:03.250Z".len());
    let key = show
        .operator
        .receipt_key()
        .await
        .expect("Redis answers")
        .expect("a key");
    let text = answer.body["receipt"].as_str().expect("a receipt");
    let receipt = Receipt::verify(text, &key).expect("genuine");
    assert_eq!(receipt.poll.as_str(), POLL);
    let figures = show
        .operator
        .figures(&show.poll().await)
        .await
        .expect("figures");
    assert!(receipt.sequence <= figures[0].writers[&receipt.writer].last_sequence);
    assert!(!text.contains("ana"));
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn a_vote_that_names_no_channel_uses_the_first() {
    let show = Show::open().await;
    let app = show.app().await;
    assert_eq!(app.vote("bia", None).await.body["channel"], "torcida");
}

#[tokio::test]
async fn the_same_key_counts_once_in_quotes_or_bare() {
    let show = Show::open().await;
    let app = show.app().await;
    assert!(app.vote("ana", Some("8e03978e-40d5")).await.is_accepted());
    let repeat = app.vote("ana", Some("\"8e03978e-40d5\"")).await;
    assert!(repeat.is_repeat(), "{repeat:?}");
    // When the vote came is not known any more, and so not said.
    assert!(repeat.body.get("accepted_at").is_none());
    let other = app.vote("bia", Some("8e03978e-40d5")).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.code(), "idempotency-key-reused");
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn the_same_key_at_once_from_many_connections_and_two_processes_counts_once() {
    let show = Show::open().await;
    let (one, other) = (show.app().await, show.app().await);
    let votes = (0..40).map(|n| if n % 2 == 0 { &one } else { &other }.vote("ana", Some("same")));
    let answers = join_all(votes).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.is_accepted()).count(),
        1
    );
    assert_eq!(
        answers.iter().filter(|answer| answer.is_repeat()).count(),
        39
    );
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn repeats_have_a_receipt_of_their_own_from_each_process_and_while_the_poll_is_paused() {
    let show = Show::open().await;
    let (one, other) = (show.app().await, show.app().await);
    let first = one.vote("ana", Some("k")).await;
    assert!(first.is_accepted(), "{first:?}");
    let mut answers = vec![first];
    for app in [&one, &other, &other] {
        answers.push(app.vote("ana", Some("k")).await);
    }
    show.change(Transition::Pause).await;
    other.sees("poll-paused").await;
    answers.push(other.vote("ana", Some("k")).await);
    let reused = other.vote("bia", Some("k")).await;
    assert_eq!(reused.code(), "idempotency-key-reused");
    assert!(reused.body.get("receipt").is_none(), "{reused:?}");

    let key = show.operator.receipt_key().await.expect("Redis answers");
    let key = key.expect("a key");
    let figures = show.operator.figures(&show.poll().await).await;
    let figures = figures.expect("figures");
    let mut texts = BTreeSet::new();
    let mut at = None;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_repeat(), n > 0, "{answer:?}");
        let text = answer.body["receipt"].as_str().expect("a receipt");
        let receipt = Receipt::verify(text, &key).expect("genuine");
        let ledger = &figures[usize::from(receipt.shard)].writers[&receipt.writer];
        assert!(receipt.sequence <= ledger.last_sequence, "{receipt:?}");
        assert!(texts.insert(text), "each has its own: {text}");
        assert!(at <= Some(receipt.at), "{receipt:?}");
        at = Some(receipt.at);
    }
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn a_key_can_be_required() {
    let show = Show::open().await;
    let app = show
        .app_with(&[("VOTE__COMMIT__IDEMPOTENCY_KEY_REQUIRED", "true")])
        .await;
    let answer = app.vote("ana", None).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (400, "idempotency-key-required")
    );
    assert!(app.vote("ana", Some("k")).await.is_accepted());
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn eligibilities_that_cannot_be_checked_are_refused_and_not_counted() {
    let show = Show::open().await;
    let app = show.app().await;
    let answer = app
        .send(json!({ "candidate": "ana", "channel": "unico", "proof": "anything" }))
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    assert_eq!(answer.code(), "eligibility-not-available");
    assert_eq!(answer.body["eligibility"], "voter");
    assert_eq!(show.total().await, 0);
}

#[tokio::test]
async fn a_vote_that_means_the_opposite_is_refused() {
    let show = Show::open().await;
    let app = show.app().await;
    let answer = app
        .send(json!({ "candidate": "ana", "direction": "save" }))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (422, "direction-mismatch")
    );
    assert_eq!(answer.body["direction"], "eliminate");
    assert_eq!(show.total().await, 0);
}

#[tokio::test]
async fn before_the_opening_votes_are_refused_with_the_time() {
    let show = Show::with(definition(ago(-600), ago(-3_600)), Some(Transition::Open)).await;
    let app = show.app().await;
    let answer = app.vote("ana", Some("k")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (409, "poll-not-open")
    );
    assert!(answer.body["opens_at"].is_string(), "{answer:?}");
    assert_eq!(show.total().await, 0);
}

#[tokio::test]
async fn a_poll_that_is_not_announced_is_answered_like_one_that_does_not_exist() {
    let show = Show::with(definition(ago(60), ago(-3_600)), None).await;
    let app = show.app().await;
    for transition in [None, Some(Transition::Void)] {
        if let Some(transition) = transition {
            show.change(transition).await;
        }
        for body in [
            json!({ "candidate": "ana" }),
            json!({ "candidate": "nobody" }),
            json!({ "candidate": "ana", "channel": "unico" }),
            json!({ "candidate": "ana", "channel": "nowhere" }),
            json!({ "candidate": "ana", "direction": "save" }),
            json!([]),
        ] {
            let answer = app.send(body).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (404, "unknown-poll")
            );
            let text = answer.body.to_string();
            let unknown = app
                .send_to("no-such-poll", json!({}))
                .await
                .body
                .to_string();
            assert_eq!(text, unknown.replace("no-such-poll", POLL));
        }
    }
}

#[tokio::test]
async fn a_poll_that_opens_by_itself_says_when_until_then() {
    let show = Show::with(definition(ago(-600), ago(-3_600)), Some(Transition::Open)).await;
    let app = show.app().await;
    let unknown = app.send(json!({ "candidate": "nobody" })).await;
    assert_eq!(unknown.code(), "unknown-candidate");
    assert_eq!(app.vote("ana", None).await.code(), "poll-not-open");
}

#[tokio::test]
async fn after_the_end_votes_are_gone_and_counted_as_late() {
    let show = Show::with(definition(ago(3_600), ago(60)), Some(Transition::Open)).await;
    let app = show.app().await;
    let answers = [
        app.vote("ana", None).await,
        app.vote("ana", Some("k")).await,
    ];
    for answer in answers {
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (410, "poll-closed")
        );
        assert!(answer.body["closed_at"].is_string(), "{answer:?}");
    }
    vote_testkit::eventually(DEADLINE, || async { show.audit().await.late == 2 }).await;
    assert_eq!(show.total().await, 0);
}

#[tokio::test]
async fn a_change_of_state_is_seen_within_a_second() {
    let show = Show::open().await;
    let app = show
        .app_with(&[("VOTE__POLLS__REFRESH_INTERVAL_MS", "500")])
        .await;
    assert!(app.vote("ana", Some("first")).await.is_accepted());
    for (transition, code) in COURSE {
        show.change(transition).await;
        tokio::time::timeout(std::time::Duration::from_secs(2), app.sees(code))
            .await
            .unwrap_or_else(|_| panic!("{transition} was not seen"));
        if transition != Transition::Void {
            // Whoever repeats a vote that was accepted is told so, whatever the poll does now.
            assert!(
                app.vote("ana", Some("first")).await.is_repeat(),
                "{transition}"
            );
        }
    }
}

#[tokio::test]
async fn a_sealed_poll_refuses_votes() {
    let show = Show::open().await;
    let app = show.app().await;
    assert!(app.vote("ana", None).await.is_accepted());
    let closed = show.change(Transition::Close).await;
    // The service says that all it has accepted is recorded.
    vote_testkit::eventually(DEADLINE, || async {
        let sealed = show
            .operator
            .seal(&closed, &BTreeSet::new(), crate::app::now(), "test")
            .await;
        sealed.map_err(|error| error.to_string())
    })
    .await;
    let answer = app.sees("poll-closed").await;
    assert_eq!(answer.status, StatusCode::GONE);
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn browsers_of_configured_origins_may_vote() {
    let show = Show::open().await;
    let origins = [("VOTE__HTTP__CORS_ALLOWED_ORIGINS", "https://example.com")];
    let app = show.app_with(&origins).await;
    let preflight = app
        .client
        .request(
            reqwest::Method::OPTIONS,
            format!("{}/v1/polls/{POLL}/votes", app.url),
        )
        .header("Origin", "https://example.com")
        .header("Access-Control-Request-Method", "POST")
        .header(
            "Access-Control-Request-Headers",
            "content-type,idempotency-key",
        )
        .send()
        .await
        .expect("an answer");
    assert!(preflight.status().is_success(), "{preflight:?}");
    assert!(
        preflight
            .headers()
            .contains_key("access-control-allow-origin")
    );
    let vote = app
        .post(POLL)
        .header("Origin", "https://example.com")
        .json(&json!({ "candidate": "ana" }));
    assert!(
        Answer::of(vote)
            .await
            .headers
            .contains_key("access-control-allow-origin")
    );
}

#[tokio::test]
async fn the_bounds_of_queue_and_replay_window_are_metered_beside_what_they_bound() {
    let show = Show::open().await;
    let app = show
        .app_with(&[
            ("VOTE__COMMIT__QUEUE_CAPACITY", "1234"),
            ("VOTE__COMMIT__REPLAY_WINDOW_MIB", "3"),
        ])
        .await;
    let metrics = app.metrics().await;
    for line in [
        "vote_lane_queue_capacity_votes 1234\n",
        "vote_replay_window_limit_bytes 3145728\n",
    ] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
}

#[tokio::test]
async fn votes_are_metered_by_outcome_and_accepted_ones_by_channel_and_candidate() {
    let show = Show::open().await;
    let app = show.app().await;
    app.vote("ana", Some("k")).await;
    app.vote("ana", Some("k")).await;
    app.vote("bia", Some("k")).await;
    let metrics = app.metrics().await;
    let of_outcome =
        |outcome| format!("vote_votes_total{{poll=\"{POLL}\",outcome=\"{outcome}\"}} 1");
    let accepted = |candidate, votes| {
        format!(
            "vote_accepted_votes_total{{poll=\"{POLL}\",channel=\"torcida\",candidate=\"{candidate}\"}} {votes}"
        )
    };
    for line in [
        of_outcome("accepted"),
        of_outcome("duplicate"),
        of_outcome("mismatch"),
        accepted("ana", 1),
        accepted("bia", 0),
    ] {
        assert!(metrics.contains(&line), "no {line} in\n{metrics}");
    }
    assert!(
        !metrics.contains("tally"),
        "the ingest service knows no tally"
    );
}

#[tokio::test]
async fn a_closing_that_this_process_has_not_seen_yet_is_told_without_a_time_to_come() {
    let show = Show::open().await;
    // Seen at the start only.
    let app = show
        .app_with(&[("VOTE__POLLS__REFRESH_INTERVAL_MS", "1000")])
        .await;
    show.change(Transition::Close).await;
    let answer = app.vote("ana", Some("k")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (410, "poll-closed")
    );
    if let Some(closed_at) = answer.body["closed_at"].as_str() {
        assert!(
            closed_at.parse::<jiff::Timestamp>().expect("a time") <= crate::app::now(),
            "{answer:?}"
        );
    }
}
