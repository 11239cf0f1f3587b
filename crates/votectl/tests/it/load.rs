//! `votectl load` against a real ingest service.

use crate::support::{
    PATIENCE, fails, json, poll_file, run, service, tls_in_front_of, vote, votectl,
};
use rustix::process::Signal;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vote_testkit::{Certificates, ChildProcess, Exit, RedisServer, free_port};

/// An ingest service on this Redis, ready to take votes in the demo poll.
async fn ingest(server: &RedisServer) -> (ChildProcess, SocketAddr) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    json(server, &format!("poll apply {}", poll_file(dir.path()))).await;
    json(server, "poll open paredao-01").await;
    service("vote-ingest", server).await
}

/// The demo poll, open, on a Redis that no service uses.
async fn redis_with_poll() -> RedisServer {
    let server = RedisServer::start().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    json(&server, &format!("poll apply {}", poll_file(dir.path()))).await;
    json(&server, "poll open paredao-01").await;
    server
}

/// Starts a load, and waits until it has begun to send.
async fn begun(server: &RedisServer, line: &str) -> ChildProcess {
    let mut load = votectl()
        .args(["--redis", &server.url(), "load", "--output", "json"])
        .args(line.split(' '))
        .spawn();
    load.wait_for_line(PATIENCE, |line| line.contains("Ctrl-C"))
        .await;
    load
}

/// What a load that has ended has printed.
fn report(exit: &Exit) -> Value {
    serde_json::from_str(&exit.stdout())
        .unwrap_or_else(|_| panic!("no report: {}{}", exit.stdout(), exit.stderr()))
}

/// An ingest service that takes connections and requests, and never answers: as one that is stopped does.
struct Hanging {
    listener: TcpListener,
    /// Held, so that they stay open.
    taken: Vec<TcpStream>,
}

impl Hanging {
    async fn start() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0")
                .await
                .expect("a port is free"),
            taken: Vec::new(),
        }
    }

    fn url(&self) -> String {
        format!(
            "http://{}",
            self.listener
                .local_addr()
                .expect("a listener has an address")
        )
    }

    /// Waits until so many requests have come, each on a connection of its own.
    async fn requests(&mut self, count: usize) {
        for _ in 0..count {
            let (mut stream, _) = self.listener.accept().await.expect("somebody connects");
            stream.read_u8().await.expect("the peer is there");
            self.taken.push(stream);
        }
    }
}

/// An ingest service that accepts every vote and counts none. Takes what comes in one read for one request, as it is
/// with this client.
async fn accepting() -> String {
    const ANSWER: &[u8] =
        b"HTTP/1.1 201 Created\r\ncontent-length: 21\r\n\r\n{\"status\":\"accepted\"}";
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let url = format!(
        "http://{}",
        listener.local_addr().expect("a listener has an address")
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0)
                    && stream.write_all(ANSWER).await.is_ok()
                {}
            });
        }
    });
    url
}

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
async fn votes_go_by_tls_to_a_service_that_is_trusted_and_to_no_other() {
    let server = RedisServer::start().await;
    let (_service, address) = ingest(&server).await;
    let certificates = Certificates::generate();
    let url = tls_in_front_of(address, &certificates).await;
    let load = |trusted: &Certificates| {
        votectl()
            .env("SSL_CERT_FILE", trusted.authority())
            .env_remove("SSL_CERT_DIR")
            .args(["--redis", &server.url(), "load", "--output", "json"])
            .args(["--poll", "paredao-01"])
            .args(["--url", &url, "--votes", "50", "--attempts", "1"])
            .spawn()
    };
    let exit = load(&certificates).wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    let found = report(&exit);
    assert_eq!(
        (&found["accepted"], &found["attempts"]),
        (&50.into(), &50.into())
    );
    assert_eq!(found["reconciliation"]["finding"], "reconciled");

    let exit = load(&Certificates::generate()).wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(3), "{}", exit.stderr());
    let found = report(&exit);
    assert_eq!(
        (&found["sent"], &found["no_connection"]),
        (&0.into(), &50.into())
    );
    let error = found["errors"][0]["error"].to_string();
    assert!(error.contains("invalid peer certificate"), "{error}");
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
async fn votes_without_a_connection_are_not_refused_and_a_run_of_only_those_is_broken() {
    let server = redis_with_poll().await;
    let line = format!(
        "load --poll paredao-01 --url http://127.0.0.1:{} --votes 10 --attempts 2",
        free_port()
    );
    let exit = run(&server, &format!("{line} --output json")).await;
    let report = report(&exit);
    assert_eq!(exit.code(), Some(3), "{exit:?}");
    for (figure, count) in [("no_connection", 10), ("sent", 0), ("refused", 0)] {
        assert_eq!(report[figure], count, "{figure}: {report}");
    }
    assert_eq!(report["stopped"], false, "{report}");
    let exit = run(&server, &line).await;
    assert!(exit.stderr().contains("got a connection"), "{exit:?}");
    assert!(!exit.stdout().contains("to the vote"), "{exit:?}");
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
