//! What a command says of a change that Redis has taken, or has not.

use crate::support::{applied, fails, json, poll_file, run};
use vote_testkit::{RedisServer, eventually};

/// A master without this right for its one user, and a replica that follows it.
pub(crate) async fn pair(rights: &str) -> (RedisServer, RedisServer) {
    let user = format!("user default on nopass allkeys allchannels +@all {rights}\n");
    let master = RedisServer::builder().acl(&user).start().await;
    let replica = RedisServer::builder()
        .replica_of(master.port())
        .start()
        .await;
    let mut redis = master.connection().await;
    // So that a replica that stands still is not taken for one that has gone.
    redis::cmd("CONFIG")
        .arg(&["SET", "repl-timeout", "3600"])
        .exec_async(&mut redis)
        .await
        .expect("set");
    eventually(crate::support::PATIENCE, || {
        let mut redis = redis.clone();
        async move {
            let mut command = redis::cmd("INFO");
            let info = command.arg("replication").query_async(&mut redis).await;
            let info: String = info.expect("it answers");
            info.contains("state=online")
        }
    })
    .await;
    (master, replica)
}

pub(crate) async fn drafted(server: &RedisServer, dir: &tempfile::TempDir) {
    let file = poll_file(dir.path());
    let exit = run(server, &format!("poll apply {file}")).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
}

#[tokio::test]
async fn a_change_whose_confirmation_is_forbidden_is_done_and_says_what_is_not_known() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (master, _replica) = pair("-wait").await;
    drafted(&master, &dir).await;
    for line in [
        "poll open paredao-01",
        "poll pause paredao-01",
        "poll close paredao-01 --yes",
        "poll seal paredao-01 --now --yes",
    ] {
        let exit = run(&master, line).await;
        let said = exit.stderr();
        assert_eq!(exit.code(), Some(0), "{line}: {said}");
        assert!(
            said.contains("warning: it is written") && said.to_lowercase().contains("wait"),
            "{line}: {said}"
        );
        assert!(!said.contains("error"), "{line}: {said}");
    }
    let list = json(&master, "poll list").await;
    assert_eq!(list[0]["state"], "sealed");
}

#[tokio::test]
async fn a_change_that_no_replica_has_yet_is_done_and_has_an_exit_code_of_its_own() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (master, replica) = pair("").await;
    drafted(&master, &dir).await;
    replica.pause();
    let exit = run(&master, "poll open paredao-01").await;
    assert_eq!(exit.code(), Some(4), "{}", exit.stderr());
    let said = exit.stderr();
    assert!(
        said.contains("warning: it is written") && said.contains("Repeat the command"),
        "{said}"
    );
    assert!(exit.stdout().contains("is open"), "{}", exit.stdout());
    assert_eq!(json(&master, "poll list").await[0]["state"], "open");
    replica.resume();
    let paused = run(&master, "poll pause paredao-01").await;
    assert_eq!(paused.code(), Some(0), "{}", paused.stderr());
}

#[tokio::test]
async fn on_a_full_redis_a_poll_is_run_to_its_seal_and_a_new_one_is_refused_with_the_cause() {
    let (server, dir, file) = applied().await;
    let mut redis = server.connection().await;
    redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory", "1"])
        .exec_async(&mut redis)
        .await
        .expect("Redis is full");
    for line in [
        "poll open paredao-01",
        "poll pause paredao-01",
        "poll resume paredao-01",
        "poll extend paredao-01 --for 30m --yes",
        "poll visibility paredao-01 embargoed",
        "poll close paredao-01 --yes",
        "poll seal paredao-01 --now --yes",
        "audit paredao-01",
        "export paredao-01 --what backup",
    ] {
        let exit = run(&server, line).await;
        assert_eq!(exit.code(), Some(0), "{line}: {}", exit.stderr());
    }
    let text = std::fs::read_to_string(&file).expect("the file");
    let other = dir.path().join("other.yaml");
    std::fs::write(&other, text.replace("id: paredao-01", "id: paredao-02")).expect("written");
    let apply = format!("poll apply {}", other.display());
    let said = fails(&server, &apply, 3).await;
    for part in ["is full", "of 1 bytes (maxmemory)", "raise its maxmemory"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("is Redis where"), "{said}");
    assert_eq!(
        json(&server, "poll list").await.as_array().map(Vec::len),
        Some(1)
    );
    let said = run(&server, "doctor").await.stdout();
    assert!(
        said.contains("nearly_full") && said.contains("maxmemory"),
        "{said}"
    );
}
