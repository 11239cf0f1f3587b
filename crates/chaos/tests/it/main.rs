//! The suite itself, with one short scenario, against the real binaries.

use std::path::Path;
use std::process::{Command, Output};

fn chaos(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_vote-chaos");
    for service in ["vote-ingest", "vote-results", "votectl"] {
        let path = Path::new(program).with_file_name(service);
        assert!(
            path.exists(),
            "{} is missing: build it first with `cargo build --workspace --bins`",
            path.display()
        );
    }
    let done = Command::new(program).args(arguments).output();
    done.unwrap_or_else(|error| panic!("can't run {program}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A short run of the scenario in which Redis forgets its last second: exit code, and what was found.
fn tail_cut(more: &[&str]) -> (Option<i32>, serde_json::Value) {
    short_run("redis-tail-cut", more)
}

fn short_run(scenario: &str, more: &[&str]) -> (Option<i32>, serde_json::Value) {
    let logs = tempfile::tempdir();
    let logs = logs.unwrap_or_else(|error| panic!("no temporary directory: {error}"));
    let arguments = "--quick --votes 3000 --rate 1500 --output json --scenario";
    let mut arguments: Vec<&str> = arguments.split(' ').collect();
    arguments.push(scenario);
    let logs = logs.path().to_string_lossy();
    arguments.extend(["--logs", &logs]);
    arguments.extend(more);
    let done = chaos(&arguments);
    let report: serde_json::Value = serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", text(&done.stdout), text(&done.stderr)));
    (done.status.code(), report[0].clone())
}

#[test]
fn votes_that_redis_has_forgotten_are_recorded_again() {
    let (code, found) = tail_cut(&[]);
    assert_eq!(code, Some(0), "{found}");
    assert!(
        found["accepted"].as_u64().expect("it is a number") >= 3_000,
        "{found}"
    );
    assert_eq!((&found["lost"], &found["doubled"]), (&0.into(), &0.into()));
}

#[test]
fn votes_that_are_lost_are_found_to_be_lost() {
    // Redis forgets more than the ingest processes keep.
    let setting = "VOTE__COMMIT__REPLAY_WINDOW_S=1";
    let (code, found) = tail_cut(&["--tail", "4", "--setting", setting]);
    assert_eq!(code, Some(1), "{found}");
    assert!(
        found["lost"].as_u64().expect("it is a number") > 0,
        "{found}"
    );
    assert_eq!(found["doubled"], 0, "{found}");
}

#[test]
fn votes_that_ended_processes_have_left_in_files_are_recorded_once() {
    let (code, found) = short_run("ingest-spill", &[]);
    assert_eq!(code, Some(0), "{found}");
    assert_eq!((&found["lost"], &found["doubled"]), (&0.into(), &0.into()));

    // Without a directory there are no files, and the scenario says so.
    let setting = "VOTE__SPILL__DIR=";
    let (code, found) = short_run("ingest-spill", &["--setting", setting]);
    assert_eq!(code, Some(1), "{found}");
    let why = found["why"].as_str().expect("a reason");
    assert!(why.contains("0 files"), "{why}");
}

#[test]
fn scenarios_are_listed_and_an_unknown_one_is_refused() {
    let listed = text(&chaos(&["--list"]).stdout);
    assert!(
        listed.contains("redis-tail-cut") && listed.contains("ingest-sigterm"),
        "{listed}"
    );
    let refused = chaos(&["--scenario", "redis-typo"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("`redis-typo`"));
}
