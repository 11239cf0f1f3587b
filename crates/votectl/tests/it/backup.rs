//! A poll's backup as a file: out of one Redis, into another.

use crate::support::{PATIENCE, fails, json, poll_file, run, votectl};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use vote_domain::Clock as _;
use vote_runtime::SystemClock;
use vote_testkit::{ChildProcess, Exit, Fault, FaultProxy, RedisServer};

const FILE: &str = "backup.json";

/// A poll in the state that these commands lead to, with five votes of one process.
async fn poll(server: &RedisServer, dir: &Path, commands: &[&str]) {
    json(server, &format!("poll apply {}", poll_file(dir))).await;
    let minute = SystemClock.now().as_millisecond() / 60_000;
    for command in commands {
        if *command != "open" {
            let mut connection = server.connection().await;
            let mut pipeline = redis::pipe();
            for (key, fields) in [
                ("tally".to_owned(), vec![("torcida/ana".to_owned(), "5")]),
                (
                    format!("minutes:{minute}"),
                    vec![("torcida/ana".to_owned(), "5")],
                ),
                (
                    "writers".to_owned(),
                    vec![
                        ("00000000000000aa/sequence".to_owned(), "3"),
                        ("00000000000000aa/votes".to_owned(), "5"),
                        ("00000000000000aa/drained".to_owned(), "ended"),
                    ],
                ),
            ] {
                let key = format!("vote:{{paredao-01/0}}:{key}");
                pipeline.cmd("HSET").arg(key);
                for (field, value) in fields {
                    pipeline.arg(field).arg(value);
                }
                pipeline.ignore();
            }
            pipeline
                .exec_async(&mut connection)
                .await
                .expect("Redis answers");
        }
        json(
            server,
            &format!("poll {command} paredao-01{}", flags(command)),
        )
        .await;
    }
}

fn flags(command: &str) -> &'static str {
    match command {
        "seal" => " --now --yes",
        "close" | "void" => " --yes",
        _ => "",
    }
}

async fn export(server: &RedisServer, dir: &Path) -> Value {
    let file = dir.join(FILE);
    let line = format!("export paredao-01 --what backup --file {}", file.display());
    let exit = run(server, &line).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    assert!(
        exit.stderr().starts_with("backup of poll paredao-01"),
        "{}",
        exit.stderr()
    );
    serde_json::from_slice(&fs::read(file).expect("the file can be read"))
        .expect("the file system does it")
}

/// A backup without what says when and by what it was taken.
fn content(mut backup: Value) -> Value {
    for field in ["taken_at", "taken_by", "software", "sha256"] {
        backup[field].take();
    }
    backup
}

/// Imports a file as it comes from another program.
async fn import_from_standard_input(target: &RedisServer, file: &Path) -> Exit {
    let line = format!(
        "'{}' --redis {} import - < '{}'",
        env!("CARGO_BIN_EXE_votectl"),
        target.url(),
        file.display()
    );
    let shell = ChildProcess::builder("sh").args(["-c", &line]);
    shell.spawn().wait(PATIENCE).await
}

#[tokio::test]
async fn a_poll_of_each_state_goes_out_and_in_and_out_again() {
    for (commands, state) in [
        (&[][..], "draft"),
        (&["open", "pause", "resume"], "paused"),
        (&["open", "pause"], "paused"),
        (&["open", "close"], "closed"),
        (&["open", "close", "seal"], "sealed"),
        (&["open", "close", "void"], "void"),
    ] {
        let (server, dir) = (
            RedisServer::start().await,
            tempfile::tempdir().expect("a temporary directory"),
        );
        poll(&server, dir.path(), commands).await;
        let before = export(&server, dir.path()).await;
        let results = "export paredao-01 --format json";
        let (was, hourly) = (
            json(&server, results).await,
            json(&server, &format!("{results} --what hourly")).await,
        );

        let target = RedisServer::start().await;
        let import = format!("import {}", dir.path().join(FILE).display());
        let dry = json(&target, &format!("{import} --dry-run")).await;
        assert_eq!(
            (&dry["dry_run"], &dry["state"]),
            (&true.into(), &state.into())
        );
        assert_eq!(json(&target, "poll list").await, json!([]));
        let done = json(&target, &import).await;
        assert_eq!(
            (&done["state"], &done["resumed"]),
            (&state.into(), &false.into())
        );
        assert_eq!(done["sha256"], before["sha256"]);
        assert_eq!(done["sealed_sha256"], was["sha256"]);

        assert_eq!(json(&target, "audit paredao-01").await["passed"], true);
        let (is, series) = (
            json(&target, results).await,
            json(&target, &format!("{results} --what hourly")).await,
        );
        assert_eq!(
            is["standing"]["candidates"], was["standing"]["candidates"],
            "{state}"
        );
        assert_eq!(
            (is["sha256"].clone(), series),
            (was["sha256"].clone(), hourly),
            "{state}"
        );
        let after = export(&target, dir.path()).await;
        if state == "paused" {
            let log = after["poll"]["log"].as_array().expect("it is a list");
            let last = log.last().expect("it is there");
            assert_eq!(
                (&last["action"], &last["by"]),
                (&"import".into(), &"tester".into())
            );
            assert_eq!(after["shards"][0]["tally"], before["shards"][0]["tally"]);
            json(&target, "poll resume paredao-01").await;
        } else {
            assert_eq!(content(after), content(before), "{state}");
        }
        let again = fails(&target, &import, 1).await;
        assert!(
            again.contains("vote:poll:paredao-01") && again.contains("nothing was written"),
            "{again}"
        );
        fails(&target, &format!("{import} --dry-run"), 1).await;
    }
}

#[tokio::test]
async fn an_import_says_what_it_did_and_how_to_go_on() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    poll(&server, dir.path(), &["open", "pause", "resume"]).await;
    let file = dir.path().join(FILE);
    let exit = run(
        &server,
        &format!("export paredao-01 --what backup --file {}", file.display()),
    )
    .await;
    assert!(exit.stderr().contains("5 votes") && exit.stderr().contains("it takes votes"));
    // From standard input, as from `gunzip`.
    let target = RedisServer::start().await;
    let exit = import_from_standard_input(&target, &file).await;
    let text = exit.stdout();
    for part in [
        "poll paredao-01 imported",
        "paused (revision 5), 5 votes, 0 late, 1 shards",
        "it was open; votes after",
        "votectl poll resume paredao-01",
        "votectl poll close paredao-01",
    ] {
        assert!(text.contains(part), "{part}: {text}{}", exit.stderr());
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_a_backup_is_ignored_from_a_file_and_from_standard_input() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    poll(&server, dir.path(), &["open", "close"]).await;
    let backup = export(&server, dir.path()).await;
    let good = fs::read_to_string(dir.path().join(FILE)).expect("the file can be read");
    let file = dir.path().join("marked.json");
    let target = RedisServer::start().await;
    // As an editor or a shell of Windows writes it, with its ends of lines as well.
    for text in [
        format!("\u{feff}{good}"),
        format!("\u{feff}{}\r\n", good.trim_end()),
    ] {
        fs::write(&file, text).expect("the file can be written");
        let dry = json(&target, &format!("import {} --dry-run", file.display())).await;
        assert_eq!(dry["sha256"], backup["sha256"]);
    }
    let exit = import_from_standard_input(&target, &file).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    assert_eq!(json(&target, "poll list").await[0]["state"], "closed");

    // The mark alone is nothing, and a second one is no mark.
    let empty = RedisServer::start().await;
    for (text, says) in [
        ("\u{feff}\n".to_owned(), "it is empty"),
        (format!("\u{feff}\u{feff}{good}"), "is no backup"),
    ] {
        fs::write(&file, text).expect("the file can be written");
        let error = fails(&empty, &format!("import {}", file.display()), 2).await;
        assert!(error.contains(says), "{says}: {error}");
    }
}

#[tokio::test]
async fn a_wrong_file_is_refused_before_anything_is_written() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    poll(&server, dir.path(), &["open", "close"]).await;
    let backup = export(&server, dir.path()).await;
    let good = fs::read_to_string(dir.path().join(FILE)).expect("the file can be read");
    let mut other = backup.clone();
    other["format"] = "something-else\u{1b}[2J".into();
    let mut newer = backup.clone();
    newer["version"] = 2.into();
    let mut edited = backup.clone();
    edited["shards"][0]["tally"][0][0] = 6.into();
    // With a digest that fits: it is told when it is wrong.
    let mut forged = edited.clone();
    let file = dir.path().join("wrong.json");
    fs::write(&file, edited.to_string()).expect("the file can be written");
    let target = RedisServer::start().await;
    let import = format!("import {}", file.display());
    let told = fails(&target, &import, 2).await;
    let actual = told.split("its content has ").nth(1).expect("it is there");
    forged["sha256"] = actual.split(',').next().expect("it is there").into();

    let sealed = "{\"version\":1,\"poll\":{},\"sha256\":\"\"}".to_owned();
    for (text, says) in [
        (String::new(), "it is empty"),
        (
            "id: paredao-01\ntitle: x\n".to_owned(),
            "votectl export POLL --what backup",
        ),
        ("[1]".to_owned(), "votectl export"),
        (sealed, "missing field `format`"),
        (good[..good.len() / 2].to_owned(), "cut off"),
        (
            other.to_string(),
            "must be \"vote-backup\", is \"something-else",
        ),
        (newer.to_string(), "version: must be 1, is 2"),
        (edited.to_string(), "sha256: its content has"),
        (
            forged.to_string(),
            "shard 0, channel torcida, candidate ana: tally 6, minutes 5",
        ),
        ("{".repeat(100_000), "nothing was written"),
    ] {
        fs::write(&file, text).expect("the file can be written");
        let error = fails(&target, &import, 2).await;
        assert!(
            error.contains(says) && error.contains("wrong.json"),
            "{says}: {error}"
        );
        assert!(!error.contains('\u{1b}'), "{error}");
    }
    // A huge file is refused by its size alone.
    fs::File::create(&file)
        .expect("a file of that size")
        .set_len(1 << 40)
        .expect("a file of that size");
    let error = fails(&target, &import, 2).await;
    assert!(error.contains("larger than"), "{error}");
    fails(&target, "import /nowhere/backup.json", 2).await;
    fails(&server, "export paredao-01 --what backup --format csv", 2).await;

    let mut connection = target.connection().await;
    let keys: u64 = redis::cmd("DBSIZE")
        .query_async(&mut connection)
        .await
        .expect("Redis answers");
    assert_eq!(keys, 0);
}

#[tokio::test]
async fn an_import_that_breaks_is_no_poll_and_the_same_command_completes_it() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    poll(&server, dir.path(), &["open", "close", "seal"]).await;
    export(&server, dir.path()).await;
    let target = RedisServer::start().await;
    let proxy = FaultProxy::start(target.port()).await;
    proxy.only(["EVALSHA"]);
    proxy.schedule([
        Fault::Pass,
        Fault::Pass,
        Fault::Pass,
        Fault::Pass,
        Fault::CutBeforeReply,
    ]);
    let file = dir.path().join(FILE);
    let import = format!("import {}", file.display());
    let exit = votectl()
        .args(["--redis", &proxy.url()])
        .args(import.split(' '))
        .spawn()
        .wait(PATIENCE)
        .await;
    assert_eq!(exit.code(), Some(3), "{}", exit.stderr());
    assert!(
        exit.stderr().contains("the same command completes it"),
        "{}",
        exit.stderr()
    );
    assert_eq!(json(&target, "poll list").await, json!([]));
    let apply = format!("poll apply {}", poll_file(dir.path()));
    assert!(fails(&target, &apply, 1).await.contains("half restored"));
    let dry = json(&target, &format!("{import} --dry-run")).await;
    assert_eq!(dry["resumed"], true);
    assert_eq!(json(&target, &import).await["resumed"], true);
    assert_eq!(json(&target, "audit paredao-01").await["passed"], true);
}

#[tokio::test]
async fn an_export_replaces_a_file_whole_or_not_at_all() {
    use std::os::unix::fs::PermissionsExt as _;
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    poll(&server, dir.path(), &[]).await;
    let file = dir.path().join(FILE);
    fs::write(&file, "before").expect("the file can be written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("the file system does it");
    let backup = export(&server, dir.path()).await;
    assert_eq!(backup["totals"]["votes"], 0);
    let mode = fs::metadata(&file)
        .expect("the file is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let names: Vec<_> = fs::read_dir(dir.path())
        .expect("the file system does it")
        .map(|entry| entry.expect("the directory can be listed").file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let nowhere = "export paredao-01 --what backup --file /nowhere/backup.json";
    assert!(fails(&server, nowhere, 2).await.contains("/nowhere"));
}
