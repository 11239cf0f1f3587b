//! `votectl smoke` against real services.

use crate::support::{PATIENCE, fails, json, poll_file, run, service, tls_in_front_of, votectl};
use serde_json::Value;
use std::net::SocketAddr;
use vote_testkit::{Certificates, ChildProcess, RedisServer, free_port};
use votectl::built_in::SMOKE_FILE;

/// Both services on one Redis.
struct Deployment {
    server: RedisServer,
    ingest: (ChildProcess, SocketAddr),
    results: (ChildProcess, SocketAddr),
}

impl Deployment {
    async fn start() -> Self {
        let server = RedisServer::start().await;
        let ingest = service("vote-ingest", &server).await;
        let results = service("vote-results", &server).await;
        Self {
            server,
            ingest,
            results,
        }
    }

    fn line(&self) -> String {
        line(self.ingest.1, self.results.1)
    }

    async fn votes(&self, poll: &str) -> Value {
        json(&self.server, &format!("audit {poll}")).await["total"].clone()
    }
}

fn line(ingest: SocketAddr, results: SocketAddr) -> String {
    format!("smoke --ingest http://{ingest} --results http://{results}")
}

fn names(report: &Value) -> Vec<&str> {
    let steps = report["steps"].as_array().expect("it is a list");
    steps
        .iter()
        .map(|step| step["step"].as_str().expect("it is text"))
        .collect()
}

/// As [`line`], fails with this code after two seconds at most; gives its report.
async fn failing(server: &RedisServer, line: &str, code: i32) -> (Value, String) {
    let exit = run(server, &format!("{line} --timeout 2s --output json")).await;
    assert_eq!(
        exit.code(),
        Some(code),
        "{}{}",
        exit.stdout(),
        exit.stderr()
    );
    let report: Value = serde_json::from_str(&exit.stdout()).expect("it is JSON");
    assert_eq!(report["passed"], false);
    (report, exit.stderr())
}

#[tokio::test]
async fn a_deployment_passes_and_each_test_adds_one_vote_to_a_rehearsal() {
    let deployment = Deployment::start().await;
    let server = &deployment.server;
    let report = json(server, &deployment.line()).await;
    assert_eq!(report["poll"], "smoke-01");
    assert_eq!(
        (&report["passed"], &report["failure"]),
        (&true.into(), &Value::Null)
    );
    assert_eq!(
        names(&report),
        [
            "poll", "ingest", "results", "vote", "repeat", "standing", "receipt", "audit"
        ]
    );
    let exit = run(server, &deployment.line()).await;
    let text = exit.stdout();
    assert_eq!(exit.code(), Some(0), "{text}{}", exit.stderr());
    for seen in [
        "smoke-01 is open, until 20",
        "422 unknown-candidate",
        "revision ",
        "201 accepted",
        "200 already_accepted",
        "2 votes",
        "in the tally, by batch ",
        "2 votes, all figures agree",
        "passed: one vote in smoke-01",
    ] {
        assert!(text.contains(seen), "{seen}: {text}");
    }
    let poll = json(server, "poll show smoke-01").await;
    assert_eq!(poll["poll"]["definition"]["kind"], "rehearsal");
    // Once that one is over, the next.
    json(server, "poll close smoke-01 --yes").await;
    assert_eq!(json(server, &deployment.line()).await["poll"], "smoke-02");
    assert_eq!(deployment.votes("smoke-01").await, 2);
    assert_eq!(deployment.votes("smoke-02").await, 1);
}

#[tokio::test]
async fn a_deployment_behind_tls_passes_where_it_is_trusted_and_else_is_said_not_to_be() {
    let deployment = Deployment::start().await;
    let certificates = Certificates::generate();
    let ingest = tls_in_front_of(deployment.ingest.1, &certificates).await;
    let results = tls_in_front_of(deployment.results.1, &certificates).await;
    let smoke = |trusted: &Certificates| {
        votectl()
            .env("SSL_CERT_FILE", trusted.authority())
            .env_remove("SSL_CERT_DIR")
            .args(["--redis", &deployment.server.url(), "smoke"])
            .args(["--ingest", &ingest, "--results", &results])
    };
    let exit = smoke(&certificates).spawn().wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    let strangers = Certificates::generate();
    let distrustful = smoke(&strangers).args(["--timeout", "1s"]);
    let exit = distrustful.spawn().wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(3), "{}", exit.stderr());
    assert!(
        exit.stderr().contains("invalid peer certificate"),
        "{}",
        exit.stderr()
    );
}

#[tokio::test]
async fn many_at_once_share_one_poll_and_all_pass() {
    let deployment = Deployment::start().await;
    let mut running: Vec<ChildProcess> = (0..4)
        .map(|_| {
            let line = deployment.line();
            let command = votectl().args(["--redis", &deployment.server.url()]);
            command.args(line.split(' ')).spawn()
        })
        .collect();
    for process in &mut running {
        let exit = process.wait(PATIENCE).await;
        assert_eq!(exit.code(), Some(0), "{}{}", exit.stdout(), exit.stderr());
    }
    assert_eq!(deployment.votes("smoke-01").await, 4);
}

#[tokio::test]
async fn a_rehearsal_of_ones_own_is_taken_and_a_live_poll_refused_before_anything_is_done() {
    let deployment = Deployment::start().await;
    let (server, dir) = (
        &deployment.server,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let error = fails(
        server,
        &format!("{} {}", deployment.line(), poll_file(dir.path())),
        2,
    )
    .await;
    assert!(
        error.contains("kind: must be rehearsal, is live") && error.contains("poll.yaml"),
        "{error}"
    );
    assert_eq!(json(server, "poll list").await, serde_json::json!([]));
    let file = dir.path().join("ensaio.yaml");
    let own = SMOKE_FILE
        .replace("id: smoke-01", "id: ensaio-geral")
        .replace("visibility: public", "visibility: percentages")
        .replace("shards: 1", "shards: 4");
    std::fs::write(&file, own).expect("the file can be written");
    let report = json(server, &format!("{} {}", deployment.line(), file.display())).await;
    assert_eq!(report["poll"], "ensaio-geral-01");
    assert_eq!(deployment.votes("ensaio-geral-01").await, 1);
    let refused = fails(server, &format!("{} --timeout 0s", deployment.line()), 2).await;
    assert!(refused.contains("--timeout"), "{refused}");
}

#[tokio::test]
async fn a_poll_of_the_series_that_is_live_or_paused_gets_no_vote() {
    let deployment = Deployment::start().await;
    let (server, dir) = (
        &deployment.server,
        tempfile::tempdir().expect("a temporary directory"),
    );
    json(server, &deployment.line()).await;
    json(server, "poll pause smoke-01").await;
    let (report, error) = failing(server, &deployment.line(), 1).await;
    assert_eq!(names(&report), ["poll"]);
    assert!(
        error.contains("smoke-01") && error.contains("it is paused"),
        "{error}"
    );
    let file = dir.path().join("live.yaml");
    let live = std::fs::read_to_string(poll_file(dir.path())).expect("the file can be read");
    std::fs::write(&file, live.replace("id: paredao-01", "id: smoke-02"))
        .expect("the file can be written");
    json(server, &format!("poll apply {}", file.display())).await;
    json(server, "poll open smoke-02").await;
    let (_, error) = failing(server, &deployment.line(), 1).await;
    assert!(
        error.contains("smoke-02") && error.contains("is live"),
        "{error}"
    );
    assert_eq!(deployment.votes("smoke-02").await, 0);
}

#[tokio::test]
async fn results_at_a_wrong_address_or_away_are_told_apart() {
    let mut deployment = Deployment::start().await;
    let server = &deployment.server;
    // Ingest answers there, and knows no standings.
    let wrong = line(deployment.ingest.1, deployment.ingest.1);
    let (report, error) = failing(server, &wrong, 1).await;
    assert_eq!(names(&report), ["poll", "ingest", "results"]);
    let failure = &report["failure"];
    assert_eq!(failure["step"], "results");
    assert_eq!(failure["got"], "404 not-found");
    let from = format!("http://{}/v1/polls/smoke-01/results", deployment.ingest.1);
    assert_eq!(failure["from"], from);
    assert!(
        error
            .contains("expected the standing of an open rehearsal, got 404 not-found from http://"),
        "{error}"
    );
    deployment.results.0.kill9();
    deployment.results.0.wait(PATIENCE).await;
    let (report, error) = failing(&deployment.server, &deployment.line(), 3).await;
    assert_eq!(report["failure"]["got"], "no connection");
    assert!(error.contains("no connection from http://"), "{error}");
    // Nothing was sent that counts.
    assert_eq!(deployment.votes("smoke-01").await, 0);
    let nowhere = line(
        SocketAddr::from(([127, 0, 0, 1], free_port())),
        deployment.results.1,
    );
    let (report, _) = failing(&deployment.server, &nowhere, 3).await;
    assert_eq!(report["failure"]["step"], "ingest");
}

#[tokio::test]
async fn another_redis_than_ours_is_found_out() {
    let (here, there) = (Deployment::start().await, Deployment::start().await);
    // Its ingest knows no poll of ours.
    let other = line(there.ingest.1, here.results.1);
    let (report, error) = failing(&here.server, &other, 1).await;
    assert_eq!(report["failure"]["step"], "ingest");
    assert!(
        error.contains("404 unknown-poll (is its Redis another one than redis://"),
        "{error}"
    );
    // Now both know one of that name, and only the figures tell.
    json(&there.server, &there.line()).await;
    let (report, error) = failing(&here.server, &other, 1).await;
    assert_eq!(report["failure"]["step"], "standing");
    assert!(
        error.contains("a total of at least 1, got revision"),
        "{error}"
    );
    assert_eq!(there.votes("smoke-01").await, 2);
    let (report, error) = failing(&here.server, &there.line(), 1).await;
    assert_eq!(report["failure"]["step"], "audit");
    assert!(error.contains("have another Redis"), "{error}");
    assert_eq!(here.votes("smoke-01").await, 0);
}

#[tokio::test]
async fn redis_away_exits_3_and_says_so() {
    let mut deployment = Deployment::start().await;
    deployment.server.stop().await;
    let (report, error) = failing(&deployment.server, &deployment.line(), 3).await;
    assert_eq!(names(&report), ["poll"]);
    assert!(error.contains("is Redis where --redis"), "{error}");
}
