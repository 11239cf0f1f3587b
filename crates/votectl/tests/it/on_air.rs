//! What may go on air: released, held, and what files and backups make of it.

use crate::support::{fails, json, poll_file, run, service, vote};
use serde_json::{Value, json as value};
use vote_testkit::RedisServer;

const POLL: &str = "paredao-01";

/// An open poll whose figures production has to release, and its file.
async fn opened() -> (RedisServer, tempfile::TempDir, String) {
    let server = RedisServer::start().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = poll_file(dir.path());
    let text = std::fs::read_to_string(&file).expect("the file");
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("release:"))
        .collect();
    std::fs::write(&file, lines.join("\n") + "\n").expect("it is written");
    json(&server, &format!("poll apply {file}")).await;
    json(&server, &format!("poll open {POLL}")).await;
    (server, dir, file)
}

async fn shown(server: &RedisServer) -> Value {
    json(server, &format!("poll show {POLL}")).await
}

/// The figures that the poll is held at.
async fn held(server: &RedisServer) -> Value {
    shown(server).await["poll"]["release"]["held"].take()
}

#[tokio::test]
async fn figures_go_on_air_once_that_was_confirmed_and_are_held_without_a_question() {
    let (server, _dir, _file) = opened().await;
    let (_running, ingest) = service("vote-ingest", &server).await;
    vote(ingest, POLL).await;
    assert_eq!(shown(&server).await["release"], "unreleased");

    let asked = fails(&server, &format!("poll release {POLL}"), 2).await;
    for part in ["They are unreleased now", "on air", "--yes"] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    assert_eq!(shown(&server).await["release"], "unreleased");
    let release = format!("poll release {POLL} --yes --reason roda");
    let released = json(&server, &release).await;
    assert_eq!(
        (&released["release"], &released["state"]),
        (&"released".into(), &"open".into())
    );
    let again = run(&server, &format!("{release} -o json")).await;
    assert!(again.stderr().contains("is released already"), "{again:?}");
    let again: Value = serde_json::from_str(&again.stdout()).expect("JSON");
    assert_eq!(again["revision"], released["revision"]);

    let line = run(&server, &format!("poll hold {POLL} --reason engano")).await;
    assert!(line.stdout().contains("held on air"), "{line:?}");
    let frozen = held(&server).await;
    assert_eq!(frozen["total_votes"], 1);
    assert_eq!(frozen["status"], "provisional");
    assert_eq!(
        frozen["candidates"][0],
        value!({ "candidate": "ana", "votes": 1, "percent": 100, "rank": 1 })
    );
    let revision = frozen["revision"].as_u64().expect("a number");
    assert!(
        revision > released["revision"].as_u64().expect("a number"),
        "{frozen}"
    );
    // Votes go on, and what is held stays, also when it is held again.
    vote(ingest, POLL).await;
    let again = run(&server, &format!("poll hold {POLL}")).await;
    assert!(again.stderr().contains("is held already"), "{again:?}");
    assert_eq!(held(&server).await, frozen);
    let list = run(&server, "poll list").await.stdout();
    assert!(list.contains("ON AIR") && list.contains("held"), "{list}");
    let text = run(&server, &format!("poll show {POLL}")).await.stdout();
    assert!(
        text.contains(&format!("held at revision {revision}")),
        "{text}"
    );

    let asked = fails(&server, &format!("poll release {POLL}"), 2).await;
    assert!(asked.contains("They are held now"), "{asked}");
    json(&server, &release).await;
    let journal = json(&server, &format!("poll journal {POLL}"))
        .await
        .to_string();
    for part in [
        r#""action":"release""#,
        "unreleased to released",
        "roda",
        &format!("released to held at revision {revision}"),
        "engano",
        "held to released",
    ] {
        assert!(journal.contains(part), "{part}: {journal}");
    }
}

#[tokio::test]
async fn a_result_is_released_after_it_was_sealed_and_its_proof_holds() {
    let (server, _dir, _file) = opened().await;
    json(&server, &format!("poll close {POLL} --yes")).await;
    json(&server, &format!("poll seal {POLL} --now --yes")).await;
    json(&server, &format!("poll release {POLL} --yes")).await;
    json(&server, &format!("audit {POLL}")).await;
    json(&server, &format!("poll hold {POLL}")).await;
    json(&server, &format!("audit {POLL}")).await;
    assert_eq!(held(&server).await["status"], "final");
}

#[tokio::test]
async fn a_poll_is_held_also_where_its_figures_can_not_be_read() {
    let (server, _dir, _file) = opened().await;
    json(&server, &format!("poll release {POLL} --yes")).await;
    redis::cmd("DEL")
        .arg(format!("vote:{{{POLL}/0}}:state"))
        .exec_async(&mut server.connection().await)
        .await
        .expect("gone");
    let exit = run(&server, &format!("poll hold {POLL} -o json")).await;
    assert_eq!(exit.code(), Some(0), "{exit:?}");
    assert!(exit.stderr().contains("graphics show none"), "{exit:?}");
    let now = shown(&server).await;
    assert_eq!(now["release"], "held");
    assert_eq!(now["poll"]["release"], value!({ "held": null }));
}

#[tokio::test]
async fn a_file_releases_only_after_a_question_and_never_against_a_command() {
    let (server, _dir, file) = opened().await;
    let text = std::fs::read_to_string(&file).expect("the file");
    let auto = file.replace("poll.yaml", "auto.yaml");
    std::fs::write(&auto, format!("{text}release: auto\n")).expect("it is written");
    let asked = fails(&server, &format!("poll apply {auto}"), 2).await;
    assert!(
        asked.contains("Release the figures") && asked.contains("--yes"),
        "{asked}"
    );
    json(&server, &format!("poll apply {auto} --yes")).await;
    assert_eq!(shown(&server).await["release"], "released");
    json(&server, &format!("poll hold {POLL}")).await;
    let manual = file.replace("poll.yaml", "manual.yaml");
    std::fs::write(&manual, format!("{text}release: manual\n")).expect("it is written");
    let exit = run(&server, &format!("poll apply {manual}")).await;
    assert_eq!(exit.code(), Some(0), "{exit:?}");
    for part in [
        "release stays auto",
        "poll release paredao-01",
        "poll hold paredao-01",
    ] {
        assert!(exit.stderr().contains(part), "{part}: {exit:?}");
    }
    assert_eq!(shown(&server).await["release"], "held");
}

#[tokio::test]
async fn from_a_backup_nothing_is_on_air_before_somebody_has_looked() {
    let (server, dir, _file) = opened().await;
    json(&server, &format!("poll release {POLL} --yes")).await;
    let backup = dir.path().join("backup.json");
    let backup = backup.to_str().expect("text");
    let exit = run(
        &server,
        &format!("export {POLL} --what backup --file {backup}"),
    )
    .await;
    assert_eq!(exit.code(), Some(0), "{exit:?}");
    let other = RedisServer::start().await;
    json(&other, &format!("import {backup}")).await;
    let restored = shown(&other).await;
    assert_eq!(
        (&restored["poll"]["state"], &restored["release"]),
        (&"paused".into(), &"held".into())
    );
    // What was held comes back as it was.
    json(&server, &format!("poll hold {POLL}")).await;
    let frozen = held(&server).await;
    let second = dir.path().join("second.json");
    let second = second.to_str().expect("text");
    let exit = run(
        &server,
        &format!("export {POLL} --what backup --file {second}"),
    )
    .await;
    assert_eq!(exit.code(), Some(0), "{exit:?}");
    let third = RedisServer::start().await;
    json(&third, &format!("import {second}")).await;
    assert_eq!(held(&third).await, frozen);
    assert_eq!(frozen["total_votes"], 0);
}
