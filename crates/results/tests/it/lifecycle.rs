//! From the first vote to the sealed result, with and without Redis.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::Instant;
use vote_domain::Transition;
use vote_testkit::{RedisServer, eventually};

use crate::support::{
    ANA, App, BIA, DEADLINE, ID, PRODUCTION, Producer, closes_at, lasting_redis, opens_at, problem,
    results, voting,
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
        eventually(DEADLINE, move || {
            let wanted = wanted.clone();
            async move {
                let metrics = app.metrics().await;
                let mut series: Vec<&str> = metrics
                    .lines()
                    .filter(|line| line.starts_with("vote_poll_state{"))
                    .collect();
                series.sort_unstable();
                if series == wanted {
                    Ok(())
                } else {
                    Err(format!("{series:#?}"))
                }
            }
        })
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
async fn without_redis_there_are_no_figures_and_with_it_there_are() {
    let mut redis = lasting_redis().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    redis.kill9();

    let app = App::start(&redis.url()).await;
    let paths = [
        "/v1/polls".to_owned(),
        format!("/v1/polls/{ID}"),
        results(),
        format!("{}/hourly", results()),
        format!("{}/minutely?from=2026-11-24T00:00:00Z", results()),
        "/v1/polls/another".to_owned(),
    ];
    for path in &paths {
        let answer = app.get(path).await;
        assert_eq!(
            answer.problem(),
            problem(503, "snapshot-unavailable"),
            "{path}"
        );
        assert!(!answer.header("retry-after").is_empty());
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    assert_eq!(app.get("/readyz").await.status, 503);
    assert_eq!(app.get("/healthz").await.status, 200);

    redis.restart().await;
    app.until(&results(), |standing| standing["total_votes"] == 0)
        .await;
    assert_eq!(app.get("/readyz").await.status, 200);
    for path in &paths[..5] {
        app.until(path, |_| true).await;
    }
    assert_eq!(
        app.get("/v1/polls/another").await.problem(),
        problem(404, "unknown-poll")
    );
    assert_eq!(
        app.get("/v1/polls/another/results").await.problem(),
        problem(404, "unknown-poll")
    );
    assert_eq!(
        app.get("/v1/polls/another/results/hourly").await.problem(),
        problem(404, "unknown-poll")
    );
}

#[tokio::test]
async fn while_redis_is_away_the_last_figures_are_stale_and_then_provisional_again() {
    let mut redis = lasting_redis().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let app = App::start(&redis.url()).await;
    let voters = producer.voting().await;
    voters.vote(ANA, voting()).await;
    voters.vote(BIA, voting()).await;
    let fresh = app.until_votes(2).await.json();
    app.until(&format!("{}/hourly", results()), |series| {
        series["hours"][1]["total_votes"] == 2
    })
    .await;

    redis.kill9();
    app.clock.advance(Duration::from_secs(60));
    let answer = app
        .until(&results(), |standing| standing["status"] == "stale")
        .await;
    assert_eq!(answer.header("cache-control"), "public, max-age=1");
    let stale = answer.json();
    assert_eq!(
        stale["as_of"], "2026-11-24T01:02:03.000Z",
        "the last time it was confirmed"
    );
    for figures in ["total_votes", "candidates", "channels", "revision", "state"] {
        assert_eq!(stale[figures], fresh[figures]);
    }
    for path in ["/hourly", "/minutely"] {
        let path = format!("{}{path}", results());
        let series = app
            .until(&path, |series| series["status"] == "stale")
            .await
            .json();
        assert_eq!(series["as_of"], "2026-11-24T01:02:03.000Z");
    }
    app.until("/v1/polls", |list| {
        list["stale"] == true && list["polls"][0]["status"] == "stale"
    })
    .await;
    assert_eq!(
        app.get("/readyz").await.status,
        200,
        "stale figures are better than none"
    );
    let age = app.metric("vote_snapshot_age_seconds", &[ID]).await;
    assert!((59.0..62.0).contains(&age), "{age}");

    redis.restart().await;
    let back = app
        .until(&results(), |standing| standing["status"] == "provisional")
        .await
        .json();
    assert_eq!(back["total_votes"], 2);
    assert_eq!(back["as_of"], "2026-11-24T01:03:03.000Z");
    app.until("/v1/polls", |list| list["stale"] == false).await;
}

#[tokio::test]
async fn a_shard_that_redis_forgot_leaves_the_last_figures_until_it_is_repaired() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let app = App::start(&redis.url()).await;
    let voters = producer.voting().await;
    let mut shards = [0; 2];
    for _ in 0..20 {
        let place = voters.vote(ANA, voting()).await;
        shards[usize::from(place.shard)] += 1;
    }
    assert!(shards[1] > 0, "{shards:?}");
    let fresh = app.until_votes(20).await.json();

    // One of a cluster's masters comes back empty.
    let mut connection = redis.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("vote:{paredao-01/1}:*")
        .query_async(&mut connection)
        .await
        .expect("Redis answers");
    let mut delete = vec!["DEL"];
    delete.extend(keys.iter().map(String::as_str));
    redis_command(&mut connection, &delete).await;
    eventually(DEADLINE, || async {
        app.count("vote_snapshot_failures_total", &[]).await > 0
    })
    .await;
    app.clock.advance(Duration::from_secs(60));
    let stale = app
        .until(&results(), |standing| standing["status"] == "stale")
        .await
        .json();
    for figures in ["total_votes", "candidates", "channels", "revision", "as_of"] {
        assert_eq!(stale[figures], fresh[figures]);
    }
    app.until(&format!("{}/hourly", results()), |series| {
        series["status"] == "stale" && series["hours"][1]["total_votes"] == 20
    })
    .await;
    // Who starts now doesn't know.
    let another = App::start(&redis.url()).await;
    another
        .until("/v1/polls", |list| {
            list["stale"] == true && list["polls"] == json!([])
        })
        .await;
    assert_eq!(
        another.get(&results()).await.problem(),
        problem(503, "snapshot-unavailable")
    );

    let poll = producer.poll(ID).await;
    producer.operator.fence(&poll).await.expect("fenced");
    app.until(&results(), |standing| {
        standing["status"] == "provisional" && standing["total_votes"] == 20
    })
    .await;
    another.until_votes(20).await;
    eventually(DEADLINE, || async {
        let wrong = app.metric("vote_fence_mismatch_shards", &[ID]).await;
        if wrong > 0.5 { Err(wrong) } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn a_poll_that_redis_forgot_is_stale_and_not_unknown() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let app = App::start(&redis.url()).await;
    let voters = producer.voting().await;
    voters.vote(ANA, voting()).await;
    app.until_votes(1).await;
    app.until("/v1/polls", |list| list["stale"] == false).await;
    voters.end().await;

    let mut connection = redis.connection().await;
    let regressions = |count: u64| {
        let app = &app;
        eventually(DEADLINE, move || async move {
            let found = app.count("vote_poll_regressions_total", &[ID]).await;
            if found == count { Ok(()) } else { Err(found) }
        })
    };
    for command in [&["DEL", "vote:poll:paredao-01"][..], &["FLUSHALL"]] {
        redis_command(&mut connection, command).await;
        regressions(1).await;
        app.clock.advance(Duration::from_secs(60));
        let list = app
            .until("/v1/polls", |list| {
                list["stale"] == true && list["polls"][0]["status"] == "stale"
            })
            .await
            .json();
        assert_eq!(list["polls"][0]["id"], ID);
        let stale = app
            .until(&results(), |standing| standing["status"] == "stale")
            .await
            .json();
        assert_eq!(stale["total_votes"], 1);
    }
    assert_eq!(
        app.get("/v1/polls/another").await.problem(),
        problem(404, "unknown-poll")
    );
    regressions(1).await;

    producer.open(&json!({})).await;
    app.until(&results(), |standing| {
        standing["status"] == "provisional" && standing["total_votes"] == 0
    })
    .await;
    app.until("/v1/polls", |list| list["stale"] == false).await;
}

#[tokio::test]
async fn a_sealed_poll_is_final_and_never_stale() {
    let mut redis = lasting_redis().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let app = App::start(&redis.url()).await;
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
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let app = App::start(&redis.url()).await;
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
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let app = App::start(&redis.url()).await;
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
async fn a_poll_whose_figures_can_not_be_read_is_not_unknown() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let mut connection = redis.connection().await;
    // A field that is none of the poll's.
    redis_command(
        &mut connection,
        &["HSET", "vote:{paredao-01/0}:tally", "no/such", "1"],
    )
    .await;
    let app = App::start(&redis.url()).await;
    app.until("/v1/polls", |_| true).await;
    assert_eq!(
        app.get(&results()).await.problem(),
        problem(503, "snapshot-unavailable")
    );
    redis_command(
        &mut connection,
        &["HDEL", "vote:{paredao-01/0}:tally", "no/such"],
    )
    .await;
    app.until_votes(0).await;
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

async fn redis_command(connection: &mut redis::aio::MultiplexedConnection, words: &[&str]) {
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
