//! `votectl poll demo`: a poll made from a file is open.

use crate::support::{PATIENCE, fails, json, poll_file, run, votectl};
use serde_json::Value;
use vote_testkit::{ChildProcess, RedisServer};

#[tokio::test]
async fn a_demo_poll_is_opened_once_and_the_next_one_when_it_is_over() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let demo = format!("poll demo {} --for 90m", poll_file(dir.path()));
    let first = json(&server, &demo).await;
    assert_eq!(
        (&first["poll"], &first["action"], &first["state"]),
        (&"paredao-01".into(), &"opened".into(), &"open".into())
    );
    let again = json(&server, &demo).await;
    let mut found = first.clone();
    found["action"] = "found".into();
    assert_eq!(again, found);
    json(&server, "poll pause paredao-01").await;
    let text = run(&server, &demo).await.stdout();
    assert!(
        text.contains("paredao-01 is paused") && text.contains("nothing was changed"),
        "{text}"
    );
    json(&server, "poll close paredao-01 --yes").await;
    // An operator's draft is not opened, and its number not taken.
    let draft =
        std::fs::read_to_string(dir.path().join("poll.yaml")).expect("the file can be read");
    let file = dir.path().join("draft.yaml");
    std::fs::write(&file, draft.replace("id: paredao-01", "id: paredao-02"))
        .expect("the file can be written");
    json(&server, &format!("poll apply {}", file.display())).await;
    let text = run(&server, &demo).await.stdout();
    assert!(text.contains("paredao-03 was opened, until 20"), "{text}");
    let list = json(&server, "poll list").await;
    let states: Vec<&str> = list
        .as_array()
        .expect("it is a list")
        .iter()
        .map(|poll| poll["state"].as_str().expect("it is text"))
        .collect();
    assert_eq!(states, ["closed", "draft", "open"]);
    assert_eq!(list[2]["title"], "Paredão 3");
}

#[tokio::test]
async fn of_many_at_once_one_opens_it_and_the_others_find_it() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let file = poll_file(dir.path());
    for poll in ["paredao-01", "paredao-02"] {
        let mut running: Vec<ChildProcess> = (0..8)
            .map(|_| {
                votectl()
                    .args(["--redis", &server.url()])
                    .args(["--output", "json", "poll", "demo", &file])
                    .spawn()
            })
            .collect();
        let mut opened = 0;
        for process in &mut running {
            let exit = process.wait(PATIENCE).await;
            assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
            let done: Value = serde_json::from_str(&exit.stdout()).expect("it is JSON");
            assert_eq!(done["poll"], poll);
            opened += u32::from(done["action"] == "opened");
        }
        assert_eq!(opened, 1);
        json(&server, &format!("poll close {poll} --yes")).await;
    }
    assert_eq!(
        json(&server, "poll list")
            .await
            .as_array()
            .expect("it is a list")
            .len(),
        2
    );
}

#[tokio::test]
async fn a_poll_that_somebody_could_not_list_is_listed() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let demo = format!("poll demo {}", poll_file(dir.path()));
    json(&server, &demo).await;
    // As if the first had failed between the poll and the list of all polls.
    let mut connection = server.connection().await;
    let removed: u32 = redis::cmd("SREM")
        .arg("vote:polls")
        .arg("paredao-01")
        .query_async(&mut connection)
        .await
        .expect("Redis answers");
    assert_eq!(removed, 1);
    let found = json(&server, &demo).await;
    assert_eq!(
        (&found["poll"], &found["action"]),
        (&"paredao-01".into(), &"found".into())
    );
    assert_eq!(json(&server, "poll list").await[0]["poll"], "paredao-01");
}

#[tokio::test]
async fn the_file_may_come_by_standard_input_and_wrong_input_exits_2() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let file = poll_file(dir.path());
    let line = format!("exec \"$0\" --redis {} poll demo - <{file}", server.url());
    let exit = ChildProcess::builder("bash")
        .args(["-c", &line, env!("CARGO_BIN_EXE_votectl")])
        .spawn()
        .wait(PATIENCE)
        .await;
    assert!(
        exit.stdout().contains("paredao-01 was opened"),
        "{}{}",
        exit.stdout(),
        exit.stderr()
    );
    json(&server, "poll close paredao-01 --yes").await;
    let demo = format!("poll demo {file}");
    assert!(
        fails(&server, &format!("{demo} --for 0s"), 2)
            .await
            .contains("--for")
    );
    let error = fails(&server, &format!("{demo} --for 9000h"), 2).await;
    assert!(error.contains("closes_at"), "{error}");
    fails(&server, "poll demo /nowhere/poll.yaml", 2).await;
    assert_eq!(
        json(&server, "poll list")
            .await
            .as_array()
            .expect("it is a list")
            .len(),
        1
    );
}
