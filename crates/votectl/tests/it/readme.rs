//! The commands of README.md work as pasted.
//!
//! A block that begins with "```sh tested" is run, in the order of the page and in one shell, against
//! `votectl dev` on free ports. Every `curl` must get an answer below 400.

use crate::dev::Dev;
use crate::support::{PATIENCE, binary};
use std::fs;
use std::path::Path;
use std::process::Command;
use vote_testkit::ChildProcess;

/// Says which line failed, and makes curl fail with an answer of 400 and above.
const PROLOGUE: &str = r#"
set -euo pipefail
trap 'echo "failed in line $LINENO" >&2' ERR
curl() { command curl --fail-with-body --max-time 30 "$@" || return; }
"#;

/// The blocks of shell commands: whether each is tested, and its lines.
fn blocks(readme: &str) -> Vec<(bool, String)> {
    let mut blocks = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```sh") else {
            continue;
        };
        let body = lines.by_ref().take_while(|line| *line != "```");
        let body = body.map(|line| format!("{line}\n")).collect();
        blocks.push((info == " tested", body));
    }
    blocks
}

#[tokio::test]
async fn the_commands_of_the_readme_work_as_pasted() {
    let curl = Command::new("curl").arg("--version").output();
    assert!(
        curl.is_ok_and(|curl| curl.status.success()),
        "curl is missing: install it (apt-get install curl), README.md's commands are tested with it"
    );
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let blocks = blocks(&fs::read_to_string(readme).unwrap());
    let (tested, others): (Vec<_>, Vec<_>) = blocks.into_iter().partition(|(tested, _)| *tested);
    for (_, block) in &others {
        assert!(!block.contains("curl"), "not marked as tested:\n{block}");
    }
    let commands: String = tested.into_iter().map(|(_, block)| block).collect();
    assert!(commands.matches("curl ").count() > 5, "{commands}");

    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data")).await;
    let mut script = format!("{PROLOGUE}{commands}");
    for (port, name) in [
        (8080, "vote"),
        (8081, "results"),
        (9080, "ingest_admin"),
        (9081, "results_admin"),
    ] {
        let address = dev.address(name).to_string();
        script = script.replace(&format!("127.0.0.1:{port}"), &address);
    }
    let binaries = binary("vote-ingest").with_file_name("");
    let script = script
        .replace("redis://127.0.0.1:16379", dev.text("redis"))
        .replace("$PWD/target/release", binaries.to_str().unwrap());
    let exit = ChildProcess::builder("bash")
        .args(["-c", &script])
        .current_dir(dir.path())
        .spawn()
        .wait(PATIENCE)
        .await;
    // Before anything can fail: its directory, which says what to stop, goes with the test.
    let stopped = dev.stop().await;
    assert_eq!(
        exit.code(),
        Some(0),
        "{}{}\nthe script, with its lines' numbers:\n{}",
        exit.stdout(),
        exit.stderr(),
        numbered(&script)
    );
    assert_eq!(stopped.code(), Some(0), "{}", stopped.stderr());
}

fn numbered(script: &str) -> String {
    script
        .lines()
        .enumerate()
        .map(|(i, line)| format!("{:>3}  {line}\n", i + 1))
        .collect()
}
