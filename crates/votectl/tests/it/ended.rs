//! Polls whose end comes by the clock, without anybody at the keyboard.

use crate::support::{fails, json, poll_file, run};
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::time::Duration;
use vote_domain::{Clock, wire_time};
use vote_runtime::SystemClock;
use vote_testkit::{RedisServer, eventually};

/// The file of a poll that ends then.
fn ending(dir: &Path, closes_at: Timestamp) -> String {
    let file = poll_file(dir);
    let text = std::fs::read_to_string(&file).expect("the file can be read");
    let line = text.lines().find(|line| line.starts_with("closes_at: "));
    let closes_at = format!("closes_at: {}", wire_time::format(closes_at));
    let text = text.replace(line.expect("it is there"), &closes_at);
    std::fs::write(&file, text).expect("the file can be written");
    file
}

/// A poll that was opened, and has ended by the clock.
async fn ended(server: &RedisServer, dir: &Path) {
    let closes_at = SystemClock.now() + SignedDuration::from_secs(4);
    json(server, &format!("poll apply {}", ending(dir, closes_at))).await;
    json(server, "poll open paredao-01").await;
    eventually(Duration::from_secs(30), || async {
        SystemClock.now() >= closes_at
    })
    .await;
}

#[tokio::test]
async fn a_poll_whose_end_has_come_cannot_be_opened_and_can_be_mended() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let past = SystemClock.now() - SignedDuration::from_mins(1);
    let applied = run(&server, &format!("poll apply {}", ending(dir.path(), past))).await;
    assert_eq!(applied.code(), Some(0), "{}", applied.stderr());
    let end = wire_time::format(past);
    assert!(
        applied.stderr().contains(&format!("({end}), has come")),
        "{}",
        applied.stderr()
    );
    assert!(
        !applied.stdout().contains("it takes votes after"),
        "{}",
        applied.stdout()
    );
    let refused = fails(&server, "poll open paredao-01", 1).await;
    assert!(
        refused.contains(&end) && refused.contains("apply it with a later closes_at"),
        "{refused}"
    );
    let later = SystemClock.now() + SignedDuration::from_hours(1);
    let applied = run(
        &server,
        &format!("poll apply {}", ending(dir.path(), later)),
    )
    .await;
    assert_eq!((applied.code(), applied.stderr().as_str()), (Some(0), ""));
    assert_eq!(json(&server, "poll open paredao-01").await["state"], "open");
}

#[tokio::test]
async fn an_open_poll_whose_end_has_come_is_not_said_to_be_open_again() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    ended(&server, dir.path()).await;
    let mut redis = server.connection().await;
    for command in ["open", "resume"] {
        // The shards have its state all the same, in case the first attempt had ended half-way.
        let mut del = redis::cmd("DEL");
        del.arg("vote:{paredao-01/0}:state");
        del.exec_async(&mut redis).await.expect("it is there");
        let refused = fails(&server, &format!("poll {command} paredao-01"), 1).await;
        assert!(
            refused.contains("has come")
                && refused.contains("`votectl poll close paredao-01`")
                && !refused.contains("already"),
            "{refused}"
        );
        assert_eq!(json(&server, "audit paredao-01").await["passed"], true);
    }
    json(&server, "poll pause paredao-01").await;
    let refused = fails(&server, "poll resume paredao-01", 1).await;
    assert!(
        refused.contains("can't resume") && refused.contains("has come"),
        "{refused}"
    );
    let shown = json(&server, "poll show paredao-01").await;
    assert_eq!(shown["poll"]["state"], "paused");
    // What takes no votes is said to be there already.
    json(&server, "poll pause paredao-01").await;
    let closed = json(&server, "poll close paredao-01 --yes").await;
    assert_eq!(closed["state"], "closed");
}

#[tokio::test]
async fn what_is_said_of_a_poll_whose_end_has_come_is_true() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    ended(&server, dir.path()).await;
    let backup = run(&server, "export paredao-01 --what backup").await;
    assert!(
        !backup.stderr().contains("it takes votes") && backup.stderr().contains("its end has come"),
        "{}",
        backup.stderr()
    );
    let paused = run(&server, "poll pause paredao-01").await;
    assert_eq!(paused.code(), Some(0), "{}", paused.stderr());
    assert!(
        paused.stdout().contains("its end has come") && !paused.stdout().contains(" until "),
        "{}",
        paused.stdout()
    );
}

#[tokio::test]
async fn sealing_closes_a_poll_that_the_clock_has_ended() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    ended(&server, dir.path()).await;
    // In the grace, and with nobody to ask, nothing is done at all.
    let grace = fails(&server, "poll seal paredao-01 --yes --grace 1h", 1).await;
    assert!(grace.contains("--now"), "{grace}");
    let nobody = fails(&server, "poll seal paredao-01 --now", 2).await;
    assert!(nobody.contains("--yes"), "{nobody}");
    assert_eq!(
        json(&server, "poll show paredao-01").await["poll"]["state"],
        "open"
    );
    let sealed = run(&server, "poll seal paredao-01 --now --yes").await;
    assert_eq!(sealed.code(), Some(0), "{}", sealed.stderr());
    assert!(
        sealed.stderr().contains("poll paredao-01 is closed"),
        "{}",
        sealed.stderr()
    );
    let shown = json(&server, "poll show paredao-01").await;
    let log = shown["poll"]["log"].as_array().expect("it is a list");
    let actions: Vec<_> = log.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["apply", "open", "close", "seal"]);
    assert_eq!(json(&server, "audit paredao-01").await["passed"], true);
}

#[tokio::test]
async fn sealing_an_ended_poll_gives_a_shard_that_lost_its_fence_time_for_repair() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    ended(&server, dir.path()).await;
    json(&server, "poll pause paredao-01").await;
    let mut connection = server.connection().await;
    redis::cmd("DEL")
        .arg("vote:{paredao-01/0}:state")
        .exec_async(&mut connection)
        .await
        .expect("it is there");
    let sealed = run(&server, "poll seal paredao-01 --now --yes").await;
    assert_eq!(sealed.code(), Some(0), "{}", sealed.stderr());
    assert!(sealed.stderr().contains("for 3 s"), "{}", sealed.stderr());
    assert_eq!(json(&server, "audit paredao-01").await["passed"], true);
}
