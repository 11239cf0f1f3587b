//! `votectl poll list` where not all is well: polls that can't be read, and polls that are gone.

use crate::support::{PATIENCE, applied, fails, run, votectl};
use serde_json::Value;
use std::path::Path;
use vote_testkit::{Exit, RedisServer};

async fn say(server: &RedisServer, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    let mut connection = server.connection().await;
    let answer = command.arg(&words[1..]).exec_async(&mut connection).await;
    answer.expect("Redis does it");
}

/// As an operator whose state directory this is.
async fn remembering(server: &RedisServer, states: &Path, line: &str) -> Exit {
    votectl()
        .env("VOTECTL_STATE_DIR", states.to_str().expect("UTF-8"))
        .args(["--redis", &server.url()])
        .args(line.split(' '))
        .spawn()
        .wait(PATIENCE)
        .await
}

#[tokio::test]
async fn a_poll_that_cannot_be_read_is_a_row_beside_the_good_ones() {
    let (server, _dir, _file) = applied().await;
    say(
        &server,
        &[
            "SADD",
            "vote:polls",
            "broken",
            "gone",
            "odd",
            "NO ID\u{1b}[2J",
        ],
    )
    .await;
    say(&server, &["SET", "vote:poll:broken", "{"]).await;
    say(&server, &["HSET", "vote:poll:odd", "a", "b"]).await;
    let exit = run(&server, "poll list").await;
    assert_eq!(exit.code(), Some(1));
    let (list, said) = (exit.stdout(), exit.stderr());
    assert!(
        list.contains("paredao-01") && list.contains("draft"),
        "{list}"
    );
    assert_eq!(list.matches("UNREADABLE").count(), 4, "{list}");
    for part in [
        "broken can't be read",
        "gone can't be read: vote:poll:gone",
        "nothing is there",
        "odd can't be read",
        "is no id of a poll",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(
        !list.contains('\u{1b}') && !said.contains('\u{1b}'),
        "{said}"
    );

    let exit = run(&server, "poll list --output json").await;
    assert_eq!(exit.code(), Some(1));
    let list: Value = serde_json::from_str(&exit.stdout()).expect("JSON");
    let of = |id: &str| {
        let entries = list.as_array().expect("a list").iter();
        let mut found = entries.filter(|one| one["poll"] == id);
        found.next().expect("it is listed").clone()
    };
    assert_eq!(of("paredao-01")["state"], "draft");
    assert!(of("paredao-01")["error"].is_null());
    assert!(of("broken")["error"].is_string() && of("broken")["state"].is_null());

    // The good ones are as good as ever, for other commands too.
    assert_eq!(run(&server, "poll open paredao-01").await.code(), Some(0));
    let said = fails(&server, "poll show other", 2).await;
    assert!(said.contains("paredao-01"), "{said}");
}

#[tokio::test]
async fn after_a_lost_data_set_the_polls_that_were_there_are_missed() {
    let (server, dir, _file) = applied().await;
    let states = dir.path().join("states");
    let exit = remembering(&server, &states, "poll list").await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    let exit = remembering(&server, &states, "poll open paredao-01").await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());

    say(&server, &["FLUSHALL"]).await;
    let exit = remembering(&server, &states, "poll list").await;
    assert_eq!(exit.code(), Some(1));
    let said = exit.stderr();
    for part in [
        "paredao-01 is gone: it was there, open, at ",
        "votectl import",
        "--forget-gone",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!exit.stdout().contains("no polls yet"), "{}", exit.stdout());
    let exit = remembering(&server, &states, "poll list --output json").await;
    let list: Value = serde_json::from_str(&exit.stdout()).expect("JSON");
    assert_eq!(list[0]["poll"], "paredao-01");
    assert_eq!(list[0]["last_state"], "open");
    let exit = remembering(&server, &states, "poll show paredao-01").await;
    assert_eq!(exit.code(), Some(2));
    assert!(
        exit.stderr().contains("Redis has lost it"),
        "{}",
        exit.stderr()
    );

    let exit = remembering(&server, &states, "poll list --forget-gone").await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    let exit = remembering(&server, &states, "poll list").await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    assert!(exit.stdout().contains("no polls yet"));
}

#[tokio::test]
async fn what_an_operator_has_deleted_is_not_missed_and_no_command_fails_without_a_memory() {
    let (server, dir, file) = applied().await;
    let states = dir.path().join("states");
    let apply = format!("poll apply {file}");
    for line in [apply.as_str(), "poll delete paredao-01 --yes", "poll list"] {
        let exit = remembering(&server, &states, line).await;
        assert_eq!(exit.code(), Some(0), "{line}: {}", exit.stderr());
    }
    let remembered = std::fs::read_to_string(states.join("polls.json"));
    let remembered = remembered.expect("a file");
    assert!(!remembered.contains("paredao-01"), "{remembered}");
    // A directory that can't be.
    let exit = remembering(&server, Path::new(&file), apply.as_str()).await;
    assert_eq!((exit.code(), exit.stderr().as_str()), (Some(0), ""));
}
