//! What an operator changes of a poll while it runs: what asks first, what a file leaves alone, which times are taken.

use crate::support::{fails, json, opened, poll_file, run};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use vote_domain::{Clock, wire_time};
use vote_runtime::SystemClock;
use vote_testkit::RedisServer;

const POLL: &str = "paredao-01";

/// The file with a text of it replaced.
fn edited(file: &str, from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(file).expect("the file");
    assert!(text.contains(from), "{from}");
    let edited = file.replace("poll.yaml", "edited.yaml");
    std::fs::write(&edited, text.replace(from, to)).expect("the file can be written");
    edited
}

fn instant(value: &Value) -> Timestamp {
    wire_time::parse(value.as_str().expect("a text")).expect("an instant")
}

async fn shown(server: &RedisServer) -> Value {
    json(server, &format!("poll show {POLL}")).await["poll"].take()
}

#[tokio::test]
async fn closing_a_poll_that_runs_asks_and_names_what_is_milder() {
    let (server, _dir, _file) = opened().await;
    let question = fails(&server, &format!("poll close {POLL}"), 2).await;
    for part in ["poll pause paredao-01", "--yes", "America/Sao_Paulo"] {
        assert!(question.contains(part), "{part}: {question}");
    }
    assert_eq!(shown(&server).await["state"], "open");
    let question = fails(&server, &format!("poll void {POLL}"), 2).await;
    assert!(question.contains("poll pause paredao-01"), "{question}");
    json(&server, &format!("poll close {POLL} --yes")).await;
    // Already closed: it is fenced again, and nothing is asked.
    let again = run(&server, &format!("poll close {POLL}")).await;
    assert_eq!(again.code(), Some(0), "{again:?}");
    assert!(again.stderr().contains("it had been done"), "{again:?}");
    assert!(again.stdout().contains("is closed since"), "{again:?}");
}

#[tokio::test]
async fn an_embargo_is_lifted_by_a_command_and_stays_lifted_when_the_file_is_applied_again() {
    let (server, _dir, file) = opened().await;
    let embargo = json(&server, &format!("poll visibility {POLL} embargoed")).await;
    assert_eq!(embargo["visibility"], "embargoed");
    // The file says public: what a command has changed stays, and is said.
    let exit = run(&server, &format!("poll apply {file} -o json")).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    assert!(
        exit.stderr().contains("visibility stays embargoed"),
        "{}",
        exit.stderr()
    );
    let applied: Value = serde_json::from_str(&exit.stdout()).expect("JSON");
    assert_eq!(
        (&applied["action"], &applied["kept"][0]["field"]),
        (&"unchanged".into(), &"visibility".into())
    );
    let refused = fails(&server, &format!("poll visibility {POLL} percentages"), 2).await;
    assert!(
        refused.contains("embargoed now") && refused.contains("--yes"),
        "{refused}"
    );
    json(&server, &format!("poll close {POLL} --yes")).await;
    json(&server, &format!("poll seal {POLL} --now --yes")).await;
    let lifted = json(
        &server,
        &format!("poll visibility {POLL} public --yes --reason fim"),
    )
    .await;
    assert_eq!(
        (&lifted["state"], &lifted["visibility"]),
        (&"sealed".into(), &"public".into())
    );
    let again = json(&server, &format!("poll visibility {POLL} public")).await;
    assert_eq!(again["revision"], lifted["revision"]);
    let wrong = fails(&server, &format!("poll visibility {POLL} open"), 2).await;
    assert!(wrong.contains("public, percentages, embargoed"), "{wrong}");
}

#[tokio::test]
async fn a_file_shows_nothing_that_it_does_not_name_and_asks_before_it_shows_more() {
    let (server, _dir, file) = opened().await;
    let embargoed = edited(&file, "visibility: public\n", "visibility: embargoed\n");
    json(&server, &format!("poll apply {embargoed}")).await;
    let silent = edited(&file, "visibility: public\n", "");
    let kept = json(&server, &format!("poll apply {silent}")).await;
    assert_eq!(kept["action"], "unchanged");
    assert_eq!(
        shown(&server).await["definition"]["visibility"],
        "embargoed"
    );
    let refused = fails(&server, &format!("poll apply {file}"), 2).await;
    assert!(refused.contains("--yes"), "{refused}");
    assert_eq!(
        shown(&server).await["definition"]["visibility"],
        "embargoed"
    );
    let lifted = json(&server, &format!("poll apply {file} --yes")).await;
    assert_eq!(lifted["differences"][0]["field"], "visibility");
}

#[tokio::test]
async fn a_file_applied_again_leaves_a_closing_time_that_was_moved() {
    let (server, _dir, file) = opened().await;
    let extended = json(
        &server,
        &format!("poll extend {POLL} --for 30m --reason atraso"),
    )
    .await;
    let exit = run(&server, &format!("poll apply {file}")).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    assert!(
        exit.stderr().contains("closes_at stays"),
        "{}",
        exit.stderr()
    );
    assert_eq!(shown(&server).await["closes_at"], extended["closes_at"]);
    let renamed = edited(&file, "title: Paredão 1", "title: O primeiro");
    let changed = json(&server, &format!("poll apply {renamed}")).await;
    assert_eq!(changed["differences"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown(&server).await["closes_at"], extended["closes_at"]);
}

#[tokio::test]
async fn a_poll_is_shortened_again_but_not_to_where_votes_were_accepted() {
    let (server, _dir, _file) = opened().await;
    let before = shown(&server).await["closes_at"].clone();
    let asked = fails(&server, &format!("poll extend {POLL} --for 25h"), 2).await;
    assert!(asked.contains("more than a day"), "{asked}");
    json(&server, &format!("poll extend {POLL} --for 25h --yes")).await;
    let line = format!(
        "poll reschedule {POLL} --until {}",
        before.as_str().expect("a text")
    );
    let shorter = json(&server, &line).await;
    assert_eq!(shorter["closes_at"], before);
    assert_eq!(json(&server, &line).await["revision"], shorter["revision"]);
    let past = wire_time::format(SystemClock.now() - SignedDuration::from_mins(1));
    let refused = fails(
        &server,
        &format!("poll reschedule {POLL} --until {past}"),
        1,
    )
    .await;
    assert!(refused.contains("closes_at: must be"), "{refused}");
    let opened = fails(
        &server,
        &format!("poll reschedule {POLL} --opens-at 23:59"),
        1,
    )
    .await;
    assert!(opened.contains("can't be moved any more"), "{opened}");
}

#[tokio::test]
async fn a_time_of_day_is_the_polls_own_and_is_shown_with_its_zone_and_utc() {
    let (server, _dir, _file) = opened().await;
    let closes_at = instant(&shown(&server).await["closes_at"]);
    let sao_paulo = SignedDuration::from_hours(-3);
    let local = wire_time::format(closes_at + SignedDuration::from_mins(1) + sao_paulo);
    // 2026-11-25T23:00, as it stands on a wall clock in São Paulo.
    let until = &local[..16];
    let extended = run(&server, &format!("poll extend {POLL} --until {until}")).await;
    assert_eq!(extended.code(), Some(0), "{}", extended.stderr());
    let line = extended.stdout();
    let said = format!("{} America/Sao_Paulo (", until.replace('T', " "));
    assert!(line.contains(&said) && line.contains("Z)"), "{line}");
    let now = instant(&shown(&server).await["closes_at"]);
    assert!(now > closes_at && now <= closes_at + SignedDuration::from_mins(1));
    for (time, said) in [
        ("2026-12-01T20:00:00-02:00", "has the offset -02"),
        ("20261201T200000Z", "must be a local time"),
        (
            "2026-12-01T20:00:00-03:00[!America/New_York]",
            "has the offset -03",
        ),
        ("25:00", "no time that there is"),
        ("amanhã", "must be a local time"),
    ] {
        let refused = fails(&server, &format!("poll extend {POLL} --until {time}"), 2).await;
        assert!(
            refused.contains("--until: ") && refused.contains(said),
            "{refused}"
        );
    }
    let listed = run(&server, "poll list").await.stdout();
    assert!(listed.contains("America/Sao_Paulo ("), "{listed}");
    let journal = run(&server, &format!("poll journal {POLL}")).await.stdout();
    assert!(journal.contains("America/Sao_Paulo ("), "{journal}");
}

#[tokio::test]
async fn a_channel_is_hardened_step_by_step_and_never_softened() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let file = poll_file(dir.path());
    json(&server, &format!("poll apply {file}")).await;
    json(&server, &format!("poll open {POLL}")).await;
    let steps = ["open", "proof_of_work", "voter", "[voter, proof_of_work]"];
    let with = |step: &str| edited(&file, "eligibility: open", &format!("eligibility: {step}"));
    for (n, step) in steps.iter().enumerate().skip(1) {
        json(&server, &format!("poll apply {}", with(step))).await;
        let softer = format!("poll apply {}", with(steps[n - 1]));
        let refused = fails(&server, &softer, 1).await;
        assert!(refused.contains("channels[0].eligibility"), "{refused}");
    }
    let journal = run(&server, &format!("poll journal {POLL}")).await.stdout();
    for said in [
        "channels[0].eligibility from open to proof_of_work",
        "channels[0].eligibility from proof_of_work to voter",
        "channels[0].eligibility from voter to voter_and_proof_of_work",
    ] {
        assert!(journal.contains(said), "no {said} in\n{journal}");
    }
}

#[tokio::test]
async fn a_channel_gets_its_limit_by_the_change_that_hardens_it_and_keeps_it() {
    let (server, _dir, file) = opened().await;
    let with = |step: &str| edited(&file, "eligibility: open", &format!("eligibility: {step}"));
    let hard = with("voter, votes_per_voter: 10, per: hour");
    let says = "from now on a voter has 10 per hour by torcida";
    for line in ["poll apply --dry-run", "poll apply"] {
        let exit = run(&server, &format!("{line} {hard}")).await;
        assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
        assert!(exit.stderr().contains(says), "{}", exit.stderr());
        let text = exit.stdout();
        for part in [
            "+ channels[0].eligibility: voter",
            "+ channels[0].votes_per_voter: 10",
            "+ channels[0].per: hour",
        ] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
    }
    let again = run(&server, &format!("poll apply {hard}")).await;
    assert!(again.stdout().contains("is unchanged"), "{again:?}");
    assert!(!again.stderr().contains("from now on"), "{again:?}");
    // A file that does not name the limit leaves it alone.
    let unnamed = run(&server, &format!("poll apply {}", with("voter"))).await;
    assert!(unnamed.stdout().contains("is unchanged"), "{unnamed:?}");
    for (looser, field) in [
        (
            "voter, votes_per_voter: 11, per: hour",
            "channels[0].votes_per_voter",
        ),
        (
            "voter, votes_per_voter: 9, per: hour",
            "channels[0].votes_per_voter",
        ),
        ("voter, votes_per_voter: 10, per: day", "channels[0].per"),
    ] {
        let refused = fails(&server, &format!("poll apply {}", with(looser)), 1).await;
        let says = format!("can't change {field}");
        assert!(refused.contains(&says), "{looser}: {refused}");
    }
    let softer = run(&server, &format!("poll apply {file}")).await;
    assert_eq!(softer.code(), Some(1), "{softer:?}");
    assert!(softer.stderr().contains("channels[0]"), "{softer:?}");

    let journal = json(&server, &format!("poll journal {POLL}")).await;
    let log = journal["journal"].as_array();
    let newest = log.and_then(|log| log.last()).expect("an entry");
    assert_eq!(newest["by"], "tester", "{journal}");
    let detail = "channels[0].eligibility from open to voter; channels[0].votes_per_voter from - to 10; \
                  channels[0].per from poll to hour";
    assert_eq!(newest["detail"], detail, "{journal}");
    let shown = run(&server, &format!("poll show {POLL}")).await.stdout();
    assert!(shown.contains("10"), "{shown}");
}

#[tokio::test]
async fn all_that_a_file_leaves_out_is_said_and_a_live_poll_must_name_its_zone() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let file = poll_file(dir.path());
    let short = edited(&file, "shards: 1\n", "");
    let applied = run(&server, &format!("poll apply {short}")).await.stdout();
    assert!(applied.contains("+ shards: 1 (default)"), "{applied}");
    assert!(applied.contains("+ visibility: public\n"), "{applied}");
    let nowhere = edited(&file, "timezone: America/Sao_Paulo\n", "");
    let refused = fails(&server, &format!("poll apply {nowhere}"), 2).await;
    assert!(refused.contains("timezone: is missing"), "{refused}");
    let host = edited(&file, "America/Sao_Paulo", "localtime");
    let refused = fails(&server, &format!("poll apply {host}"), 2).await;
    assert!(
        refused.contains("timezone: must be the IANA name"),
        "{refused}"
    );
}

#[tokio::test]
async fn voters_are_forgotten_once_a_poll_is_over_and_the_journal_has_it() {
    let (server, dir) = (
        RedisServer::start().await,
        tempfile::tempdir().expect("a temporary directory"),
    );
    let file = poll_file(dir.path());
    json(&server, &format!("poll apply {file}")).await;
    json(&server, &format!("poll open {POLL}")).await;
    let open = fails(&server, &format!("poll forget-voters {POLL} --yes"), 1).await;
    assert!(
        open.contains("can't forget the voters of a poll that is open"),
        "{open}"
    );
    json(&server, &format!("poll close {POLL} --yes")).await;
    let mut redis = server.connection().await;
    let key = format!("vote:voters:{POLL}");
    redis::cmd("SET")
        .arg(&key)
        .arg([7_u8; 32].as_slice())
        .exec_async(&mut redis)
        .await
        .expect("set");
    let done = run(
        &server,
        &format!("poll forget-voters {POLL} --yes --reason LGPD"),
    )
    .await;
    assert_eq!(done.code(), Some(0), "{}", done.stderr());
    assert!(done.stderr().contains("is destroyed"), "{}", done.stderr());
    let there: bool = redis::cmd("EXISTS")
        .arg(&key)
        .query_async(&mut redis)
        .await
        .expect("asked");
    assert!(!there);
    let journal = run(&server, &format!("poll journal {POLL}")).await.stdout();
    assert!(
        journal.contains("forget-voters") && journal.contains("LGPD"),
        "{journal}"
    );
    let again = run(&server, &format!("poll forget-voters {POLL} --yes")).await;
    assert_eq!(again.code(), Some(0), "{}", again.stderr());
    assert!(
        again.stderr().contains("has no key of voters"),
        "{}",
        again.stderr()
    );
}
