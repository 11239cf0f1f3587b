//! What comes of each line, whatever the others are.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use vote_domain::Transition;
use vote_testkit::eventually;

use super::{FILE, File, app, both, count, line, lines, numbers, send, show, word, words};
use crate::app::{DEADLINE, POLL};

#[tokio::test]
async fn each_line_is_answered_in_order_and_the_same_batch_again_counts_nothing() {
    let (show, file) = (show(4).await, File::of(&both()));
    let app = app(&show, &file).await;
    let batch = lines(1_000);
    let first = send(&app, batch.clone()).await;
    assert_eq!(count(&first), BTreeMap::from([("accepted", 1_000)]));
    assert_eq!(numbers(&first), (1..=1_000).collect::<Vec<_>>());
    let one = &first[2];
    assert_eq!(one["key"], "k2");
    assert_eq!(
        (
            &one["poll"],
            &one["candidate"],
            &one["channel"],
            &one["direction"]
        ),
        (
            &json!(POLL),
            &json!("ana"),
            &json!("sms"),
            &json!("eliminate")
        )
    );
    assert!(
        one["receipt"]
            .as_str()
            .is_some_and(|receipt| receipt.starts_with("v1."))
    );
    assert!(one["accepted_at"].is_string());
    let again = send(&app, batch.clone()).await;
    assert_eq!(count(&again), BTreeMap::from([("already_accepted", 1_000)]));
    // Another process finds them as well.
    let other = show.app_with(&[(FILE, &file.path())]).await;
    let again = send(&other, batch).await;
    assert_eq!(count(&again), BTreeMap::from([("already_accepted", 1_000)]));
    assert_eq!(show.total().await, 1_000);
    let metrics = app.metrics().await;
    for line in [
        "vote_gateway_lines_total{gateway=\"sms\",outcome=\"accepted\"} 1000",
        "vote_gateway_lines_total{gateway=\"sms\",outcome=\"already_accepted\"} 1000",
        "vote_gateway_lines_total{gateway=\"fone\",outcome=\"accepted\"} 0",
        "vote_gateway_batches_total{gateway=\"sms\",end=\"whole\"} 2",
        "vote_gateways 2",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn a_batch_that_is_sent_four_times_at_once_over_two_processes_counts_once() {
    let (show, file) = (show(4).await, File::of(&both()));
    let apps = [app(&show, &file).await, app(&show, &file).await];
    let batch = lines(2_000);
    let batches = (0..4).map(|n: usize| send(&apps[n % 2], batch.clone()));
    let answers = futures_util::future::join_all(batches).await;
    // Each line is accepted in one of the batches, and found again in all others.
    for line in 0..2_000 {
        let told: Vec<Value> = answers.iter().map(|batch| batch[line].clone()).collect();
        let expected = BTreeMap::from([("accepted", 1), ("already_accepted", 3)]);
        assert_eq!(count(&told), expected, "{told:?}");
    }
    assert_eq!(show.total().await, 2_000);
}

#[tokio::test]
async fn a_bad_line_harms_no_other() {
    let (show, file) = (show(2).await, File::of(&both()));
    let app = app(&show, &file).await;
    let key = |n: usize| format!("\"key\":\"b{n}\"");
    let vote = "\"channel\":\"sms\",\"candidate\":\"ana\"";
    let long = "x".repeat(5_000);
    let deep = "[".repeat(3_000);
    let bad: Vec<(String, &str)> = vec![
        ("nonsense".to_owned(), "malformed-body"),
        ("[]".to_owned(), "malformed-body"),
        ("null".to_owned(), "malformed-body"),
        ("{}".to_owned(), "malformed-body"),
        ("{".to_owned(), "malformed-body"),
        (format!("{{{vote}}}"), "idempotency-key-required"),
        (
            format!("{{\"key\":\"\",{vote}}}"),
            "invalid-idempotency-key",
        ),
        (
            format!("{{\"key\":\"chave é\",{vote}}}"),
            "invalid-idempotency-key",
        ),
        (format!("{{\"key\":null,{vote}}}"), "malformed-body"),
        (format!("{{\"key\":7,{vote}}}"), "malformed-body"),
        (
            format!("{{{},{},{vote}}}", key(1), key(2)),
            "malformed-body",
        ),
        (
            format!("{{{},\"candidate\":\"ana\"}}", key(3)),
            "malformed-body",
        ),
        (
            format!("{{{},{vote},\"proof\":\"x\"}}", key(4)),
            "malformed-body",
        ),
        (
            format!("{{{},\"candidate\":\"zoe\",\"channel\":\"sms\"}}", key(5)),
            "unknown-candidate",
        ),
        (
            format!("{{{},\"candidate\":\"ana\",\"channel\":\"x\"}}", key(6)),
            "unknown-channel",
        ),
        (
            format!("{{{},{vote},\"direction\":\"save\"}}", key(7)),
            "direction-mismatch",
        ),
        (
            format!("{{{},{vote},\"voter\":\"\"}}", key(8)),
            "malformed-body",
        ),
        (
            format!("{{{},{vote},\"voter\":\"{}\"}}", key(9), "v".repeat(256)),
            "malformed-body",
        ),
        (
            format!(
                "{{{},\"candidate\":\"ana\",\"channel\":\"unico\"}}",
                key(10)
            ),
            "channel-not-allowed",
        ),
        (
            format!("{{{},\"candidate\":\"ana\",\"channel\":\"fone\"}}", key(11)),
            "voter-required",
        ),
        (
            format!("{{{},{vote},\"voter\":{deep}", key(12)),
            "malformed-body",
        ),
        (
            format!("{{{},{vote},\"{long}\":1}}", key(13)),
            "malformed-body",
        ),
        ("\u{0}\u{1}\u{7f}".to_owned(), "malformed-body"),
    ];
    let mut batch = String::from("\u{feff}");
    for (n, (bad, _)) in bad.iter().enumerate() {
        let _infallible = write!(batch, "{}{bad}\r\n\r\n  \n", line(n));
    }
    let mut batch = batch.into_bytes();
    batch.extend_from_slice(b"{\"key\":\"\xff\xfe\",\"channel\":\"sms\",\"candidate\":\"ana\"}\n");
    batch.extend_from_slice(line(bad.len()).trim_end().as_bytes());
    let answers = send(&app, batch).await;
    assert_eq!(answers.len(), 2 * bad.len() + 2);
    for (n, (text, code)) in bad.iter().enumerate() {
        let [good, refused] = &answers[2 * n..2 * n + 2] else {
            panic!("two lines")
        };
        assert_eq!(good["status"], "accepted", "before {text:.60}");
        assert_eq!(word(refused), *code, "{text:.60}");
        assert_eq!(
            (&good["line"], &refused["line"]),
            (&json!(4 * n + 1), &json!(4 * n + 2))
        );
        assert_eq!(refused["type"], format!("/problems/{code}"));
        assert!(refused["title"].is_string() && refused["detail"].is_string());
    }
    let [not_text, last] = &answers[2 * bad.len()..] else {
        panic!("two lines")
    };
    assert_eq!((word(not_text), word(last)), ("malformed-body", "accepted"));
    assert_eq!(show.total().await, bad.len() as u128 + 1);
}

#[tokio::test]
async fn a_line_that_is_there_twice_counts_once_and_another_vote_under_its_key_not_at_all() {
    let (show, file) = (show(4).await, File::of(&both()));
    let app = app(&show, &file).await;
    let other = line(0).replace("bia", "ana");
    let answers = send(&app, line(0) + &line(0) + &other + &line(1) + &line(1)).await;
    assert_eq!(
        words(&answers),
        [
            "accepted",
            "already_accepted",
            "idempotency-key-reused",
            "accepted",
            "already_accepted"
        ]
    );
    let twice = send(&app, lines(500).repeat(2)).await;
    assert_eq!(
        count(&twice),
        BTreeMap::from([("accepted", 498), ("already_accepted", 502)])
    );
    assert_eq!(show.total().await, 500);
}

#[tokio::test]
async fn nothing_and_blank_lines_are_no_votes() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    for body in [
        "",
        "\n",
        "\r\n\r\n",
        "\u{feff}",
        "\u{feff}\n \t \n",
        "\n\n\n",
    ] {
        assert_eq!(send(&app, body).await, Vec::<Value>::new(), "{body:?}");
    }
    assert_eq!(numbers(&send(&app, format!("\n\n{}", line(1))).await), [3]);
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn what_is_done_to_the_poll_is_told_in_each_line() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    assert_eq!(words(&send(&app, lines(2)).await), ["accepted", "accepted"]);
    for (transition, known, new) in [
        (Transition::Pause, "already_accepted", "poll-paused"),
        (Transition::Resume, "already_accepted", ""),
        (Transition::Close, "already_accepted", "poll-closed"),
        (Transition::Void, "poll-void", "poll-void"),
    ] {
        show.change(transition).await;
        if new.is_empty() {
            continue;
        }
        eventually(DEADLINE, || async {
            words(&send(&app, line(0) + &line(7)).await) == [known, new]
        })
        .await;
    }
}
