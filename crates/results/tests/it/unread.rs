//! Figures that can't be read, or that Redis has forgotten: stale or refused, never zero.

use std::time::Duration;

use serde_json::json;
use vote_testkit::{RedisServer, eventually};

use crate::lifecycle::redis_command;
use crate::support::{
    ANA, App, BIA, DEADLINE, ID, Producer, lasting_redis, problem, published, results, voting,
};

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
    // What was never read is as old as the process: an alert needs a figure.
    app.clock.advance(Duration::from_secs(60));
    let age = app.metric("vote_polls_age_seconds", &[]).await;
    assert!((59.0..62.0).contains(&age), "{age}");
    assert!(!app.metrics().await.contains("vote_snapshot_age_seconds"));

    redis.restart().await;
    app.until(&results(), |standing| standing["total_votes"] == 0)
        .await;
    assert_eq!(app.get("/readyz").await.status, 200);
    let age = app.metric("vote_polls_age_seconds", &[]).await;
    assert!(age < 2.0, "{age}");
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
    let (producer, app) = published(&redis).await;
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
        "the time of the newest vote"
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
    assert_eq!(back["as_of"], "2026-11-24T01:02:03.000Z");
    app.until("/v1/polls", |list| list["stale"] == false).await;
}

#[tokio::test]
async fn a_shard_that_redis_forgot_leaves_the_last_figures_until_it_is_repaired() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
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
    let (producer, app) = published(&redis).await;
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
async fn a_process_is_not_ready_before_it_has_something_of_each_open_poll() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    producer.open(&json!({ "id": "another" })).await;
    // A poll that nobody votes in keeps no process from serving the others.
    producer.apply(&json!({ "id": "draft" })).await;
    let mut connection = redis.connection().await;
    for key in ["vote:{another/0}:tally", "vote:{draft/0}:tally"] {
        redis_command(&mut connection, &["HSET", key, "no/such", "1"]).await;
    }
    let app = App::start(&redis.url()).await;
    app.until(&results(), |standing| standing["total_votes"] == 0)
        .await;
    let ready = app.get("/readyz").await;
    assert_eq!(ready.status, 503);
    let why = String::from_utf8_lossy(&ready.body);
    assert!(why.contains("the open poll another"), "{why}");
    // Its age counts from the first attempt.
    app.clock.advance(Duration::from_secs(60));
    for poll in ["another", "draft"] {
        let labels = [format!("poll=\"{poll}\"")];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let age = app.metric("vote_snapshot_age_seconds", &labels).await;
        assert!((59.0..62.0).contains(&age), "{poll}: {age}");
    }
    assert!(app.count("vote_snapshot_failures_total", &[]).await > 0);

    redis_command(
        &mut connection,
        &["HDEL", "vote:{another/0}:tally", "no/such"],
    )
    .await;
    eventually(DEADLINE, || async {
        app.get("/readyz").await.status == 200
    })
    .await;
    // Later it has something to show, and stale figures are better than none.
    producer.open(&json!({ "id": "third" })).await;
    for key in ["vote:{another/0}:tally", "vote:{third/0}:tally"] {
        redis_command(&mut connection, &["HSET", key, "no/such", "1"]).await;
    }
    app.clock.advance(Duration::from_secs(60));
    app.until("/v1/polls/another/results", |standing| {
        standing["status"] == "stale"
    })
    .await;
    assert_eq!(app.get("/readyz").await.status, 200);
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
