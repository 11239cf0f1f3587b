//! What may go on air: nothing before production has said so, nothing that is not fresh, and everywhere the same.

use std::time::Duration;

use serde_json::{Value, json};
use vote_domain::Transition;
use vote_testkit::{RedisServer, eventually};

use crate::support::{
    ANA, Answer, App, BIA, DEADLINE, ID, PRODUCTION, Producer, feed, lasting_redis, problem,
    published, results, voting,
};

const FORMATS: [&str; 4] = ["rows.json", "flat.json", "csv", "xml"];

async fn until_rows(app: &App, wanted: impl Fn(&Value) -> bool) -> Answer {
    app.until(&feed("rows.json"), |rows| wanted(&rows[0])).await
}

#[tokio::test]
async fn before_the_first_release_there_are_names_and_no_figure_in_any_feed() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    let voters = producer.voting().await;
    voters.vote(BIA, voting()).await;
    voters.end().await;
    app.until_votes(1).await;
    let poll = app.get(&format!("/v1/polls/{ID}")).await.json();
    assert_eq!(poll["release"], "unreleased");
    for token in [None, Some(PRODUCTION)] {
        for query in ["", "?rows=3&sort=rank"] {
            let path = feed(&format!("rows.json{query}"));
            let answer = match token {
                None => app.get(&path).await,
                Some(token) => app.get_as(token, &path).await,
            };
            let rows = answer.json();
            assert_eq!(
                (&rows[0]["name"], &rows[1]["name"]),
                (&json!("Ana"), &json!("Bia"))
            );
            for row in &rows.as_array().expect("a list")[..2] {
                for name in ["rank", "votes", "percent", "total_votes"] {
                    assert!(row[name].is_null(), "{name}: {row}");
                }
                for name in ["votes_text", "percent_text", "total_votes_text"] {
                    assert_eq!(row[name], "", "{row}");
                }
                assert_eq!(
                    (&row["on_air"], &row["release"]),
                    (&json!(false), &json!("unreleased"))
                );
            }
        }
    }
    let said = |release: &str| {
        format!(r#"vote_poll_release{{poll="{ID}",kind="live",release="{release}"}} 1"#)
    };
    app.until_series("vote_poll_release{", &[&said("unreleased")])
        .await;
    producer.release(ID).await;
    let row = until_rows(&app, |row| row["on_air"] == true).await.json();
    app.until_series("vote_poll_release{", &[&said("released")])
        .await;
    assert_eq!(
        (&row[1]["votes"], &row[1]["percent_text"]),
        (&json!(1), &json!("100,00 %"))
    );
    let poll = app
        .until(&format!("/v1/polls/{ID}"), |poll| {
            poll["release"] == "released"
        })
        .await;
    assert_eq!(poll.json()["state"], "open");
}

#[tokio::test]
async fn what_is_held_is_the_same_in_every_process_also_in_one_that_starts_meanwhile() {
    let mut redis = lasting_redis().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    producer.release(ID).await;
    let (one, other) = (
        App::start(&redis.url()).await,
        App::start(&redis.url()).await,
    );
    let voters = producer.voting().await;
    voters.vote(ANA, voting()).await;
    for app in [&one, &other] {
        until_rows(app, |row| row["total_votes"] == 1).await;
    }
    let held = producer.hold(ID).await;
    let frozen = held.held_figures().expect("figures").clone();
    for app in [&one, &other] {
        until_rows(app, |row| row["release"] == "held").await;
    }
    // Votes go on, and those who may see them do.
    for _ in 0..3 {
        voters.vote(BIA, voting() + Duration::from_secs(5)).await;
    }
    for app in [&one, &other] {
        app.until_votes(4).await;
    }
    let same = async |first: &App, second: &App| {
        for format in FORMATS {
            for query in ["", "?rows=5&sort=rank"] {
                let path = feed(&format!("{format}{query}"));
                let (first, second) = (first.get(&path).await, second.get(&path).await);
                assert_eq!(
                    String::from_utf8_lossy(&first.body),
                    String::from_utf8_lossy(&second.body)
                );
                assert_eq!(first.header("etag"), second.header("etag"));
            }
        }
    };
    same(&one, &other).await;
    let row = one.get(&feed("rows.json")).await.json()[0].clone();
    assert_eq!(
        (&row["votes"], &row["total_votes"], &row["on_air"]),
        (&json!(1), &json!(1), &json!(false))
    );
    assert_eq!(row["revision"], frozen.revision);
    // One that has never seen the figures before; and Redis comes back from its disk meanwhile.
    redis.kill9();
    redis.restart().await;
    let third = App::start(&redis.url()).await;
    third.until_votes(4).await;
    until_rows(&third, |row| row["release"] == "held").await;
    same(&one, &third).await;

    producer
        .change(ID, Transition::Close, voting() + Duration::from_secs(9))
        .await;
    for app in [&one, &third] {
        until_rows(app, |row| row["state"] == "closed").await;
    }
    same(&one, &third).await;
    assert_eq!(
        one.get(&feed("rows.json")).await.json()[0]["total_votes"],
        1
    );
    producer.release(ID).await;
    for app in [&one, &other, &third] {
        let row = until_rows(app, |row| row["release"] == "released")
            .await
            .json()[0]
            .clone();
        assert_eq!(
            (&row["total_votes"], &row["on_air"]),
            (&json!(4), &json!(true))
        );
    }
    voters.end().await;
}

#[tokio::test]
async fn a_draft_and_a_poll_before_its_time_have_names_alone() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.apply(&json!({ "release": "auto" })).await;
    let app = App::start(&redis.url()).await;
    let draft = eventually(DEADLINE, || async {
        let answer = app.get_as(PRODUCTION, &feed("rows.json")).await;
        if answer.status == 200 {
            Ok(answer)
        } else {
            Err(answer.status)
        }
    })
    .await
    .json();
    let is_empty = |row: &Value| {
        row["name"] == "Ana"
            && row["votes"].is_null()
            && row["on_air"] == false
            && row["status"] == "not_open"
    };
    assert!(is_empty(&draft[0]), "{draft}");
    assert_eq!(
        app.get(&feed("rows.json")).await.problem(),
        problem(404, "unknown-poll")
    );
    let poll = producer.poll(ID).await;
    let later = json!({
        "release": "auto", "opens_at": "2026-11-24T02:00:00Z", "closes_at": "2026-11-26T02:00:00Z"
    });
    producer.redefine(ID, &later).await;
    producer.change(ID, Transition::Open, voting()).await;
    assert_eq!(poll.state, vote_domain::PollState::Draft);
    let rows = until_rows(&app, |row| row["state"] == "open").await.json();
    assert!(is_empty(&rows[0]), "{rows}");
    // Released by its rule, its figures are there at once when it begins; nobody leads yet.
    app.clock
        .set("2026-11-24T02:00:00Z".parse().expect("a time"));
    let rows = until_rows(&app, |row| row["on_air"] == true).await.json();
    assert_eq!(
        (
            &rows[0]["votes"],
            &rows[0]["percent_text"],
            &rows[0]["rank"]
        ),
        (&json!(0), &json!("0,00 %"), &Value::Null)
    );
}

#[tokio::test]
async fn without_redis_a_poll_before_its_time_is_not_open_and_has_no_figures() {
    let mut redis = lasting_redis().await;
    let producer = Producer::new(&redis);
    let later = json!({ "release": "auto", "opens_at": "2026-11-24T01:22:03Z" });
    producer.open(&later).await;
    let app = App::start(&redis.url()).await;
    until_rows(&app, |row| row["status"] == "not_open").await;
    let mut before = Vec::new();
    for format in FORMATS {
        before.push(app.get(&feed(format)).await.body);
    }
    redis.kill9();
    app.clock.advance(Duration::from_secs(10));
    // The desk alone says that nobody confirms it.
    let desk = format!("/v1/polls/{ID}/desk");
    eventually(DEADLINE, || async {
        let desk = app.get_as(PRODUCTION, &desk).await.json();
        let said = (&desk["standing"]["status"], &desk["poll"]["status"]);
        if said == (&json!("stale"), &json!("not_open")) {
            Ok(())
        } else {
            Err(desk.to_string())
        }
    })
    .await;
    for (format, before) in FORMATS.iter().zip(before) {
        let now = app.get(&feed(format)).await.body;
        assert_eq!(
            String::from_utf8_lossy(&now),
            String::from_utf8_lossy(&before),
            "{format}"
        );
    }
    let page = String::from_utf8(app.get("/polls/paredao-01").await.body).expect("text");
    assert!(page.contains("data-state=\"not_open\""), "{page}");
    // Its time comes by the clock, and then figures that nobody confirms are said to be such.
    app.clock
        .set("2026-11-24T01:22:03Z".parse().expect("a time"));
    let row = until_rows(&app, |row| row["status"] == "stale").await;
    assert_eq!(row.json()[0]["on_air"], false);
}

#[tokio::test]
async fn a_result_is_on_air_once_it_is_sealed_and_a_void_poll_never() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    producer.release(ID).await;
    let voters = producer.voting().await;
    voters.vote(ANA, voting()).await;
    voters.end().await;
    let sealed = producer.seal(ID, voting()).await;
    let rows = until_rows(&app, |row| row["status"] == "final").await;
    let row = &rows.json()[0];
    assert_eq!((&row["on_air"], &row["votes"]), (&json!(true), &json!(1)));
    assert_eq!(row["revision"], json!(sealed.standing.revision));
    // A hold takes effect at once, so that no cache may keep even this for long.
    assert_eq!(
        rows.header("cache-control"),
        "public, max-age=1, must-revalidate"
    );
    producer.hold(ID).await;
    let row = until_rows(&app, |row| row["release"] == "held")
        .await
        .json()[0]
        .clone();
    assert_eq!(
        (&row["status"], &row["votes"], &row["on_air"]),
        (&json!("final"), &json!(1), &json!(false))
    );

    producer
        .open(&json!({ "id": "anulado", "release": "auto" }))
        .await;
    producer.change("anulado", Transition::Void, voting()).await;
    let path = "/v1/polls/anulado/results.rows.json";
    let row = app
        .until(path, |rows| rows[0]["state"] == "void")
        .await
        .json()[0]
        .clone();
    assert_eq!(
        (&row["status"], &row["on_air"], &row["name"]),
        (&json!("void"), &json!(false), &json!("Ana"))
    );
    for name in ["rank", "votes", "percent", "total_votes"] {
        assert!(row[name].is_null(), "{row}");
    }
}

#[tokio::test]
async fn a_rehearsal_says_so_in_its_title_and_is_never_on_air() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({ "kind": "rehearsal" })).await;
    let app = App::start(&redis.url()).await;
    let row = until_rows(&app, |row| row["state"] == "open").await.json()[0].clone();
    assert_eq!(
        (
            &row["title"],
            &row["kind"],
            &row["release"],
            &row["on_air"],
            &row["votes"]
        ),
        (
            &json!("ENSAIO – Paredão 1"),
            &json!("rehearsal"),
            &json!("released"),
            &json!(false),
            &json!(0)
        )
    );
    let english = app.get(&feed("flat.json?lang=en")).await.json();
    assert_eq!(english["title"], "REHEARSAL – Paredão 1");
    producer
        .redefine(ID, &json!({ "kind": "rehearsal", "language": "es" }))
        .await;
    until_rows(&app, |row| row["title"] == "ENSAYO – Paredão 1").await;
    // What the public reads is the title as it is.
    assert_eq!(app.get(&results()).await.json()["title"], "Paredão 1");
}

#[tokio::test]
async fn figures_that_nobody_confirms_are_not_on_air_and_readers_need_no_redis() {
    let mut redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    producer.release(ID).await;
    let voters = producer.voting().await;
    voters.vote(ANA, voting()).await;
    until_rows(&app, |row| row["on_air"] == true && row["votes"] == 1).await;
    redis.kill9();
    drop(voters);
    app.clock.advance(Duration::from_secs(3));
    let row = until_rows(&app, |row| row["on_air"] == false).await.json()[0].clone();
    assert_eq!(
        (&row["status"], &row["votes"], &row["release"]),
        (&json!("stale"), &json!(1), &json!("released"))
    );
    // In layouts that nobody has asked for before, too.
    for format in FORMATS {
        let answer = app
            .get(&feed(&format!("{format}?rows=9&lang=es&sort=rank")))
            .await;
        assert_eq!(answer.status, 200, "{format}");
        let text = String::from_utf8(answer.body).expect("text");
        assert!(
            text.contains("stale") && text.contains("100,00 %"),
            "{text}"
        );
    }
}
