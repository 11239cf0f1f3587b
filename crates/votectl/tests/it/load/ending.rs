//! How a run ends: by itself, by a signal, and where nothing answers.

use super::{Hanging, accepting, begun, ingest, redis_with_poll, report};
use crate::support::{PATIENCE, json, run};
use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};
use vote_testkit::RedisServer;

#[tokio::test]
async fn the_run_is_reported_also_where_redis_is_gone_at_its_end() {
    let mut server = redis_with_poll().await;
    let url = accepting().await;
    let mut load = begun(
        &server,
        &format!("--poll paredao-01 --url {url} --votes 100 --rate 100"),
    )
    .await;
    server.kill9();
    let exit = load.wait(PATIENCE).await;
    let report = report(&exit);
    assert_eq!((exit.code(), &report["accepted"]), (Some(3), &100.into()));
    assert_eq!(report["latency_us"]["count"], 100, "{report}");
    let reconciliation = &report["reconciliation"];
    assert_eq!(
        (&reconciliation["before"], &reconciliation["after"]),
        (&0.into(), &Value::Null),
        "{report}"
    );
    assert_eq!(reconciliation["finding"], "not_read", "{report}");
    assert!(reconciliation["reason"].is_string(), "{report}");
    assert!(
        exit.stderr().contains("not reconciled"),
        "{}",
        exit.stderr()
    );
}

#[tokio::test]
async fn ctrl_c_waits_for_no_more_than_the_votes_in_flight_when_the_service_hangs() {
    let server = redis_with_poll().await;
    let mut service = Hanging::start().await;
    let line = format!(
        "--poll paredao-01 --url {} --duration 10m --rate 100 --connections 8 --timeout 4s",
        service.url()
    );
    let mut load = begun(&server, &line).await;
    service.requests(8).await;
    load.signal(Signal::INT);
    // Less than a second time round would take, and less than sixty seconds of attempts by far.
    let exit = load.wait(Duration::from_secs(20)).await;
    let report = report(&exit);
    assert_eq!((exit.code(), &report["stopped"]), (Some(1), &true.into()));
    for (figure, count) in [("sent", 8), ("attempts", 8), ("unknown", 8), ("refused", 0)] {
        assert_eq!(report[figure], count, "{figure}: {report}");
    }
    assert_eq!(report["errors"][0]["error"], "no answer in time");
    assert_eq!(report["errors"][0]["votes"], 8);
    assert_eq!(report["reconciliation"]["finding"], "within_unknown");
}

#[tokio::test]
async fn a_second_ctrl_c_reports_at_once_whatever_hangs() {
    let server = redis_with_poll().await;
    for (redis_hangs, code, finding) in [(false, 1, "within_unknown"), (true, 3, "not_read")] {
        let mut service = Hanging::start().await;
        let line = format!(
            "--poll paredao-01 --url {} --duration 10m --rate 100 --connections 8 --timeout 10m",
            service.url()
        );
        let mut load = begun(&server, &line).await;
        service.requests(8).await;
        if redis_hangs {
            server.pause();
        }
        load.signal(Signal::INT);
        load.wait_for_line(PATIENCE, |line| line.contains("Ctrl-C again"))
            .await;
        let start = Instant::now();
        load.signal(Signal::INT);
        let exit = load.wait(Duration::from_secs(20)).await;
        assert!(start.elapsed() < Duration::from_secs(4), "{exit:?}");
        let report = report(&exit);
        assert_eq!(exit.code(), Some(code), "{exit:?}");
        assert_eq!(
            (&report["sent"], &report["unknown"]),
            (&8.into(), &8.into())
        );
        assert_eq!(report["errors"][0]["error"], "not waited for");
        assert_eq!(report["reconciliation"]["finding"], finding, "{report}");
    }
    server.resume();
}

#[tokio::test]
async fn a_run_ends_by_itself_when_the_service_hangs_and_sigterm_ends_it_with_a_report() {
    let server = redis_with_poll().await;
    let service = Hanging::start().await;
    let line = format!(
        "--poll paredao-01 --url {} --rate 100 --connections 8",
        service.url()
    );
    // One vote's answer would be waited for ten times as long as this test has patience.
    let run = format!("{line} --duration 1s --timeout 2s --attempts 100");
    let exit = begun(&server, &run).await.wait(PATIENCE).await;
    let found = report(&exit);
    assert_eq!(exit.code(), Some(1), "{exit:?}");
    assert_eq!(found["ended"], "time_up", "{found}");
    assert_eq!(
        (&found["stopped"], &found["accepted"]),
        (&true.into(), &0.into())
    );
    assert_eq!(found["sent"], found["unknown"], "{found}");

    let mut service = Hanging::start().await;
    let line = format!(
        "--poll paredao-01 --url {} --rate 100 --connections 8",
        service.url()
    );
    let mut load = begun(&server, &format!("{line} --duration 10m --timeout 1s")).await;
    service.requests(8).await;
    load.signal(Signal::TERM);
    let exit = load.wait(PATIENCE).await;
    let found = report(&exit);
    assert_eq!(
        (&found["ended"], &found["sent"]),
        (&"asked".into(), &8.into()),
        "{found}"
    );
}

#[tokio::test]
async fn a_run_stops_where_no_vote_has_a_place_and_says_why() {
    let server = RedisServer::start().await;
    let (_service, address) = ingest(&server).await;
    let load = |path: &str| {
        format!(
            "load --poll paredao-01 --url http://{address}{path} --rate 50 --duration 10m --output json"
        )
    };
    let exit = run(&server, &load("/wrong")).await;
    assert_eq!(
        (exit.code(), &report(&exit)["ended"]),
        (Some(1), &"gone".into()),
        "{exit:?}"
    );
    assert!(
        exit.stderr().contains("every vote is answered 404"),
        "{exit:?}"
    );
    assert!(exit.stderr().contains("is --url right?"), "{exit:?}");
    json(&server, "poll close paredao-01 --yes").await;
    json(&server, "poll seal paredao-01 --now --yes").await;
    let exit = run(&server, &load("")).await;
    assert_eq!(
        (exit.code(), &report(&exit)["ended"]),
        (Some(1), &"gone".into()),
        "{exit:?}"
    );
    assert!(
        exit.stderr().contains("every vote is answered 410"),
        "{exit:?}"
    );
}
