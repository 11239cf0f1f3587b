//! Reasons, and the journal that keeps them.

use crate::support::{PATIENCE, applied, fails, json, run, votectl};
use vote_testkit::{Exit, RedisServer};

async fn because(server: &RedisServer, line: &str, reason: &str) -> Exit {
    let command = votectl()
        .args(["--redis", &server.url()])
        .args(line.split(' '))
        .args(["--reason", reason]);
    command.spawn().wait(PATIENCE).await
}

#[tokio::test]
async fn the_journal_keeps_who_did_what_when_and_why() {
    let (server, _dir, _file) = applied().await;
    let lines = [
        ("open", "poll open paredao-01", "o programa começou"),
        (
            "pause",
            "poll pause paredao-01",
            "queda do sinal em São Paulo",
        ),
        ("resume", "poll resume paredao-01", "sinal de volta"),
        (
            "extend",
            "poll extend paredao-01 --for 30m",
            "o tempo da pausa",
        ),
        ("close", "poll close paredao-01 --yes", "fim do programa"),
        (
            "seal",
            "poll seal paredao-01 --now --yes",
            "resultado no ar",
        ),
    ];
    for (_, line, reason) in lines {
        let exit = because(&server, line, reason).await;
        assert_eq!(exit.code(), Some(0), "{line}: {}", exit.stderr());
    }
    let journal = json(&server, "poll journal paredao-01").await;
    assert_eq!(journal["poll"], "paredao-01");
    let entries = journal["journal"].as_array().expect("it is a list");
    assert_eq!(entries.len(), lines.len() + 1);
    assert_eq!(entries[0]["action"], "apply");
    assert!(entries[0].get("reason").is_none());
    for (entry, (action, _, reason)) in entries[1..].iter().zip(lines) {
        assert_eq!(
            (&entry["action"], &entry["reason"], &entry["by"]),
            (&action.into(), &reason.into(), &"tester".into())
        );
    }
    let shown = run(&server, "poll journal paredao-01").await.stdout();
    let shows = run(&server, "poll show paredao-01").await.stdout();
    for (_, _, reason) in lines {
        assert!(
            shown.contains(reason) && shows.contains(reason),
            "{shown}{shows}"
        );
    }
    // It is under the digest of the sealed result as well, and in a backup.
    json(&server, "audit paredao-01").await;
    let backup = run(&server, "export paredao-01 --what backup")
        .await
        .stdout();
    assert!(backup.contains("queda do sinal em São Paulo"));
    assert!(
        fails(&server, "poll journal nothing", 2)
            .await
            .contains("nothing")
    );
}

#[tokio::test]
async fn a_reason_that_is_none_changes_nothing() {
    let (server, _dir, _file) = applied().await;
    for reason in [
        "",
        " ",
        "two\nlines",
        "\u{1b}[2J",
        "\u{202e}x",
        &"x".repeat(501),
    ] {
        let exit = because(&server, "poll void paredao-01 --yes", reason).await;
        assert_eq!(exit.code(), Some(2), "{reason:?}");
        assert!(exit.stderr().contains("--reason"), "{}", exit.stderr());
    }
    assert_eq!(json(&server, "poll list").await[0]["state"], "draft");
    let exit = because(&server, "poll void paredao-01 --yes", "wrong candidates").await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    let journal = json(&server, "poll journal paredao-01").await;
    assert_eq!(journal["journal"][1]["reason"], "wrong candidates");
}
