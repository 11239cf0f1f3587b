//! Votes that an ended ingest process has left in a file because Redis had forgotten them: `votectl replay`.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vote_client::get;
use vote_testkit::{ChildProcess, Exit, RedisServer, eventually, free_port};

use crate::support::{
    PATIENCE, binary, fails, json, opened, poll_file, run, service, vote, vote_with,
};

/// An ingest process with a directory for what it may leave behind, and how `--spill` is given.
async fn ingest(server: &RedisServer, dir: &Path) -> (ChildProcess, SocketAddr, SocketAddr) {
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let (public, admin) = (address(free_port()), address(free_port()));
    let process = ChildProcess::builder(binary("vote-ingest"))
        .args(["--spill", dir.to_str().expect("the path is UTF-8")])
        .env("VOTE__REDIS__URL", server.url())
        .env("VOTE__HTTP__BIND", public.to_string())
        .env("VOTE__ADMIN__BIND", admin.to_string())
        .env("VOTE__SHUTDOWN__GRACE_MS", "0")
        .env("VOTE__SHUTDOWN__DRAIN_TIMEOUT_MS", "4000")
        .env("VOTE__LOG__FORMAT", "json")
        .spawn();
    eventually(PATIENCE, || async move {
        let answer = get(public, "/readyz", Duration::from_secs(1)).await;
        matches!(answer, Some((200, _)))
    })
    .await;
    (process, public, admin)
}

/// Waits until the process shows this sample.
async fn shows(admin: SocketAddr, sample: &str) {
    eventually(PATIENCE, || async move {
        let answer = get(admin, "/metrics", Duration::from_secs(1)).await;
        let text = answer.map_or(String::new(), |(_, body)| {
            String::from_utf8_lossy(&body).into_owned()
        });
        if text.lines().any(|line| line == sample) {
            Ok(())
        } else {
            let missing = text.lines().filter(|line| line.starts_with("vote_"));
            Err(missing.collect::<Vec<_>>().join("\n"))
        }
    })
    .await;
}

async fn flush(server: &RedisServer) {
    redis::cmd("FLUSHALL")
        .exec_async(&mut server.connection().await)
        .await
        .expect("flushed");
}

fn spills(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

/// Ends the process, which has accepted votes that are nowhere else; gives its file.
async fn end_with_votes(mut process: ChildProcess, dir: &Path, votes: u64) -> (Exit, PathBuf) {
    process.terminate();
    let exit = process.wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(3), "{}", exit.stdout());
    let files = spills(dir);
    let [file] = &files[..] else {
        panic!("not one file: {files:?}")
    };
    let said = format!("{votes} accepted votes may be nowhere in Redis: they are in ");
    assert!(exit.stdout().contains(&said), "{}", exit.stdout());
    let file = file.clone();
    (exit, file)
}

#[tokio::test]
async fn votes_that_redis_forgot_come_back_from_the_file_of_an_ended_process() {
    let (server, dir, poll) = opened().await;
    let spill = tempfile::tempdir().expect("a directory");
    let (process, address, admin) = ingest(&server, spill.path()).await;
    for _ in 0..6 {
        vote(address, "paredao-01").await;
    }
    let (status, answer) = vote_with(address, "paredao-01", "idempotency-key: k1\r\n").await;
    assert_eq!(status, 201, "{answer}");
    flush(&server).await;
    shows(
        admin,
        r#"vote_missing_votes{poll="paredao-01",shard="0"} 7"#,
    )
    .await;
    let (exit, file) = end_with_votes(process, spill.path(), 7).await;
    assert!(
        exit.stdout().contains("the lane ends with accepted votes"),
        "{}",
        exit.stdout()
    );
    let mode = std::fs::metadata(&file)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let name = file.file_name().expect("a name").to_string_lossy();
    assert!(
        name.starts_with("vote-spill-2") && name.ends_with(".jsonl"),
        "{name}"
    );
    let file = file.to_str().expect("UTF-8").to_owned();

    let error = fails(&server, &format!("replay {file} --yes"), 1).await;
    assert!(
        error.contains("7 votes are not recorded") && error.contains("votectl import"),
        "{error}"
    );
    json(&server, &format!("poll apply {poll}")).await;
    let error = fails(&server, &format!("replay {file} --yes"), 1).await;
    assert!(error.contains("votectl poll open paredao-01"), "{error}");
    json(&server, "poll open paredao-01").await;
    let planned = json(&server, &format!("replay {file} --dry-run")).await;
    assert_eq!(planned["lanes"][0]["recorded"], 7, "{planned}");
    let asked = fails(&server, &format!("replay {file}"), 2).await;
    assert!(
        asked.contains("Redis lacks 7 votes of 1 file") && asked.contains("--yes"),
        "{asked}"
    );
    assert_eq!(json(&server, "audit paredao-01").await["total"], 0);

    // The next process sees the file until it is moved away.
    let (next, next_address, next_admin) = ingest(&server, spill.path()).await;
    shows(next_admin, "vote_spill_files 1").await;
    let replayed = json(&server, &format!("replay {file} --yes")).await;
    assert_eq!(
        (
            &replayed["lanes"][0]["recorded"],
            &replayed["lanes"][0]["refused"]
        ),
        (&7.into(), &0.into()),
        "{replayed}"
    );
    let again = run(&server, &format!("replay {file} --yes")).await;
    assert_eq!(again.code(), Some(0), "{}", again.stderr());
    assert!(again.stdout().contains("paredao-01"), "{}", again.stdout());
    let (status, answer) = vote_with(next_address, "paredao-01", "idempotency-key: k1\r\n").await;
    assert_eq!(
        (status, &answer["status"]),
        (200, &"already_accepted".into()),
        "{answer}"
    );
    let audit = json(&server, "audit paredao-01").await;
    assert_eq!(
        (&audit["passed"], &audit["total"]),
        (&true.into(), &7.into())
    );

    let moved = dir.path().join("done.jsonl");
    std::fs::rename(&file, &moved).expect("moved");
    shows(next_admin, "vote_spill_files 0").await;
    let mut next = next;
    next.terminate();
    let exit = next.wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stdout());
    assert!(spills(spill.path()).is_empty());
    // Nobody waits for the writers of the process that is gone.
    json(&server, "poll close paredao-01 --yes").await;
    json(&server, "poll seal paredao-01 --now --yes").await;
    let moved = moved.to_str().expect("UTF-8");
    let sealed = json(&server, &format!("replay {moved}")).await;
    assert_eq!(sealed["lanes"][0]["present"], 7, "{sealed}");
}

#[tokio::test]
async fn a_process_that_ends_while_redis_is_away_leaves_what_redis_may_not_have() {
    let (mut server, _dir, _poll) = opened().await;
    let spill = tempfile::tempdir().expect("a directory");
    let (process, address, _admin) = ingest(&server, spill.path()).await;
    vote(address, "paredao-01").await;
    server.kill9();
    let (_exit, file) = end_with_votes(process, spill.path(), 1).await;
    let file = file.to_str().expect("UTF-8").to_owned();
    let away = fails(&server, &format!("replay {file} --yes"), 3).await;
    assert!(away.contains("is Redis where --redis"), "{away}");
}

#[tokio::test]
async fn without_a_volume_the_log_has_them() {
    let (mut server, dir, _poll) = opened().await;
    let (public, admin) = (free_port(), free_port());
    let mut process = ChildProcess::builder(binary("vote-ingest"))
        .env("VOTE__SPILL__TO_LOG", "true")
        .env("VOTE__REDIS__URL", server.url())
        .env("VOTE__HTTP__BIND", format!("127.0.0.1:{public}"))
        .env("VOTE__ADMIN__BIND", format!("127.0.0.1:{admin}"))
        .env("VOTE__SHUTDOWN__GRACE_MS", "0")
        .env("VOTE__SHUTDOWN__DRAIN_TIMEOUT_MS", "1000")
        .env("VOTE__LOG__FORMAT", "json")
        .spawn();
    let address = SocketAddr::from(([127, 0, 0, 1], public));
    eventually(PATIENCE, || async move {
        let answer = get(address, "/readyz", Duration::from_secs(1)).await;
        matches!(answer, Some((200, _)))
    })
    .await;
    for _ in 0..3 {
        vote(address, "paredao-01").await;
    }
    server.kill9();
    process.terminate();
    let exit = process.wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(3), "{}", exit.stdout());
    assert!(
        exit.stdout().contains("and in the log"),
        "{}",
        exit.stdout()
    );
    let log = dir.path().join("ingest.log");
    std::fs::write(&log, exit.stdout()).expect("written");
    // The server had written nothing to disk: all is gone, the poll too.
    server.restart().await;
    let poll = poll_file(dir.path());
    json(&server, &format!("poll apply {poll}")).await;
    json(&server, "poll open paredao-01").await;
    let replayed = json(&server, &format!("replay {} --yes", log.display())).await;
    assert_eq!(replayed["lanes"][0]["recorded"], 3, "{replayed}");
    assert_eq!(json(&server, "audit paredao-01").await["total"], 3);
}

#[tokio::test]
async fn what_its_file_does_not_take_in_the_end_is_in_the_log() {
    let (mut server, dir, _poll) = opened().await;
    let spill = tempfile::tempdir().expect("a directory");
    let (mut process, address, _admin) = ingest(&server, spill.path()).await;
    vote(address, "paredao-01").await;
    server.kill9();
    // It could be written to at the start.
    spill.close().expect("removed");
    process.terminate();
    let exit = process.wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(3), "{}", exit.stdout());
    for said in ["can't be written to", "and in the log"] {
        assert!(exit.stdout().contains(said), "{}", exit.stdout());
    }
    let log = dir.path().join("ingest.log");
    std::fs::write(&log, exit.stdout()).expect("written");
    server.restart().await;
    let poll = poll_file(dir.path());
    json(&server, &format!("poll apply {poll}")).await;
    json(&server, "poll open paredao-01").await;
    let replayed = json(&server, &format!("replay {} --yes", log.display())).await;
    assert_eq!(replayed["lanes"][0]["recorded"], 1, "{replayed}");
}

#[tokio::test]
async fn without_a_directory_the_number_is_said_all_the_same() {
    let (mut server, _dir, _poll) = opened().await;
    let (mut process, address) = service("vote-ingest", &server).await;
    vote(address, "paredao-01").await;
    server.kill9();
    process.terminate();
    let exit = process.wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(3), "{}", exit.stdout());
    assert!(
        exit.stdout()
            .contains("1 accepted votes may be nowhere in Redis")
            && exit.stdout().contains("spill.dir is not set"),
        "{}",
        exit.stdout()
    );
}

#[tokio::test]
async fn a_directory_that_is_none_is_refused_at_the_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "x").expect("a file");
    for (path, says) in [
        (dir.path().join("absent"), "is not there"),
        (file, "is no directory"),
    ] {
        let mut process = ChildProcess::builder(binary("vote-ingest"))
            .args(["--spill", path.to_str().expect("UTF-8")])
            .env("VOTE__REDIS__URL", "redis://127.0.0.1:1")
            .env("VOTE__HTTP__BIND", "127.0.0.1:0")
            .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
            .spawn();
        let exit = process.wait(PATIENCE).await;
        assert_eq!(exit.code(), Some(1), "{}", exit.stdout());
        let said = exit.stdout() + &exit.stderr();
        assert!(said.contains(says) && said.contains("spill.dir"), "{said}");
    }
}

#[tokio::test]
async fn files_that_are_no_spills_are_refused_and_nothing_is_recorded() {
    let (server, dir, poll) = opened().await;
    let spill = tempfile::tempdir().expect("a directory");
    let (process, address, admin) = ingest(&server, spill.path()).await;
    vote(address, "paredao-01").await;
    flush(&server).await;
    shows(
        admin,
        r#"vote_missing_votes{poll="paredao-01",shard="0"} 1"#,
    )
    .await;
    let (_exit, good) = end_with_votes(process, spill.path(), 1).await;
    json(&server, &format!("poll apply {poll}")).await;
    json(&server, "poll open paredao-01").await;

    let text = std::fs::read_to_string(&good).expect("a file");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let good = good.to_str().expect("UTF-8").to_owned();
    let copy = file("copy", &text);
    for (files, says) in [
        (file("empty", ""), "it is empty"),
        (
            file("other", "{\"format\":\"vote-backup\",\"version\":1}"),
            "must be \"vote-spill\"",
        ),
        (file("cut", &text[..text.len() - 40]), "cut off"),
        (file("twice", &text.repeat(2)), "two files in one"),
        (
            file(
                "changed",
                &text.replacen("\"counted\":1", "\"counted\":0", 1),
            ),
            "nothing was recorded",
        ),
        (file("hostile", "\u{1b}[2J{"), "line 1"),
        (
            dir.path().join("absent").display().to_string(),
            "can't read",
        ),
        (format!("{good} {copy}"), "has the same content as"),
        (format!("{good} {}", file("empty2", " \n")), "it is empty"),
    ] {
        let error = fails(&server, &format!("replay {files} --yes"), 2).await;
        assert!(error.contains(says), "{files}: {error}");
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
    assert_eq!(json(&server, "audit paredao-01").await["total"], 0);
    json(&server, &format!("replay {good} --yes")).await;
    assert_eq!(json(&server, "audit paredao-01").await["total"], 1);
}
