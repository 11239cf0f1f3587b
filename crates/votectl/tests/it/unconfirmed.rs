//! What exit code 4 and its advice come to: the same command says 4 for as long as no replica has the change, and 0 from then on.

use crate::support::{PATIENCE, fails, json, poll_file, run, votectl};
use crate::written::{drafted, pair};
use serde_json::Value;
use vote_domain::wire_time;
use vote_testkit::{Exit, Fault, FaultProxy, RedisServer};

const POLL: &str = "paredao-01";

/// An open poll on a master, and its replica.
async fn opened() -> (RedisServer, RedisServer, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (master, replica) = pair("").await;
    drafted(&master, &dir).await;
    json(&master, &format!("poll open {POLL}")).await;
    (master, replica, dir)
}

/// Runs the command with its replica standing still, twice, and then with the replica back.
async fn repeated(master: &RedisServer, replica: &RedisServer, line: &str) -> [Exit; 3] {
    replica.pause();
    let first = run(master, line).await;
    let second = run(master, line).await;
    for exit in [&first, &second] {
        let said = exit.stderr();
        assert_eq!(exit.code(), Some(4), "{line}: {said}");
        assert!(said.contains("Repeat the command when"), "{line}: {said}");
    }
    replica.resume();
    let third = run(master, line).await;
    assert_eq!(third.code(), Some(0), "{line}: {}", third.stderr());
    assert!(!third.stderr().contains("warning"), "{line}: {third:?}");
    [first, second, third]
}

#[tokio::test]
async fn each_change_is_repeated_until_a_replica_has_it() {
    let (master, replica, _dir) = opened().await;
    for line in [
        format!("poll hold {POLL}"),
        format!("poll release {POLL} --yes"),
        format!("poll pause {POLL}"),
        format!("poll resume {POLL}"),
        format!("poll visibility {POLL} percentages"),
        format!("poll withdraw {POLL} ana --reason saiu --yes"),
        format!("poll withdraw {POLL} ana --undo --reason voltou"),
        // None is undecided; whether replicas have an earlier decision is said all the same.
        format!("quarantine release {POLL} --reason deny_list --why live --yes"),
        format!("poll close {POLL} --yes"),
    ] {
        repeated(&master, &replica, &line).await;
    }
}

#[tokio::test]
async fn a_file_that_changes_a_sealed_poll_is_applied_again_until_a_replica_has_it() {
    let (master, replica, dir) = opened().await;
    json(&master, &format!("poll close {POLL} --yes")).await;
    json(&master, &format!("poll seal {POLL} --now --yes")).await;
    let file = dir.path().join("poll.yaml");
    let text = std::fs::read_to_string(&file).expect("the file");
    let embargoed = text.replace("visibility: public\n", "visibility: embargoed\n");
    assert_ne!(text, embargoed);
    std::fs::write(&file, embargoed).expect("it is written");
    let line = format!("poll apply {}", file.display());
    let [first, second, _] = repeated(&master, &replica, &line).await;
    assert!(
        first.stdout().contains("changed") && second.stdout().contains("is unchanged"),
        "{first:?}, {second:?}"
    );
    assert_eq!(json(&master, "audit paredao-01").await["passed"], true);
}

#[tokio::test]
async fn voiding_is_repeated_until_a_replica_has_it() {
    let (master, replica, _dir) = opened().await;
    let void = format!("poll void {POLL} --yes");
    let [first, second, _] = repeated(&master, &replica, &void).await;
    assert_eq!(first.stdout(), second.stdout());
    assert!(second.stderr().contains("it had been done"), "{second:?}");
    assert_eq!(json(&master, "audit paredao-01").await["passed"], true);
}

#[tokio::test]
async fn a_demo_poll_that_no_replica_has_is_said() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (master, replica) = pair("").await;
    let line = format!("poll demo {}", poll_file(dir.path()));
    let [first, second, _] = repeated(&master, &replica, &line).await;
    assert!(
        first.stdout().contains("was opened") && second.stdout().contains("nothing was changed"),
        "{first:?}, {second:?}"
    );
}

#[tokio::test]
async fn a_deletion_is_repeated_until_a_replica_has_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (master, replica) = pair("").await;
    drafted(&master, &dir).await;
    let [_, second, _] = repeated(&master, &replica, &format!("poll delete {POLL} --yes")).await;
    assert!(
        second.stderr().contains("it had been deleted"),
        "{second:?}"
    );
    // The id is free.
    drafted(&master, &dir).await;
}

#[tokio::test]
async fn an_import_is_repeated_until_a_replica_has_it() {
    let (source, _source_replica, dir) = opened().await;
    let backup = dir.path().join("backup.json");
    let backup = backup.to_str().expect("UTF-8");
    let export = format!("export {POLL} --what backup --file {backup}");
    assert_eq!(run(&source, &export).await.code(), Some(0));
    let (master, replica) = pair("").await;
    let import = format!("import {backup}");
    let [_, second, _] = repeated(&master, &replica, &import).await;
    assert!(second.stdout().contains("is complete"), "{second:?}");
    assert_eq!(json(&master, "audit paredao-01").await["passed"], true);
    // From then on it is a poll as any other.
    let taken = fails(&master, &import, 1).await;
    assert!(taken.contains("already holds something"), "{taken}");
}

#[tokio::test]
async fn a_draft_whose_import_was_not_confirmed_is_deleted_and_its_id_is_free() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (source, _source_replica) = pair("").await;
    drafted(&source, &dir).await;
    let backup = dir.path().join("backup.json");
    let backup = backup.to_str().expect("UTF-8");
    let export = format!("export {POLL} --what backup --file {backup}");
    assert_eq!(run(&source, &export).await.code(), Some(0));
    let (master, replica) = pair("").await;
    replica.pause();
    fails(&master, &format!("import {backup}"), 4).await;
    replica.resume();
    json(&master, &format!("poll delete {POLL} --yes")).await;
    drafted(&master, &dir).await;
}

#[tokio::test]
async fn a_refusal_hides_no_change_that_replicas_lack() {
    let (master, replica, _dir) = opened().await;
    replica.pause();
    // It writes the fences again, and then refuses.
    let undo = format!("poll withdraw {POLL} bia --undo --reason engano");
    let said = fails(&master, &undo, 1).await;
    assert!(
        said.contains("bia is not withdrawn") && said.contains("no replica has confirmed it"),
        "{said}"
    );
}

/// When the poll closes.
async fn closes_at(server: &RedisServer) -> String {
    let shown = json(server, &format!("poll show {POLL}")).await;
    let closes_at = shown["poll"]["closes_at"].as_str();
    closes_at.expect("a time").to_owned()
}

/// That many minutes later.
fn later(time: &str, minutes: i64) -> String {
    let time = wire_time::parse(time).expect("an instant");
    wire_time::format(time + jiff::SignedDuration::from_mins(minutes))
}

/// The command that is named as the repeat, without `votectl`.
fn named(said: &str) -> String {
    let (_, command) = said.split_once("Repeat it as `votectl ").expect(said);
    command.split_once('`').expect(said).0.to_owned()
}

#[tokio::test]
async fn an_extension_by_a_duration_is_repeated_by_its_end_and_extends_once() {
    let (master, replica, _dir) = opened().await;
    let end = later(&closes_at(&master).await, 10);
    replica.pause();
    let first = run(&master, &format!("poll extend {POLL} --for 10m")).await;
    assert_eq!(first.code(), Some(4), "{}", first.stderr());
    let repeat = named(&first.stderr());
    assert_eq!(repeat, format!("poll extend {POLL} --until {end}"));
    assert_eq!(closes_at(&master).await, end);
    let again = fails(&master, &repeat, 4).await;
    assert!(again.contains("Repeat the command when"), "{again}");
    assert_eq!(closes_at(&master).await, end);

    let other = run(&master, &format!("poll extend {POLL} --for 5m -o json")).await;
    assert_eq!(other.code(), Some(4), "{}", other.stderr());
    let document: Value = serde_json::from_str(&other.stdout()).expect("JSON");
    let end = later(&end, 5);
    let repeat = format!("poll extend {POLL} --until {end}");
    assert_eq!(document["repeat"], format!("votectl {repeat}"));
    assert_eq!(document["closes_at"], end);
    replica.resume();
    let confirmed = json(&master, &repeat).await;
    assert_eq!(confirmed["closes_at"], end);
    assert!(confirmed.get("repeat").is_none(), "{confirmed}");
    // Where nothing has to be repeated, nothing is said of it.
    let confirmed = json(&master, &format!("poll extend {POLL} --for 5m")).await;
    assert!(confirmed.get("repeat").is_none(), "{confirmed}");
}

/// Runs the command over the proxy.
async fn over(proxy: &FaultProxy, line: &str) -> Exit {
    let command = votectl()
        .args(["--redis", &proxy.url()])
        .args(line.split(' '));
    command.spawn().wait(PATIENCE).await
}

#[tokio::test]
async fn an_extension_that_was_cut_off_anywhere_is_repeated_by_its_end_and_extends_once() {
    let server = RedisServer::start().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    drafted(&server, &dir).await;
    json(&server, &format!("poll open {POLL}")).await;
    let proxy = FaultProxy::start(server.port()).await;
    proxy.only(["EVALSHA"]);
    let mut reached = Vec::new();
    for (place, cut) in [
        (0, Fault::CutBeforeRequest),
        (0, Fault::CutBeforeReply),
        (1, Fault::CutBeforeRequest),
        (1, Fault::CutBeforeReply),
    ] {
        for form in ["text", "json"] {
            let before = closes_at(&server).await;
            let end = later(&before, 10);
            let mut faults = vec![Fault::Pass; place];
            faults.push(cut);
            proxy.schedule(faults);
            let line = format!("poll extend {POLL} --for 10m --output {form}");
            let exit = over(&proxy, &line).await;
            assert_eq!(exit.code(), Some(3), "{place}: {exit:?}");
            reached.push(closes_at(&server).await == end);
            let repeat = format!("poll extend {POLL} --until {end}");
            assert_eq!(named(&exit.stderr()), repeat);
            if form == "json" {
                let document: Value = serde_json::from_str(&exit.stdout()).expect("JSON");
                assert_eq!(document["repeat"], format!("votectl {repeat}"));
            }
            let repeated = json(&server, &repeat).await;
            assert_eq!(repeated["closes_at"], end);
            assert_eq!(json(&server, "audit paredao-01").await["passed"], true);
        }
    }
    // Some were written, and some were not: nobody could know.
    assert!(reached.contains(&true) && reached.contains(&false));
}
