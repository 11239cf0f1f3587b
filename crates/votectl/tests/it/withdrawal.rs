//! A candidate leaves the show: what production does, and what the sealed result says.

use crate::support::{fails, json, opened, run, service, vote};
use serde_json::Value;

const POLL: &str = "paredao-01";

fn candidate<'a>(standing: &'a Value, id: &str) -> &'a Value {
    let candidates = standing["candidates"].as_array().expect("a list");
    let found = candidates.iter().find(|candidate| candidate["id"] == id);
    found.expect("the candidate")
}

#[tokio::test]
async fn a_withdrawal_asks_is_in_the_journal_and_can_be_taken_back_until_the_poll_is_sealed() {
    let (server, _dir, _file) = opened().await;
    let (_running, ingest) = service("vote-ingest", &server).await;
    vote(ingest, POLL).await;

    let silent = fails(&server, &format!("poll withdraw {POLL} ana --yes"), 2).await;
    assert!(silent.contains("--reason <TEXT>"), "{silent}");
    let asked = fails(
        &server,
        &format!("poll withdraw {POLL} ana --reason saiu"),
        2,
    )
    .await;
    for part in ["Withdraw ana (Ana)", "--undo", "--yes"] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    let unknown = format!("poll withdraw {POLL} zoe --reason saiu --yes");
    let unknown = fails(&server, &unknown, 1).await;
    assert!(
        unknown.contains("has no candidate zoe; it has ana, bia"),
        "{unknown}"
    );

    let withdraw = format!("poll withdraw {POLL} ana --reason saiu --yes");
    let out = json(&server, &withdraw).await;
    assert_eq!(out["withdrawn"], serde_json::json!(["ana"]));
    let again = run(&server, &format!("{withdraw} --output json")).await;
    assert!(again.stderr().contains("left the poll at"), "{again:?}");
    let again: Value = serde_json::from_str(&again.stdout()).expect("JSON");
    assert_eq!(again["revision"], out["revision"]);
    let not_out = format!("poll withdraw {POLL} bia --undo --reason voltou");
    let not_out = fails(&server, &not_out, 1).await;
    assert!(not_out.contains("bia is not withdrawn"), "{not_out}");
    let shown = run(&server, &format!("poll show {POLL}")).await.stdout();
    assert!(shown.contains("withdrawn at 20"), "{shown}");
    let journal = json(&server, &format!("poll journal {POLL}"))
        .await
        .to_string();
    for part in [r#""withdraw""#, "candidate ana", "saiu"] {
        assert!(journal.contains(part), "{part}: {journal}");
    }

    let undo = format!("poll withdraw {POLL} ana --undo --reason voltou");
    assert_eq!(
        json(&server, &undo).await["withdrawn"],
        serde_json::json!([])
    );
    let again = run(&server, &undo).await;
    assert_eq!(again.code(), Some(0), "{again:?}");
    assert!(again.stderr().contains("ana is not withdrawn"), "{again:?}");
    json(&server, &withdraw).await;
    json(&server, &format!("poll close {POLL} --yes")).await;
    json(&server, &format!("poll seal {POLL} --now --yes")).await;
    let late = fails(&server, &undo, 1).await;
    assert!(late.contains("a poll that is sealed"), "{late}");

    let sealed = json(
        &server,
        &format!("export {POLL} --what sealed --format json"),
    )
    .await;
    let ana = candidate(&sealed["standing"], "ana");
    assert_eq!(ana["votes"], 1);
    assert!(
        ana.get("percent").is_none() && ana.get("rank").is_none(),
        "{ana}"
    );
    assert_eq!(ana["withdrawn_at"], sealed["poll"]["withdrawn"][0]["at"]);
    assert_eq!(sealed["standing"]["total_votes"], 1);
    let bia = candidate(&sealed["standing"], "bia");
    assert_eq!((&bia["percent"], &bia["rank"]), (&0.into(), &1.into()));
}

#[tokio::test]
async fn figures_for_people_and_backups_have_the_withdrawal() {
    let (server, dir, _file) = opened().await;
    let (_running, ingest) = service("vote-ingest", &server).await;
    vote(ingest, POLL).await;
    let out = json(
        &server,
        &format!("poll withdraw {POLL} ana --reason saiu --yes"),
    )
    .await;
    assert_eq!(out["state"], "open");
    let shown = json(&server, &format!("poll show {POLL}")).await;
    let at = shown["poll"]["withdrawn"][0]["at"]
        .as_str()
        .expect("a time")
        .to_owned();

    let csv = run(
        &server,
        &format!("export {POLL} --what results --format csv"),
    )
    .await
    .stdout();
    let rows: Vec<&str> = csv.lines().collect();
    assert!(
        rows[0].ends_with(",votes,percent,rank,withdrawn_at"),
        "{csv}"
    );
    // By both channels, and through the one that the vote came by.
    let ana = format!("ana,Ana,1,,,{at}");
    let of_ana = rows.iter().filter(|row| row.ends_with(&ana));
    assert_eq!(of_ana.count(), 2, "{csv}");
    let bia = "bia,Bia,0,0.00,1,";
    assert!(rows.iter().any(|row| row.ends_with(bia)), "{csv}");
    for what in ["hourly", "minutely"] {
        let series = json(
            &server,
            &format!("export {POLL} --what {what} --format json"),
        )
        .await;
        assert_eq!(series["withdrawn"]["ana"], at);
    }
    for what in ["hourly", "definition"] {
        let said = run(&server, &format!("export {POLL} --what {what}")).await;
        assert!(said.stderr().contains("withdrawn from poll"), "{said:?}");
    }
    let text = run(&server, &format!("poll show {POLL}")).await.stdout();
    assert!(
        text.lines()
            .any(|line| line.contains("ana") && line.trim_end().ends_with("withdrawn")),
        "{text}"
    );

    let backup = dir.path().join("backup.json");
    let backup = backup.to_str().expect("UTF-8");
    json(&server, &format!("poll close {POLL} --yes")).await;
    run(
        &server,
        &format!("export {POLL} --what backup --format json --file {backup}"),
    )
    .await;
    let elsewhere = vote_testkit::RedisServer::start().await;
    json(&elsewhere, &format!("import {backup}")).await;
    let restored = json(&elsewhere, &format!("poll show {POLL}")).await;
    assert_eq!(restored["poll"]["withdrawn"], shown["poll"]["withdrawn"]);
    assert!(
        candidate(&restored["standing"], "ana")
            .get("rank")
            .is_none()
    );
}
