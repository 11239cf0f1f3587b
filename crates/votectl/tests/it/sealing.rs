//! Sealing: what it waits for, what it refuses, and that its result stays what it was.

use crate::support::{PATIENCE, fails, json, opened, poll_file, run, service, vote, votectl};
use vote_testkit::{RedisServer, eventually};

#[tokio::test]
async fn sealing_waits_for_the_grace_asks_and_proves_its_figures() {
    let (server, _dir, _file) = opened().await;
    json(&server, "poll close paredao-01 --yes").await;
    assert!(
        fails(&server, "poll seal paredao-01 --yes", 1)
            .await
            .contains("--now")
    );
    // Standard input of the test's child is no terminal.
    assert!(
        fails(&server, "poll seal paredao-01 --now", 2)
            .await
            .contains("--yes")
    );
    fails(&server, "export paredao-01 --what sealed --format json", 1).await;
    let sealed = json(&server, "poll seal paredao-01 --now --yes").await;
    assert_eq!(sealed["standing"]["status"], "final");
    let sha256 = sealed["sha256"].as_str().expect("it is text");
    assert_eq!(sha256.len(), 64);
    let audit = json(&server, "audit paredao-01").await;
    assert_eq!(
        (
            &audit["passed"],
            audit["sha256"].as_str().expect("it is text")
        ),
        (&true.into(), sha256)
    );
    let exported = json(&server, "export paredao-01 --what sealed --format json").await;
    assert_eq!(exported["sha256"], sha256);
    fails(&server, "poll void paredao-01 --yes", 1).await;
}

/// The ledger entry of a writer, as its process leaves it.
async fn write_ledger(server: &RedisServer, fields: &[(&str, &str)]) {
    let mut connection = server.connection().await;
    let mut command = redis::cmd("HSET");
    command.arg("vote:{paredao-01/0}:writers");
    for (field, value) in fields {
        command.arg(field).arg(value);
    }
    command
        .exec_async(&mut connection)
        .await
        .expect("Redis answers");
}

#[tokio::test]
async fn sealing_names_the_writers_it_waits_for_and_abandons_those_it_is_told_to() {
    let (server, _dir, _file) = opened().await;
    json(&server, "poll close paredao-01 --yes").await;
    let (killed, ended) = ("00000000000000aa", "00000000000000bb");
    write_ledger(
        &server,
        &[
            ("00000000000000aa/sequence", "7"),
            ("00000000000000aa/votes", "0"),
            ("00000000000000bb/sequence", "3"),
            ("00000000000000bb/votes", "0"),
            ("00000000000000bb/drained", "ended"),
        ],
    )
    .await;
    let seal = "poll seal paredao-01 --now";
    let error = fails(&server, &format!("{seal} --yes --wait 0s"), 1).await;
    assert!(
        error.contains("shard 0: writer 00000000000000aa (last batch 7, 0 votes)")
            && error.contains("--abandon 00000000000000aa")
            && !error.contains(ended),
        "{error}"
    );
    let audit = json(&server, "audit paredao-01").await;
    assert_eq!(
        (
            &audit["shards"][0]["drained"],
            &audit["waiting"][0]["writer"]
        ),
        (&1.into(), &killed.into())
    );
    for stranger in [ended, "00000000000000cc"] {
        let error = fails(&server, &format!("{seal} --yes --abandon {stranger}"), 1).await;
        assert!(
            error.contains(stranger) && error.contains(killed),
            "{error}"
        );
    }
    assert!(
        fails(&server, &format!("{seal} --abandon nobody"), 2)
            .await
            .contains("16 lower-case hexadecimal digits")
    );
    let question = fails(&server, &format!("{seal} --abandon {killed}"), 2).await;
    assert!(
        question.contains(&format!("without what {killed}")),
        "{question}"
    );
    let sealed = json(&server, &format!("{seal} --yes --abandon {killed}")).await;
    assert_eq!(sealed["abandoned"], serde_json::json!([killed]));
    let audit = json(&server, "audit paredao-01").await;
    assert_eq!(
        (&audit["passed"], &audit["abandoned"][0]),
        (&true.into(), &killed.into())
    );
}

#[tokio::test]
async fn sealing_goes_on_as_soon_as_the_last_writer_is_drained() {
    let (server, _dir, _file) = opened().await;
    json(&server, "poll close paredao-01 --yes").await;
    write_ledger(&server, &[("00000000000000aa/sequence", "7")]).await;
    let mut sealing = votectl()
        .args(["--redis", &server.url()])
        .args("poll seal paredao-01 --now --yes --wait 1m --output json".split(' '))
        .spawn();
    let line = sealing
        .wait_for_line(PATIENCE, |line| line.starts_with("waiting for"))
        .await;
    assert!(line.contains("00000000000000aa"), "{line}");
    write_ledger(&server, &[("00000000000000aa/drained", "ended")]).await;
    let exit = sealing.wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    let sealed: serde_json::Value = serde_json::from_str(&exit.stdout()).expect("it is JSON");
    assert_eq!(sealed["abandoned"], serde_json::json!([]));
}

/// A replica that follows the server.
async fn replica_of(server: &RedisServer) -> RedisServer {
    let replica = RedisServer::builder()
        .replica_of(server.port())
        .start()
        .await;
    let connection = server.connection().await;
    eventually(PATIENCE, || {
        let mut connection = connection.clone();
        async move {
            let info: String = redis::cmd("INFO")
                .arg("replication")
                .query_async(&mut connection)
                .await
                .expect("Redis answers");
            info.contains("state=online")
        }
    })
    .await;
    replica
}

#[tokio::test]
async fn sealing_again_makes_sure_of_it_and_shows_the_same_result() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let replica = replica_of(&server).await;
    json(&server, &format!("poll apply {}", poll_file(dir.path()))).await;
    json(&server, "poll open paredao-01").await;
    json(&server, "poll close paredao-01 --yes").await;
    // Both the fences and the poll's new state are to be on a replica.
    replica.pause();
    let seal = "poll seal paredao-01 --now --yes";
    let refused = fails(&server, seal, 1).await;
    assert!(refused.contains("Repeat the command"), "{refused}");
    assert_eq!(json(&server, "poll list").await[0]["state"], "closed");
    replica.resume();
    let sealed = json(&server, seal).await;
    assert_eq!(sealed["state"], "sealed");
    replica.pause();
    // It is sealed, as it was, and is answered so; only whether replicas have that is open.
    let unconfirmed = fails(&server, seal, 4).await;
    assert!(unconfirmed.contains("Repeat the command"), "{unconfirmed}");
    replica.resume();
    // A fence that was forgotten is written again; neither --now nor --yes is needed.
    let mut connection = server.connection().await;
    redis::cmd("DEL")
        .arg("vote:{paredao-01/0}:state")
        .exec_async(&mut connection)
        .await
        .expect("Redis answers");
    assert_eq!(json(&server, "poll seal paredao-01").await, sealed);
    assert_eq!(json(&server, "audit paredao-01").await["passed"], true);
    let text = run(&server, "poll seal paredao-01").await.stdout();
    assert!(
        text.contains(sealed["sha256"].as_str().expect("it is text")),
        "{text}"
    );
    assert!(text.contains("is sealed since"), "{text}");

    redis::cmd("DEL")
        .arg("vote:poll:paredao-01:final")
        .exec_async(&mut connection)
        .await
        .expect("Redis answers");
    for line in ["poll seal paredao-01", "poll show paredao-01"] {
        let missing = fails(&server, line, 1).await;
        assert!(missing.contains("sealed result is missing"), "{missing}");
    }
}

/// Two shards, of which a sealing that was not finished has sealed each; and the file of the poll.
async fn half_sealed() -> (RedisServer, RedisServer, tempfile::TempDir) {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let replica = replica_of(&server).await;
    let file = poll_file(dir.path());
    let two = std::fs::read_to_string(&file).expect("the file can be read");
    let two = two.replace("shards: 1", "shards: 2");
    std::fs::write(&file, two).expect("the file can be written");
    json(&server, &format!("poll apply {file}")).await;
    json(&server, "poll open paredao-01").await;
    json(&server, "poll close paredao-01 --yes").await;
    replica.pause();
    let refused = fails(&server, "poll seal paredao-01 --now --yes", 1).await;
    assert!(refused.contains("the shards are sealed"), "{refused}");
    replica.resume();
    (server, replica, dir)
}

#[tokio::test]
async fn a_poll_whose_sealing_was_not_finished_is_declared_void_and_nothing_is_left_of_it() {
    let (server, _replica, dir) = half_sealed().await;
    // What else is refused now says what is to be done.
    let refused = fails(&server, "poll visibility paredao-01 embargoed", 1).await;
    assert!(
        refused.contains("`votectl poll seal paredao-01` completes"),
        "{refused}"
    );
    let question = fails(&server, "poll void paredao-01", 2).await;
    assert!(
        question.contains("Its sealing was begun: `votectl poll seal paredao-01`"),
        "{question}"
    );
    let void = json(&server, "poll void paredao-01 --yes").await;
    assert_eq!(void["state"], "void");
    let audit = json(&server, "audit paredao-01").await;
    assert_eq!(audit["passed"], true, "{audit}");
    let again = run(&server, "poll void paredao-01").await;
    assert_eq!(again.code(), Some(0), "{again:?}");
    assert!(again.stderr().contains("it had been done"), "{again:?}");
    fails(&server, "poll seal paredao-01 --now --yes", 1).await;
    let backup = dir.path().join("void.json");
    let backup = backup.to_str().expect("UTF-8");
    let export = format!("export paredao-01 --what backup --file {backup}");
    let exported = run(&server, &export).await;
    assert_eq!(exported.code(), Some(0), "{}", exported.stderr());
    let elsewhere = RedisServer::start().await;
    let restored = json(&elsewhere, &format!("import {backup}")).await;
    assert_eq!(restored["state"], "void");
}

#[tokio::test]
async fn a_sealing_that_was_not_finished_is_completed_as_its_refusals_say() {
    let (server, _replica, _dir) = half_sealed().await;
    let refused = fails(&server, "poll close paredao-01", 1).await;
    assert!(
        refused.contains("`votectl poll seal paredao-01` completes"),
        "{refused}"
    );
    let sealed = json(&server, "poll seal paredao-01 --now --yes").await;
    assert_eq!(sealed["state"], "sealed");
    assert_eq!(json(&server, "audit paredao-01").await["passed"], true);
}

#[tokio::test]
async fn a_sealed_result_that_was_tampered_with_is_not_shown_as_final() {
    let (server, _dir, _file) = opened().await;
    json(&server, "poll close paredao-01 --yes").await;
    json(&server, "poll seal paredao-01 --now --yes").await;
    let mut connection = server.connection().await;
    let document: Vec<u8> = redis::cmd("GET")
        .arg("vote:poll:paredao-01:final")
        .query_async(&mut connection)
        .await
        .expect("Redis answers");
    let mut result: serde_json::Value = serde_json::from_slice(&document).expect("it is JSON");
    let votes = &mut result["standing"]["candidates"][0]["votes"];
    assert_eq!(votes, &0);
    *votes = 1_000.into();
    redis::cmd("SET")
        .arg("vote:poll:paredao-01:final")
        .arg(result.to_string())
        .exec_async(&mut connection)
        .await
        .expect("Redis answers");
    for line in [
        "poll show paredao-01",
        "export paredao-01",
        "export paredao-01 --what results --format json",
        "export paredao-01 --what minutely",
        "export paredao-01 --what sealed",
        "poll seal paredao-01",
    ] {
        let exit = run(&server, line).await;
        assert_eq!(exit.code(), Some(1), "{line}: {}", exit.stdout());
        assert!(
            exit.stderr().contains("sha256"),
            "{line}: {}",
            exit.stderr()
        );
        assert!(!exit.stdout().contains("1000"), "{line}: {}", exit.stdout());
    }
    let audit = run(&server, "audit paredao-01").await;
    assert_eq!(audit.code(), Some(1));
    assert!(audit.stdout().contains("sha256"), "{}", audit.stdout());
}

#[tokio::test]
async fn a_shard_that_redis_has_forgotten_is_sealed_in_full_after_what_the_refusal_says() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let file = poll_file(dir.path());
    let two = std::fs::read_to_string(&file)
        .expect("the file can be read")
        .replace("shards: 1", "shards: 2");
    std::fs::write(&file, two).expect("the file can be written");
    json(&server, &format!("poll apply {file}")).await;
    json(&server, "poll open paredao-01").await;
    let (_ingest, address) = service("vote-ingest", &server).await;
    for _ in 0..12 {
        vote(address, "paredao-01").await;
    }
    json(&server, "poll close paredao-01 --yes").await;
    // So that the closing is not the last that was done to the poll.
    let renamed = std::fs::read_to_string(&file).expect("the file can be read");
    let renamed = renamed.replace("title: Paredão 1", "title: Paredão um");
    std::fs::write(&file, renamed).expect("the file can be written");
    assert_eq!(
        json(&server, &format!("poll apply {file}")).await["action"],
        "changed"
    );
    eventually(PATIENCE, || async {
        let audit = json(&server, "audit paredao-01").await;
        audit["waiting"]
            .as_array()
            .expect("it is a list")
            .is_empty()
    })
    .await;
    // The master of shard 1 comes back empty.
    let mut connection = server.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("vote:{paredao-01/1}:*")
        .query_async(&mut connection)
        .await
        .expect("Redis answers");
    redis::cmd("DEL")
        .arg(keys)
        .exec_async(&mut connection)
        .await
        .expect("Redis answers");
    let seal = "poll seal paredao-01 --now --yes";
    let refused = fails(&server, seal, 1).await;
    assert!(
        refused.contains("shard 1: it has no fence")
            && refused.contains("`votectl poll close paredao-01` fences it again"),
        "{refused}"
    );
    let fenced = run(&server, "poll close paredao-01").await;
    assert_eq!(fenced.code(), Some(0), "{fenced:?}");
    let fenced = fenced.stderr();
    assert!(
        fenced.contains("all shards have its state") && fenced.contains("for 3 s"),
        "{fenced}"
    );
    // At once: by now the writer is one that is waited for.
    let sealed = json(&server, seal).await;
    assert_eq!(sealed["standing"]["total_votes"], 12);
    assert_eq!(json(&server, "audit paredao-01").await["passed"], true);
}
