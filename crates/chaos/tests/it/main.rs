//! The suite itself, with one short scenario, against the real binaries.

use std::path::Path;
use std::process::{Command, Output};

fn chaos(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_vote-chaos");
    for service in ["vote-ingest", "vote-results"] {
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

#[test]
fn votes_that_redis_has_forgotten_are_found_again_to_the_vote() {
    let logs = tempfile::tempdir().unwrap();
    let logs = logs.path().to_str().unwrap();
    let arguments = "--quick --scenario redis-tail-cut --votes 3000 --rate 1500 --output json";
    let mut arguments: Vec<&str> = arguments.split(' ').collect();
    arguments.extend(["--logs", logs]);
    let done = chaos(&arguments);
    assert!(
        done.status.success(),
        "{}\n{}",
        text(&done.stderr),
        text(&done.stdout)
    );
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let found = &report[0];
    assert_eq!(found["outcome"], "done", "{report}");
    assert!(found["accepted"].as_u64().unwrap() >= 3_000, "{report}");
    assert_eq!((&found["lost"], &found["doubled"]), (&0.into(), &0.into()));
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
