//! Polls and their states, without any service.

use crate::support::{PATIENCE, applied, fails, json, poll_file, run, votectl};
use vote_testkit::RedisServer;

#[tokio::test]
async fn applying_is_idempotent_and_shows_what_differs() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let file = poll_file(dir.path());
    let dry = json(&server, &format!("poll apply {file} --dry-run")).await;
    assert_eq!(
        (&dry["action"], &dry["dry_run"]),
        (&"created".into(), &true.into())
    );
    assert_eq!(json(&server, "poll list").await, serde_json::json!([]));
    assert_eq!(
        json(&server, &format!("poll apply {file}")).await["action"],
        "created"
    );
    let again = json(&server, &format!("poll apply {file}")).await;
    assert_eq!(
        (&again["action"], &again["revision"]),
        (&"unchanged".into(), &1.into())
    );
    let changed = std::fs::read_to_string(&file)
        .expect("the file can be read")
        .replace("name: Ana", "name: Ana Maria");
    std::fs::write(&file, changed).expect("the file can be written");
    let changed = json(&server, &format!("poll apply {file}")).await;
    assert_eq!(changed["differences"][0]["to"], "Ana Maria");
    let list = json(&server, "poll list").await;
    assert_eq!(
        (&list[0]["poll"], &list[0]["revision"]),
        (&"paredao-01".into(), &2.into())
    );
}

#[tokio::test]
async fn of_several_files_none_is_applied_where_one_is_refused() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let first = poll_file(dir.path());
    let text = std::fs::read_to_string(&first).expect("the file can be read");
    let second = dir.path().join("second.yaml");
    let second = second.to_str().expect("the path is UTF-8");
    let write = |text: String| std::fs::write(second, text).expect("the file can be written");
    let both = format!("poll apply {first} {second}");

    write(
        text.replace("id: paredao-01", "id: paredao-02")
            .replace("weight: 30", "weight: 0"),
    );
    let error = fails(&server, &both, 2).await;
    assert!(error.contains("channels[0].weight"), "{error}");
    write(text.clone());
    let error = fails(&server, &both, 2).await;
    assert!(error.contains("two of the files"), "{error}");
    assert_eq!(json(&server, "poll list").await, serde_json::json!([]));

    write(text.replace("id: paredao-01", "id: paredao-02"));
    let done = json(&server, &both).await;
    assert_eq!(done[0]["poll"], "paredao-01");
    assert_eq!(
        (&done[1]["poll"], &done[1]["action"]),
        (&"paredao-02".into(), &"created".into())
    );

    run(&server, "poll void paredao-02 --reason test --yes").await;
    std::fs::write(&first, text.replace("name: Ana", "name: Ana Maria"))
        .expect("the file can be written");
    write(
        text.replace("id: paredao-01", "id: paredao-02")
            .replace("name: Bia", "name: Bianca"),
    );
    let error = fails(&server, &both, 1).await;
    assert!(error.contains("paredao-02"), "{error}");
    let shown = json(&server, "poll list").await;
    assert_eq!(shown[0]["revision"], 1, "the first is as it was: {shown}");
}

#[tokio::test]
async fn a_wrong_file_writes_nothing_and_exits_2() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let file = poll_file(dir.path());
    let good = std::fs::read_to_string(&file).expect("the file can be read");
    for (right, wrong, says) in [
        ("weight: 30", "weight: 0", "channels[0].weight"),
        ("id: bia", "id: ana", "candidates[1].id"),
        ("closes_at: 20", "closes_at: 10", "closes_at"),
        ("direction: eliminate", "direction: both", "direction"),
        ("shards: 1", "shards: 1\nsurprise: 1", "surprise"),
    ] {
        assert!(good.contains(right), "{right}");
        std::fs::write(&file, good.replace(right, wrong)).expect("the file can be written");
        let error = fails(&server, &format!("poll apply {file}"), 2).await;
        assert!(
            error.contains(says) && error.contains("nothing was written"),
            "{wrong}: {error}"
        );
    }
    assert!(
        fails(&server, "poll apply /nowhere/poll.yaml", 2)
            .await
            .contains("/nowhere/poll.yaml")
    );
    assert_eq!(json(&server, "poll list").await, serde_json::json!([]));
}

#[tokio::test]
async fn a_poll_goes_through_its_states_and_refuses_wrong_ways() {
    let (server, _dir, _file) = applied().await;
    assert!(
        fails(&server, "poll pause paredao-01", 1)
            .await
            .contains("draft")
    );
    for (command, state) in [("open", "open"), ("pause", "paused"), ("resume", "open")] {
        assert_eq!(
            json(&server, &format!("poll {command} paredao-01")).await["state"],
            state
        );
    }
    // Where it is already, it is brought again; where that state can't be reached from, it is not.
    let again = json(&server, "poll open paredao-01").await;
    assert_eq!(again["state"], "open");
    fails(&server, "poll seal paredao-01 --yes", 1).await;
    let closes_at = json(&server, "poll list").await[0]["closes_at"].clone();
    let extended = json(&server, "poll extend paredao-01 --for 1h30m").await;
    assert_ne!(extended["closes_at"], closes_at);
    let earlier = format!(
        "poll extend paredao-01 --until {}",
        closes_at.as_str().expect("it is text")
    );
    assert!(fails(&server, &earlier, 1).await.contains("later"));
    assert_eq!(
        json(&server, "poll close paredao-01 --yes").await["state"],
        "closed"
    );
    let shown = json(&server, "poll show paredao-01").await;
    let actions: Vec<&str> = shown["poll"]["log"]
        .as_array()
        .expect("it is a list")
        .iter()
        .map(|entry| entry["action"].as_str().expect("it is text"))
        .collect();
    assert_eq!(
        actions,
        ["apply", "open", "pause", "resume", "extend", "close"]
    );
    assert_eq!(shown["poll"]["log"][1]["by"], "tester");
}

/// Who knows it can choose keys that all fall into one field.
#[tokio::test]
async fn a_poll_keeps_the_seed_of_its_keys_and_does_not_show_it() {
    let (server, _dir, file) = applied().await;
    let mut redis = server.connection().await;
    let mut seed = async || {
        let mut get = redis::cmd("GET");
        let document = get.arg("vote:poll:paredao-01");
        let document: String = document.query_async(&mut redis).await.expect("it is there");
        let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
        document["key_seed"].as_str().expect("a seed").to_owned()
    };
    let drawn = seed().await;
    assert_eq!(drawn.len(), 32, "{drawn}");
    let text = std::fs::read_to_string(&file).expect("the file can be read");
    let text = text.replace("name: Ana", "name: Ana Maria");
    std::fs::write(&file, text).expect("the file can be written");
    json(&server, &format!("poll apply {file}")).await;
    json(&server, "poll open paredao-01").await;
    assert_eq!(seed().await, drawn);
    for arguments in [
        "poll show paredao-01",
        "poll show paredao-01 --output json",
        "poll journal paredao-01",
        "poll list --output json",
    ] {
        let shown = run(&server, arguments).await;
        assert_eq!(shown.code(), Some(0), "{}", shown.stderr());
        let shown = format!("{}{}", shown.stdout(), shown.stderr());
        assert!(!shown.contains(&drawn), "{arguments}: {shown}");
    }
}

#[tokio::test]
async fn voiding_needs_a_yes() {
    let (server, _dir, _file) = applied().await;
    assert!(
        fails(&server, "poll void paredao-01", 2)
            .await
            .contains("--yes")
    );
    assert_eq!(
        json(&server, "poll void paredao-01 --yes").await["state"],
        "void"
    );
    // Repeated: it fences what an earlier attempt has not, and has nothing to ask.
    let again = run(&server, "poll void paredao-01").await;
    assert_eq!(again.code(), Some(0), "{again:?}");
    assert!(
        again.stderr().contains("all shards have its state"),
        "{again:?}"
    );
    // No other way leads out of it.
    fails(&server, "poll open paredao-01", 1).await;
}

#[tokio::test]
async fn an_audit_names_the_first_difference_and_exits_1() {
    let (server, _dir, _file) = applied().await;
    json(&server, "audit paredao-01").await;
    // What no script of ours does: a tally that gains a vote by itself.
    let mut connection = server.connection().await;
    let _: () = redis_incr(&mut connection, "vote:{paredao-01/0}:tally", "torcida/ana").await;
    let exit = run(&server, "audit paredao-01").await;
    assert_eq!(exit.code(), Some(1));
    assert!(
        exit.stdout()
            .contains("DIFFERENCE shard 0, channel torcida, candidate ana"),
        "{}",
        exit.stdout()
    );
    assert!(exit.stderr().contains("shard 0"), "{}", exit.stderr());
}

async fn redis_incr(connection: &mut redis::aio::MultiplexedConnection, key: &str, field: &str) {
    redis::cmd("HINCRBY")
        .arg(key)
        .arg(field)
        .arg(1)
        .exec_async(connection)
        .await
        .expect("Redis answers");
}

#[tokio::test]
async fn what_is_missing_or_away_is_said_with_its_own_exit_code() {
    let mut server = RedisServer::start().await;
    assert!(
        fails(&server, "poll show nothing", 2)
            .await
            .contains("there are no polls yet")
    );
    assert!(
        fails(&server, "receipt verify v1.a.b", 2)
            .await
            .contains("--key-file")
    );
    assert!(
        fails(&server, "load --votes 1", 2)
            .await
            .contains("poll apply")
    );
    server.kill9();
    assert!(fails(&server, "poll list", 3).await.contains("--redis"));
    let exit = votectl()
        .args(["poll", "list", "--redis", "nonsense"])
        .spawn()
        .wait(PATIENCE)
        .await;
    assert_eq!(exit.code(), Some(2));
}
