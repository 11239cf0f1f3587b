//! The commands of README.md and of the pages in docs/ work as pasted.
//!
//! A page's blocks that begin with "```sh tested" are run, in the order of the page and in one shell, against
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

/// The pages with commands to paste, each for a shell of its own.
const PAGES: [&str; 3] = ["README.md", "docs/api.md", "docs/show.md"];

/// The commands of a page that are to work.
fn commands(page: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(page);
    let page = fs::read_to_string(path).expect("the page is there");
    let (tested, others): (Vec<_>, Vec<_>) =
        blocks(&page).into_iter().partition(|(tested, _)| *tested);
    for (_, block) in &others {
        assert!(!block.contains("curl"), "not marked as tested:\n{block}");
    }
    tested.into_iter().map(|(_, block)| block).collect()
}

/// The script with this machine's addresses and binaries for those that the pages show.
fn adapted(script: &str, dev: &Dev) -> String {
    let mut script = script.to_owned();
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
    script
        .replace("redis://127.0.0.1:16379", dev.text("redis"))
        .replace(".dev/voter-key.json", dev.text("voter_key_file"))
        .replace(".dev/gateway-token", dev.text("gateway_token_file"))
        .replace(
            "$PWD/target/release",
            binaries.to_str().expect("a path in UTF-8"),
        )
}

#[tokio::test]
async fn the_commands_of_the_pages_work_as_pasted() {
    let curl = Command::new("curl").arg("--version").output();
    assert!(
        curl.is_ok_and(|curl| curl.status.success()),
        "curl is missing: install it (apt-get install curl), the pages' commands are tested with it"
    );
    let dir = tempfile::tempdir().expect("a directory");
    let dev = Dev::start(&dir.path().join("data")).await;
    let mut exits = Vec::new();
    for page in PAGES {
        let commands = commands(page);
        assert!(commands.lines().count() > 5, "{page}: {commands}");
        let script = adapted(&format!("{PROLOGUE}{commands}"), &dev);
        let exit = ChildProcess::builder("bash")
            .args(["-c", &script])
            .current_dir(dir.path())
            .spawn()
            .wait(PATIENCE)
            .await;
        exits.push((page, script, exit));
    }
    // Before anything can fail: its directory, which says what to stop, goes with the test.
    let stopped = dev.stop().await;
    for (page, script, exit) in exits {
        assert_eq!(
            exit.code(),
            Some(0),
            "{page}: {}{}\nthe script, with its lines' numbers:\n{}",
            exit.stdout(),
            exit.stderr(),
            numbered(&script)
        );
    }
    assert_eq!(stopped.code(), Some(0), "{}", stopped.stderr());
}

fn numbered(script: &str) -> String {
    script
        .lines()
        .enumerate()
        .map(|(i, line)| format!("{:>3}  {line}\n", i + 1))
        .collect()
}
