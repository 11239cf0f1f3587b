//! From the first vote to the sealed result, with and without Redis.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::Instant;
use vote_domain::Transition;
use vote_testkit::{RedisServer, eventually};

use crate::support::{
    ANA, App, BIA, DEADLINE, ID, PRODUCTION, Producer, closes_at, lasting_redis, opens_at, problem,
    published, results, voting,
};

#[tokio::test]
async fn a_vote_is_in_the_standing_within_half_a_second() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    // As services are started, not as quickly as the other tests have it.
    let cadence = [("VOTE__SNAPSHOT__INTERVAL_MS", "250")];
    let app = App::start_with(&redis.url(), &cadence).await;
    let voters = producer.voting().await;
    app.until_votes(0).await;
    let mut quickest = DEADLINE;
    for votes in 1..=5 {
        voters.vote(ANA, voting()).await;
        let accepted = Instant::now();
        app.until_votes(votes).await;
        quickest = quickest.min(accepted.elapsed());
    }
    // The quickest: a machine that runs all tests at once may be late with one.
    assert!(quickest < Duration::from_millis(500), "{quickest:?}");
    voters.vote(BIA, voting()).await;
    let answer = app.until_votes(6).await;

    let standing = answer.json();
    assert_eq!(standing["poll"], ID);
    assert_eq!(standing["kind"], "live");
    assert_eq!(standing["direction"], "eliminate");
    assert_eq!(standing["state"], "open");
    assert_eq!(standing["status"], "provisional");
    assert_eq!(standing["as_of"], "2026-11-24T01:02:03.000Z");
    assert_eq!(standing["candidates"][0]["votes"], 5);
    assert_eq!(standing["candidates"][0]["percent"], 83.33);
    assert_eq!(standing["candidates"][1]["percent"], 16.67);
    assert_eq!(standing["channels"][1]["total_votes"], 0);
}

#[tokio::test]
async fn polls_are_listed_with_their_state() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    let app = App::start(&redis.url()).await;
    let empty = app.until("/v1/polls", |_| true).await.json();
    assert_eq!(empty["polls"], json!([]));
    assert_eq!(empty["stale"], false);

    producer.open(&json!({})).await;
    let rehearsal = json!({ "id": "ensaio", "kind": "rehearsal", "direction": "save" });
    producer.apply(&rehearsal).await;
    let list = eventually(DEADLINE, || async {
        let list = app.get_as(PRODUCTION, "/v1/polls").await.json();
        let polls = list["polls"].as_array().map_or(0, Vec::len);
        if polls == 2 { Ok(list) } else { Err(polls) }
    })
    .await;
    let [draft, open] = [&list["polls"][0], &list["polls"][1]];
    assert_eq!(
        (&draft["id"], &draft["kind"]),
        (&json!("ensaio"), &json!("rehearsal"))
    );
    assert_eq!(
        (&draft["state"], &draft["status"]),
        (&json!("draft"), &json!("not_open"))
    );
    assert_eq!(draft["direction"], "save");
    assert_eq!(open["id"], ID);
    let poll = app
        .until(&format!("/v1/polls/{ID}"), |poll| poll["state"] == "open")
        .await
        .json();
    assert_eq!(poll["status"], "provisional");
    assert_eq!(poll["opens_at"], "2026-11-24T00:00:00.000Z");
    assert_eq!(poll["closes_at"], "2026-11-26T02:00:00.000Z");
    assert_eq!(poll["timezone"], "America/Sao_Paulo");
    assert_eq!(poll["visibility"], "public");
    assert_eq!(
        poll["candidates"][1]["image_url"],
        "https://example.com/bia.png"
    );
    assert_eq!(
        poll["channels"][1],
        json!({ "id": "unico", "weight": 70, "eligibility": "voter", "votes_per_voter": 1 })
    );
}

#[tokio::test]
async fn each_poll_has_one_series_for_the_state_that_it_is_in_by_the_clock() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    let app = App::start(&redis.url()).await;
    producer.open(&json!({})).await;
    let rehearsal = json!({ "id": "ensaio", "kind": "rehearsal" });
    producer.apply(&rehearsal).await;
    let early = json!({ "id": "quinta", "opens_at": "2026-11-25T00:00:00Z" });
    producer.open(&early).await;
    let states = |wanted: [(&str, &str, &str); 3]| {
        let wanted = wanted.map(|(poll, kind, state)| {
            format!(r#"vote_poll_state{{poll="{poll}",kind="{kind}",state="{state}"}} 1"#)
        });
        let app = &app;
        async move {
            let wanted = wanted.each_ref().map(String::as_str);
            app.until_series("vote_poll_state{", &wanted).await;
        }
    };
    let draft = ("ensaio", "rehearsal", "draft");
    states([draft, (ID, "live", "open"), ("quinta", "live", "not_open")]).await;

    producer.change(ID, Transition::Pause, voting()).await;
    states([
        draft,
        (ID, "live", "paused"),
        ("quinta", "live", "not_open"),
    ])
    .await;

    // The clock alone.
    app.clock.advance(Duration::from_secs(24 * 3600));
    states([draft, (ID, "live", "paused"), ("quinta", "live", "open")]).await;
    app.clock.advance(Duration::from_secs(2 * 24 * 3600));
    states([draft, (ID, "live", "closed"), ("quinta", "live", "closed")]).await;

    producer.change(ID, Transition::Void, closes_at()).await;
    states([draft, (ID, "live", "void"), ("quinta", "live", "closed")]).await;
}

#[tokio::test]
async fn a_sealed_poll_is_final_and_never_stale() {
    let mut redis = lasting_redis().await;
    let (producer, app) = published(&redis).await;
    let voters = producer.voting().await;
    for candidate in [ANA, ANA, BIA] {
        voters.vote(candidate, voting()).await;
    }
    app.until_votes(3).await;
    let sealed = producer.seal(ID, voting()).await;

    let answer = app
        .until(&results(), |standing| standing["status"] == "final")
        .await;
    let published = answer.json();
    assert_eq!(
        published,
        serde_json::to_value(&sealed.standing).expect("JSON")
    );
    assert!(
        answer
            .header("cache-control")
            .starts_with("public, max-age=60,")
    );
    let hourly = format!("{}/hourly", results());
    let series = app
        .until(&hourly, |series| series["status"] == "final")
        .await
        .json();
    let total: u64 = series["hours"]
        .as_array()
        .expect("hours")
        .iter()
        .map(|hour| hour["total_votes"].as_u64().expect("a count"))
        .sum();
    assert_eq!(total, 3);

    redis.kill9();
    app.clock.advance(Duration::from_secs(3600));
    app.until("/v1/polls", |list| list["stale"] == true).await;
    let later = app.get(&results()).await;
    assert_eq!(
        (later.json(), later.header("etag")),
        (published, answer.header("etag"))
    );
}

#[tokio::test]
async fn the_clock_opens_and_closes_a_poll() {
    let redis = RedisServer::start().await;
    let (_, app) = published(&redis).await;
    let poll = format!("/v1/polls/{ID}");
    let wanted = |state: &'static str, status: &'static str| {
        move |json: &Value| json["state"] == state && json["status"] == status
    };

    app.clock.set(opens_at() - SignedDuration::from_millis(1));
    // The service has started within the poll's time: the figures have to be confirmed before.
    app.until(&poll, wanted("open", "not_open")).await;
    app.until(&results(), wanted("open", "not_open")).await;
    app.clock.set(opens_at());
    app.until(&poll, wanted("open", "provisional")).await;
    app.clock.set(closes_at() - SignedDuration::from_millis(1));
    app.until(&poll, wanted("open", "provisional")).await;
    app.clock.set(closes_at());
    app.until(&poll, wanted("closed", "provisional")).await;
    app.until(&results(), wanted("closed", "provisional")).await;
    app.until("/v1/polls", |list| list["polls"][0]["state"] == "closed")
        .await;
}

#[tokio::test]
async fn an_operators_changes_show() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    let voters = producer.voting().await;
    voters.vote(ANA, voting()).await;
    app.until_votes(1).await;
    producer.change(ID, Transition::Pause, voting()).await;
    app.until(&results(), |standing| standing["state"] == "paused")
        .await;
    producer
        .redefine(ID, &json!({ "title": "Paredão falso" }))
        .await;
    app.until(&results(), |standing| standing["title"] == "Paredão falso")
        .await;
    producer.change(ID, Transition::Void, voting()).await;
    let void = app
        .until(&results(), |standing| standing["status"] == "void")
        .await
        .json();
    assert_eq!(
        (&void["state"], &void["total_votes"]),
        (&json!("void"), &json!(1))
    );
    // A void poll is settled: it doesn't become stale.
    app.clock.advance(Duration::from_secs(3600));
    app.until("/v1/polls", |list| list["as_of"] != Value::Null)
        .await;
    assert_eq!(app.get(&results()).await.json()["status"], "void");
}

#[tokio::test]
async fn a_sealed_result_that_was_tampered_with_is_not_published() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let mut sealed = producer.seal(ID, voting()).await;
    sealed.standing.candidates.swap(0, 1);
    let forged = serde_json::to_string(&sealed).expect("JSON");
    let mut connection = redis.connection().await;
    redis_command(
        &mut connection,
        &["SET", "vote:poll:paredao-01:final", &forged],
    )
    .await;
    let app = App::start(&redis.url()).await;
    app.until("/v1/polls", |_| true).await;
    assert_eq!(
        app.get(&results()).await.problem(),
        problem(503, "snapshot-unavailable")
    );
    assert!(app.count("vote_snapshot_failures_total", &[]).await >= 1);
}

pub(crate) async fn redis_command(
    connection: &mut redis::aio::MultiplexedConnection,
    words: &[&str],
) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.exec_async(connection).await.expect("Redis answers");
}

#[tokio::test]
async fn the_service_stops_cleanly() {
    let redis = RedisServer::start().await;
    let app = App::start(&redis.url()).await;
    eventually(DEADLINE, || async {
        app.get("/readyz").await.status == 200
    })
    .await;
    app.stop().await;
}
