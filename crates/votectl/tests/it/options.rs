//! What the options that many commands share take and refuse, and where results go.

use crate::support::{PATIENCE, applied, fails, json, run, votectl};
use vote_testkit::{ChildProcess, RedisServer, free_port};

#[tokio::test]
async fn an_export_follows_output_unless_it_has_a_format() {
    let (server, _dir, _file) = applied().await;
    for what in ["results", "hourly", "minutely", "ledger"] {
        let export = format!("export paredao-01 --what {what}");
        assert!(json(&server, &export).await.is_object(), "{what}");
        let csv = run(&server, &format!("{export} --format csv --output json")).await;
        assert!(!csv.stdout().starts_with('{'), "{}", csv.stdout());
        let csv = run(&server, &export).await;
        assert!(!csv.stdout().starts_with('{'), "{}", csv.stdout());
    }
}

#[tokio::test]
async fn an_export_for_a_spreadsheet_is_csv_with_its_mark_and_separator() {
    let (server, _dir, _file) = applied().await;
    for (what, heading) in [
        ("results", "poll;kind;"),
        ("hourly", "start;total_votes;"),
        ("minutely", "start;total_votes;"),
        ("ledger", "shard;writer;last_sequence;votes"),
    ] {
        let export = format!("export paredao-01 --what {what}");
        let excel = run(&server, &format!("{export} --for excel")).await;
        let start = format!("\u{feff}{heading}");
        assert!(
            excel.stdout().starts_with(&start),
            "{what}: {}",
            excel.stdout()
        );
        let plain = run(&server, &export).await;
        assert!(!plain.stdout().starts_with('\u{feff}'), "{what}");
    }
    for what in ["sealed", "backup", "definition", "results --format json"] {
        let export = format!("export paredao-01 --what {what} --for excel");
        assert!(fails(&server, &export, 2).await.contains("--for"), "{what}");
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_written_to_is_wrong_input() {
    let (server, dir, _file) = applied().await;
    let below_a_file = dir.path().join("poll.yaml/x");
    for path in [
        "/nonexistent/x",
        dir.path().to_str().expect("the path is UTF-8"),
        below_a_file.to_str().expect("the path is UTF-8"),
    ] {
        let error = fails(&server, &format!("export paredao-01 --file {path}"), 2).await;
        assert!(
            error.contains(&format!("can't write {path}")),
            "{path}: {error}"
        );
    }
}

#[tokio::test]
async fn redis_is_waited_for_until_it_is_there_and_no_longer_than_said() {
    let mut server = RedisServer::start().await;
    let url = server.url();
    let list = |wait| {
        let words = [
            "--redis",
            &url,
            "--wait-for-redis",
            wait,
            "poll",
            "list",
            "-o",
            "json",
        ];
        votectl().args(words).spawn()
    };
    server.stop().await;
    let exit = list("1s").wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(3));
    let error = exit.stderr();
    assert!(
        error.contains("isn't there yet") && error.contains("waited 1s"),
        "{error}"
    );

    let mut waiting = list("80s");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    server.restart().await;
    let exit = waiting.wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    assert_eq!(exit.stdout().trim(), "[]");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_output_that_takes_no_more_is_named() {
    let (server, _dir, _file) = applied().await;
    for line in ["poll list", "poll list -o json", "export paredao-01"] {
        let script = format!(
            "{} --redis {} {line} > /dev/full",
            env!("CARGO_BIN_EXE_votectl"),
            server.url()
        );
        let exit = ChildProcess::builder("sh")
            .args(["-c", &script])
            .spawn()
            .wait(PATIENCE)
            .await;
        assert_eq!(exit.code(), Some(3));
        assert!(
            exit.stderr().contains("can't write the output: "),
            "{line}: {}",
            exit.stderr()
        );
    }
}

#[tokio::test]
async fn who_does_it_is_a_line_of_the_log_and_no_more() {
    let (server, _dir, _file) = applied().await;
    let open = |by: String, user: &'static str| {
        let command = votectl()
            .env("USER", user)
            .args(["--redis", &server.url()])
            .args(["poll", "open", "paredao-01"]);
        let command = if by.is_empty() {
            command
        } else {
            command.args(["--by", &by])
        };
        async move { command.spawn().wait(PATIENCE).await }
    };
    for by in [
        "ana\n  2026-11-24 seal",
        "ana\u{1b}[2J",
        " ",
        &"a".repeat(65),
    ] {
        let exit = open(by.to_owned(), "tester").await;
        assert_eq!(exit.code(), Some(2), "{by:?}: {}", exit.stdout());
        assert!(
            exit.stderr().contains("--by") && exit.stderr().contains("1 to 64 characters"),
            "{}",
            exit.stderr()
        );
    }
    let nobody = open(String::new(), "").await;
    assert_eq!(nobody.code(), Some(0), "{}", nobody.stderr());
    let shown = json(&server, "poll show paredao-01").await;
    assert_eq!(shown["poll"]["log"][1]["by"], "operator");
}

#[tokio::test]
async fn a_wrong_password_is_asked_for_and_not_the_address() {
    let server = RedisServer::start().await;
    let mut connection = server.connection().await;
    redis::cmd("ACL")
        .arg(&["SETUSER", "rita", "on", ">right", "~x", "+@connection"])
        .exec_async(&mut connection)
        .await
        .expect("Redis answers");
    for (password, says) in [
        ("wrong", "are user and password right?"),
        ("right", "is it the right user?"),
    ] {
        let address = server.url_as("rita", password);
        let exit = votectl()
            .args(["--redis", &address, "poll", "list"])
            .spawn()
            .wait(PATIENCE)
            .await;
        assert_eq!(exit.code(), Some(3));
        assert!(
            exit.stderr().contains(says)
                && exit.stderr().contains("VOTE__REDIS__PASSWORD")
                && exit.stderr().contains("--redis-username")
                && !exit.stderr().contains("is Redis where"),
            "{}",
            exit.stderr()
        );
    }
}

#[tokio::test]
async fn a_wrong_duration_is_told_what_is_right() {
    let (server, _dir, _file) = applied().await;
    json(&server, "poll open paredao-01").await;
    for (line, wrong) in [
        ("poll extend paredao-01 --for 1d", "1d"),
        ("poll extend paredao-01 --for 30", "30"),
        ("poll demo - --for 2w", "2w"),
        ("poll seal paredao-01 --grace soon", "soon"),
        ("poll seal paredao-01 --wait 1y", "1y"),
        ("smoke --timeout 30", "30"),
    ] {
        let error = fails(&server, line, 2).await;
        let says = format!("must be a duration such as 30m or 1h30m, is `{wrong}`");
        assert!(error.contains(&says), "{line}: {error}");
    }
    for far in ["999999999999h", "99999999999999999999h"] {
        let error = fails(&server, &format!("poll extend paredao-01 --for {far}"), 2).await;
        assert!(error.contains("is too far away"), "{far}: {error}");
    }
}

#[tokio::test]
async fn dev_takes_no_redis_but_its_own() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let port = free_port().to_string();
    for (address, refused) in [
        ("redis://h:1".to_owned(), true),
        (format!("redis://127.0.0.1:{port}"), false),
    ] {
        let exit = votectl()
            .args([
                "--redis",
                &address,
                "dev",
                "--redis-port",
                &port,
                "--data-dir",
            ])
            .arg(dir.path().join("data"))
            .args(["--bin-dir", "/nonexistent"])
            .spawn()
            .wait(PATIENCE)
            .await;
        assert_eq!(exit.code(), Some(2));
        let (stderr, about) = (exit.stderr(), "a Redis of its own");
        assert_eq!(stderr.contains(about), refused, "{stderr}");
        assert!(
            stderr.contains(if refused { "--redis:" } else { "--bin-dir" }),
            "{stderr}"
        );
    }
}
