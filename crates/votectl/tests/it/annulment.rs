//! Votes of a window leave the result: what production does, what everybody is shown, and what the sealed result proves.

use crate::support::{fails, json, opened, run, service, vote};
use serde_json::{Value, json as value};
use std::time::Duration;
use vote_client::connection::Connection;
use vote_domain::{Clock as _, Minute, SealedPoll, wire_time};
use vote_runtime::SystemClock;
use vote_testkit::eventually;

const POLL: &str = "paredao-01";
const DEADLINE: Duration = Duration::from_secs(30);

/// The minute that runs and the one before, as options.
fn window() -> String {
    let now = Minute::from_timestamp(SystemClock.now());
    let until = now.next().start();
    let from = until - jiff::SignedDuration::from_mins(2);
    let (from, until) = (wire_time::format(from), wire_time::format(until));
    format!("--from {from} --until {until}")
}

fn votes<'a>(standing: &'a Value, id: &str) -> &'a Value {
    let candidates = standing["candidates"].as_array().expect("a list");
    let found = candidates.iter().find(|candidate| candidate["id"] == id);
    &found.expect("the candidate")["votes"]
}

async fn read(results: std::net::SocketAddr, path: &str) -> Result<Value, String> {
    let mut connection = Connection::open(&results.into())
        .await
        .map_err(|error| error.to_string())?;
    let request = format!("GET /v1/polls/{POLL}/{path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let answer = connection.exchange(request.as_bytes()).await;
    let answer = answer.map_err(|error| format!("{error:?}"))?;
    serde_json::from_slice(answer.body).map_err(|error| error.to_string())
}

/// Waits until readers of results are shown so many votes.
async fn shown(results: std::net::SocketAddr, wanted: u64) {
    eventually(DEADLINE, || async {
        let standing = read(results, "results").await?;
        if standing["total_votes"] == wanted {
            Ok(())
        } else {
            Err(standing.to_string())
        }
    })
    .await;
}

#[tokio::test]
async fn votes_leave_the_result_for_everybody_come_back_and_stay_out_once_it_is_sealed() {
    let (server, _dir, _file) = opened().await;
    let (_ingest, ingest) = service("vote-ingest", &server).await;
    let (_results, results) = service("vote-results", &server).await;
    for _ in 0..3 {
        vote(ingest, POLL).await;
    }
    shown(results, 3).await;

    // What is asked first, and what nobody has to do.
    let window = window();
    let asked = fails(
        &server,
        &format!("annul {POLL} {window} --candidate ana --reason robots"),
        2,
    )
    .await;
    for part in [
        "3 votes recorded, 3 annulled, 0 count",
        "Annul votes from",
        "--take-back 1",
        "--yes",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    let tried = json(
        &server,
        &format!("annul {POLL} {window} --reason robots --dry-run"),
    )
    .await;
    assert_eq!(
        (&tried["changed"], &tried["standing"]["total_votes"]),
        (&value!(false), &value!(0))
    );
    assert_eq!(tried["before"]["total_votes"], 3);
    assert_eq!(
        json(&server, &format!("annul {POLL} --list")).await["annulments"],
        value!([])
    );

    // Done, and done again.
    let annul = format!("annul {POLL} {window} --candidate ana --reason robots --yes");
    let done = json(&server, &annul).await;
    assert_eq!(done["changed"], true);
    assert_eq!(
        (
            &done["recorded"]["total_votes"],
            &done["recorded"]["annulled"]
        ),
        (&value!(3), &value!(3))
    );
    let again = json(&server, &annul).await;
    assert_eq!(
        (&again["changed"], &again["revision"]),
        (&value!(false), &done["revision"])
    );
    shown(results, 0).await;
    for (series, buckets) in [("hourly", "hours"), ("minutely", "minutes")] {
        let path = format!("results/{series}");
        eventually(DEADLINE, || async {
            let series = read(results, &path).await?;
            let all = series[buckets]
                .as_array()
                .ok_or_else(|| series.to_string())?;
            let is_out = all.iter().all(|bucket| bucket["total_votes"] == 0);
            is_out.then_some(()).ok_or_else(|| series.to_string())
        })
        .await;
    }
    let public = read(results, "results").await.expect("a standing");
    assert!(public.get("recorded").is_none(), "{public}");
    let staff = json(&server, &format!("poll show {POLL}")).await;
    assert_eq!(staff["standing"]["recorded"]["annulled"], 3);
    assert_eq!(staff["quarantine"], Value::Null, "nothing was set aside");
    let text = run(&server, &format!("poll show {POLL}")).await.stdout();
    for part in [
        "RECORDED  ANNULLED",
        "without 3 annulled votes of 3 that were recorded",
        "annulments\n",
        "robots",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("set aside"), "{text}");
    let csv = run(&server, &format!("export {POLL}")).await.stdout();
    let rows: Vec<&str> = csv.lines().collect();
    assert!(
        rows[0].ends_with(",withdrawn_at,recorded,annulled"),
        "{csv}"
    );
    let ana = rows.iter().find(|row| row.contains(",torcida,30,ana,"));
    let ana = ana.expect("a row");
    assert!(ana.contains(",0,0.00,") && ana.ends_with(",,3,3"), "{csv}");
    let audit = json(&server, &format!("audit {POLL}")).await;
    assert_eq!(
        (&audit["total"], &audit["annulled"], &audit["passed"]),
        (&value!(3), &value!(3), &value!(true))
    );

    // Back, and out again; then it is final.
    json(
        &server,
        &format!("annul {POLL} --take-back 1 --reason engano --yes"),
    )
    .await;
    shown(results, 3).await;
    let csv = run(&server, &format!("export {POLL}")).await.stdout();
    assert!(!csv.contains("annulled"), "{csv}");
    json(&server, &annul).await;
    shown(results, 0).await;
    let list = run(&server, &format!("annul {POLL} --list")).await.stdout();
    assert_eq!(list.lines().count(), 3, "{list}");
    json(&server, &format!("poll close {POLL} --yes")).await;
    let plan = fails(&server, &format!("poll seal {POLL} --now"), 2).await;
    let wanted = "with 0 votes, without 3 annulled ones of 3 that were recorded?";
    assert!(plan.contains(wanted), "{plan}");
    json(&server, &format!("poll seal {POLL} --now --yes")).await;
    for late in [
        annul.as_str(),
        &format!("annul {POLL} --take-back 2 --reason engano --yes"),
    ] {
        let late = fails(&server, late, 1).await;
        assert!(late.contains("its result is final"), "{late}");
    }
    let sealed = json(
        &server,
        &format!("export {POLL} --what sealed --format json"),
    )
    .await;
    let proven: SealedPoll = serde_json::from_value(sealed.clone()).expect("a sealed poll");
    proven.verify().expect("it is as it was sealed");
    assert_eq!(proven.tally.total(), 3, "the tally has them");
    assert_eq!(votes(&sealed["standing"], "ana"), 0);
    assert_eq!(sealed["standing"]["recorded"]["annulled"], 3);
    // Somebody who takes the annulment out of it is found out.
    let mut forged = proven.clone();
    for shard in &mut forged.shards {
        shard.annulled = None;
    }
    forged.sha256 = forged.digest();
    assert_eq!(
        forged.verify().expect_err("other figures").to_string(),
        "standing: isn't what the shards' figures make"
    );
    let audit = json(&server, &format!("audit {POLL}")).await;
    assert_eq!(audit["passed"], true, "{audit}");
    eventually(DEADLINE, || async {
        let standing = read(results, "results").await?;
        let is_final = standing["status"] == "final" && standing["recorded"]["annulled"] == 3;
        if is_final {
            Ok(())
        } else {
            Err(standing.to_string())
        }
    })
    .await;
}

#[tokio::test]
async fn a_window_that_is_wrong_changes_nothing_and_a_backup_has_the_trail() {
    let (server, dir, _file) = opened().await;
    let (_ingest, ingest) = service("vote-ingest", &server).await;
    vote(ingest, POLL).await;
    let window = window();
    for (line, code, says) in [
        (
            format!("annul {POLL} {window} --channel zap --reason x --yes"),
            1,
            "has no channel zap",
        ),
        (
            format!("annul {POLL} {window} --candidate zoe --reason x --yes"),
            1,
            "has no candidate zoe",
        ),
        (
            format!(
                "annul {POLL} --from 2001-01-01T00:00:00Z --until 2001-01-02T00:00:00Z --reason x --yes"
            ),
            1,
            "the poll takes votes from",
        ),
        (
            format!("annul {POLL} --from tomorrow --until 23:00 --reason x --yes"),
            2,
            "--from",
        ),
        (
            format!("annul {POLL} --take-back 7 --reason x --yes"),
            1,
            "none was made",
        ),
        ("annul nobody --list".to_owned(), 2, "nobody"),
    ] {
        let said = fails(&server, &line, code).await;
        assert!(said.contains(says), "{line}: {said}");
    }
    let before = json(&server, &format!("annul {POLL} --list")).await;
    assert_eq!(before["annulments"], value!([]));
    json(
        &server,
        &format!("annul {POLL} {window} --channel torcida --reason robots --yes"),
    )
    .await;
    let list = json(&server, &format!("annul {POLL} --list")).await;

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
    let restored = json(&elsewhere, &format!("annul {POLL} --list")).await;
    assert_eq!(restored["annulments"], list["annulments"]);
    assert_eq!(restored["annulments"][0]["reason"], "robots");
}

/// Reads or writes the poll's document, as a failover would have it.
async fn document(server: &vote_testkit::RedisServer, written: Option<&[u8]>) -> Vec<u8> {
    let mut connection = server.connection().await;
    let key = "vote:poll:paredao-01";
    if let Some(document) = written {
        let set = redis::cmd("SET").arg(key).arg(document).to_owned();
        set.exec_async(&mut connection)
            .await
            .expect("Redis answers");
    }
    let read = redis::cmd("GET").arg(key).to_owned();
    read.query_async(&mut connection)
        .await
        .expect("Redis answers")
}

#[tokio::test]
async fn a_sealing_that_was_cut_off_says_what_was_annulled_since_and_how_to_undo_that() {
    let (server, _dir, _file) = opened().await;
    let (_ingest, ingest) = service("vote-ingest", &server).await;
    for _ in 0..3 {
        vote(ingest, POLL).await;
    }
    let window = window();
    let annul = format!("annul {POLL} {window} --channel torcida --reason robots --yes");
    json(&server, &annul).await;
    json(&server, &format!("poll close {POLL} --yes")).await;
    let closed = document(&server, None).await;
    let seal = format!("poll seal {POLL} --now --yes");
    let first = json(&server, &seal).await;
    // All of it is written but the poll's document.
    document(&server, Some(&closed)).await;

    let take_back = format!("annul {POLL} --take-back 1 --reason engano --yes");
    fails(&server, &take_back, 1).await;
    let other = format!("annul {POLL} {window} --candidate bia --reason robots --yes");
    fails(&server, &other, 1).await;
    let refused = fails(&server, &seal, 1).await;
    for part in [
        "with other annulments: annulled since: votes from",
        "candidate bia (annulment 2); taken back since: votes from",
        &format!("votectl annul {POLL} --take-back 2 --reason TEXT"),
        &format!("votectl annul {POLL} {window} --channel torcida --reason TEXT"),
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    // What it says, word by word.
    let commands: Vec<String> = refused
        .lines()
        .filter_map(|line| line.strip_prefix("  votectl "))
        .map(|line| line.replace("TEXT", "selado") + " --yes")
        .collect();
    assert_eq!(commands.len(), 2, "{refused}");
    for command in &commands {
        fails(&server, command, 1).await;
    }
    let again = json(&server, &seal).await;
    assert_eq!(again["sha256"], first["sha256"]);
    assert_eq!(again["standing"]["recorded"]["annulled"], 3);
    let audit = json(&server, &format!("audit {POLL}")).await;
    assert_eq!(audit["passed"], true, "{audit}");
}
