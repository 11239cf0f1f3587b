//! The report of a load in its forms.

use crate::load::ending::Ending;
use crate::load::limits::{Limits, MostErrors};
use crate::load::report::{Asked, Report};
use crate::load::report_text;
use std::time::Duration;
use vote_client::pacer::Pace;
use vote_client::plan::{Ballot, Plan};
use vote_client::reconcile::{NotRead, Reconciliation};
use vote_client::stats::{Stats, Verdict};

/// `after` is the tally at the end, or why it could not be read.
fn report(after: Result<u128, &str>) -> Report {
    let target = "http://127.0.0.1:8080".parse().expect("a base URL");
    let ballot = Ballot {
        target: &target,
        poll: "paredao-01",
        channel: None,
        candidates: &["ana", "bia"],
    };
    let mut plan = Plan::new(
        std::net::SocketAddr::from(([127, 0, 0, 1], 8080)).into(),
        ballot,
        Some("load-7".to_owned()),
    );
    plan.pace = Pace {
        rate: 1_000,
        votes: 1_001,
    }
    .into();
    plan.connections = 64;
    let mut stats = Stats::new();
    for vote in 0..1_000 {
        stats.finish(Verdict::Accepted, 1, Duration::from_micros(900 + vote * 4));
        stats.start_delay.saturating_record(120);
    }
    stats.finish(Verdict::Refused, 3, Duration::from_millis(1));
    stats.error("503 overloaded", false);
    stats.error("503 overloaded", false);
    stats.error("503 overloaded", true);
    let reconciliation = match after {
        Ok(after) => Ok(Reconciliation::new(
            10,
            after,
            stats.counts.accepted,
            stats.counts.unknown,
        )),
        Err(reason) => Err(NotRead::new(10, &stats, reason.to_owned())),
    };
    let asked = Asked::of("paredao-01", "http://127.0.0.1:8080", &plan);
    Report::of(asked, &stats, Duration::from_secs(1), reconciliation)
}

#[test]
fn the_text_shows_rates_latencies_errors_and_the_reconciliation() {
    let mut text = Vec::new();
    report_text::write(&report(Ok(1_010)), &mut text).expect("a vector takes all");
    insta::assert_snapshot!(String::from_utf8(text).expect("text"));
}

#[test]
fn the_json_form_has_the_figures_and_fails_only_on_a_difference() {
    let json = serde_json::to_value(report(Ok(1_010))).expect("a report is JSON");
    assert_eq!(json["latency_us"]["count"], 1_000);
    assert_eq!(json["reconciliation"]["finding"], "reconciled");
    assert_eq!(json["errors"][0]["attempts"], 3);
    assert!(report(Ok(1_010)).failure().is_none());
    assert_eq!(
        report(Ok(1_009)).failure().expect("it has failed").code(),
        1
    );
}

#[test]
fn a_tally_that_could_not_be_read_is_said_and_takes_nothing_from_the_report() {
    let unread = report(Err("connection refused"));
    let (mut text, mut read) = (Vec::new(), Vec::new());
    report_text::write(&unread, &mut text).expect("a vector takes all");
    report_text::write(&report(Ok(1_010)), &mut read).expect("a vector takes all");
    let (text, read) = (
        String::from_utf8(text).expect("text"),
        String::from_utf8(read).expect("text"),
    );
    let figures = read.find("tally").expect("the tally is named");
    assert_eq!(text[..figures], read[..figures]);
    assert_eq!(
        text[figures..],
        *"tally       10 before, unknown after\n\
          answers     1000 accepted, 0 of unknown outcome\n\
          UNKNOWN     the tally could not be read: connection refused\n"
    );
    let json = serde_json::to_value(&unread).expect("a report is JSON");
    let reconciliation = &json["reconciliation"];
    assert_eq!(
        reconciliation,
        &serde_json::json!({
            "before": 10, "after": null, "accepted": 1_000, "unknown": 0, "difference": null,
            "finding": "not_read", "reason": "connection refused",
        })
    );
    assert_eq!(unread.failure().expect("it has failed").code(), 3);
}

#[test]
fn votes_of_others_fail_no_single_run_but_all_parts_together() {
    let mut report = report(Ok(1_017));
    assert!(report.failure().is_none());
    let mut text = Vec::new();
    report_text::write(&report, &mut text).expect("a vector takes all");
    let text = String::from_utf8(text).expect("text");
    assert!(
        text.contains("OTHERS      the tally gained 7 more"),
        "{text}"
    );
    report.asked.parts = Some(2);
    assert_eq!(report.failure().expect("it has failed").code(), 1);
}

#[test]
fn a_limit_that_was_not_kept_is_exit_1_with_its_sentence() {
    let mut report = report(Ok(1_010));
    let limits = Limits {
        max_errors: Some(MostErrors::Number(0)),
        ..Limits::default()
    };
    report.judge(&limits, Ending::Whole);
    let failure = report.failure().expect("it has failed");
    assert_eq!(failure.code(), 1);
    let says = "1 of 1001 votes were not accepted, --max-errors is 0";
    assert_eq!(failure.to_string(), says);
}

#[test]
fn a_rate_that_was_missed_is_said_also_without_a_limit() {
    let mut report = report(Ok(1_010));
    assert!(!report.has_missed_its_rate());
    report.accepted_per_second = 140.0;
    let mut text = Vec::new();
    report_text::write(&report, &mut text).expect("a vector takes all");
    let text = String::from_utf8(text).expect("text");
    let says = "MISSED      140 votes per second were accepted, 1000 were asked for";
    assert!(text.contains(says), "{text}");
}
