//! Accepted votes that are lost: the show's own people see how many, and nobody else does.

use std::time::Duration;

use serde_json::{Value, json};
use vote_domain::PollId;
use vote_store::LaneConfig;
use vote_testkit::{RedisServer, eventually};

use crate::support::{
    ANA, App, BIA, BROADCAST, DEADLINE, ID, PRODUCTION, Producer, Voting, feed, lasting_redis,
    results, voting,
};

/// A poll that this public sees so, and eight votes of a process that keeps nothing to send again; of seven of them Redis
/// then forgets what it has not written down. The process is still there.
async fn forgotten(visibility: &str) -> (RedisServer, Producer, App, Voting) {
    let mut redis = lasting_redis().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({ "visibility": visibility })).await;
    let app = App::start(&redis.url()).await;
    let keeps_nothing = LaneConfig {
        replay_window: Duration::ZERO,
        ..LaneConfig::default()
    };
    let voters = producer.voting_with(keeps_nothing).await;
    voters.vote(ANA, voting()).await;
    let on_disk = redis.append_only_len();
    for _ in 0..7 {
        voters.vote(BIA, voting()).await;
    }
    let before = staff_sees(&app, |standing| standing["total_votes"] == 8).await;
    assert_eq!(before["lost"], Value::Null, "nothing is known to be lost");
    redis.kill9();
    redis.truncate_append_only(redis.append_only_len() - on_disk);
    redis.restart().await;
    (redis, producer, app, voters)
}

/// The standing that production gets, once it is as wanted.
async fn staff_sees(app: &App, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(DEADLINE, || async {
        let answer = app.get_as(PRODUCTION, &results()).await;
        let standing = answer.try_json().unwrap_or(Value::Null);
        if wanted(&standing) {
            Ok(standing)
        } else {
            Err(standing.to_string())
        }
    })
    .await
}

/// Once each of the eight votes is in the tally or known to be lost: how many are lost.
async fn lost(app: &App) -> u64 {
    let standing = staff_sees(app, |standing| {
        let lost = standing["lost"].as_u64().unwrap_or(0);
        lost > 0 && standing["total_votes"].as_u64() == Some(8 - lost)
    })
    .await;
    standing["lost"].as_u64().expect("a number")
}

#[tokio::test]
async fn what_is_lost_is_in_the_standing_of_staff_and_in_nobody_elses() {
    let (_redis, producer, app, voters) = forgotten("public").await;
    let lost = lost(&app).await;
    let id = PollId::parse(ID).expect("an id");
    let audit = producer.operator.audit(&id).await.expect("it answers");
    let audited = audit.expect("there").lost;
    assert_eq!(audited.iter().map(|lost| lost.votes).sum::<u64>(), lost);

    // Of the same figures: the tag is that of the body.
    let public = app.get(&results()).await;
    for token in [PRODUCTION, BROADCAST] {
        let staff = app.get_as(token, &results()).await;
        assert_ne!(staff.header("etag"), public.header("etag"));
        let mut standing = staff.json();
        assert_eq!(standing["lost"], lost);
        standing.as_object_mut().expect("an object").remove("lost");
        assert_eq!(standing, public.json());
    }
    producer.release(ID).await;
    app.until(&feed("rows.json"), |rows| rows[0]["on_air"] == true)
        .await;
    for path in [results(), format!("/v1/polls/{ID}"), feed("rows.json")] {
        let body = app.get(&path).await.body;
        let text = String::from_utf8(body).expect("text");
        assert!(!text.contains("lost"), "{path}: {text}");
    }
    // What goes on air does not say it to staff either.
    let rows = app.get_as(PRODUCTION, &feed("rows.json")).await;
    assert_eq!(rows.json(), app.get(&feed("rows.json")).await.json());
    voters.end().await;
}

#[tokio::test]
async fn it_is_there_while_the_public_sees_percentages_while_held_and_once_sealed() {
    let (_redis, producer, app, voters) = forgotten("percentages").await;
    let lost = lost(&app).await;
    let public = String::from_utf8(app.get(&results()).await.body).expect("text");
    assert!(!public.contains("lost"), "{public}");

    producer.release(ID).await;
    producer.hold(ID).await;
    let stream = format!("{}/stream", results());
    let bearer = format!("Bearer {PRODUCTION}");
    let of_staff = [("authorization", bearer.as_str())];
    for (headers, says_it) in [(&of_staff[..], true), (&[], false)] {
        eventually(DEADLINE, || async {
            let event = first_event(&app, &stream, headers).await;
            let is_held = event["channels"] == json!([]);
            if is_held && event["lost"] == if says_it { json!(lost) } else { Value::Null } {
                Ok(())
            } else {
                Err(event.to_string())
            }
        })
        .await;
    }

    voters.end().await;
    let sealed = producer.seal(ID, voting()).await;
    assert_eq!(sealed.lost, lost);
    let last = staff_sees(&app, |standing| standing["status"] == "final").await;
    assert_eq!(last["lost"], lost);
}

/// The data of a stream's first event.
async fn first_event(app: &App, path: &str, headers: &[(&str, &str)]) -> Value {
    let mut answer = app.begin(path, headers).await;
    let mut read = String::new();
    loop {
        let data = read.lines().find_map(|line| line.strip_prefix("data: "));
        if let Some(data) = data.filter(|_| read.ends_with("\n\n")) {
            return serde_json::from_str(data).expect("JSON");
        }
        let chunk = tokio::time::timeout(DEADLINE, answer.chunk()).await;
        let chunk = chunk
            .expect("a word in time")
            .expect("no cut")
            .expect("no end");
        read.push_str(std::str::from_utf8(&chunk).expect("text"));
    }
}
