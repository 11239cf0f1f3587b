//! Tokens for systems that take only an address: on feeds alone, revocable, and nowhere in what is answered.

use data_encoding::{BASE64, HEXLOWER};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use vote_testkit::{RedisServer, eventually};

use crate::support::{App, BROADCAST, DEADLINE, ID, PRODUCTION, Producer, feed, problem, results};

const OBS: &str = "token-of-obs-in-studio-1";
const VMIX: &str = "token-of-vmix-in-studio-2";

fn listed(name: &str, token: &str) -> String {
    format!("{name}:{}", HEXLOWER.encode(&Sha256::digest(token)))
}

fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64.encode(format!("{user}:{password}").as_bytes())
    )
}

/// An embargoed poll, whose figures only holders of tokens see.
async fn embargoed(over: &[(&str, &str)]) -> (RedisServer, Producer, App) {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer
        .open(&json!({ "visibility": "embargoed", "release": "auto" }))
        .await;
    let app = App::start_with(&redis.url(), over).await;
    app.until(&format!("/v1/polls/{ID}"), |_| true).await;
    (redis, producer, app)
}

#[tokio::test]
async fn a_feed_takes_its_token_in_each_way_that_a_system_can_send_it() {
    let tokens = format!("{},{}", listed("obs", OBS), listed("vmix", VMIX));
    let (_redis, producer, app) = embargoed(&[("VOTE__ACCESS__FEED_TOKENS", &tokens)]).await;
    let public = app.get(&feed("rows.json")).await;
    assert_eq!(public.problem(), problem(403, "figures-restricted"));
    for token in [OBS, VMIX] {
        for format in ["rows.json", "flat.json", "csv", "xml"] {
            let in_query = app
                .get(&feed(&format!("{format}?rows=3&token={token}")))
                .await;
            let bearer = app.get_as(token, &feed(&format!("{format}?rows=3"))).await;
            let of = |user: &str| basic(user, token);
            let path = feed(&format!("{format}?rows=3"));
            let named = app.get_with(&path, &[("authorization", &of("obs"))]).await;
            let unnamed = app.get_with(&path, &[("authorization", &of(""))]).await;
            for answer in [&in_query, &bearer, &named, &unnamed] {
                assert_eq!(answer.status, 200, "{format}: {answer:?}");
                assert_eq!(answer.header("cache-control"), "private, no-cache");
                assert_eq!(answer.header("referrer-policy"), "no-referrer");
                assert_eq!(answer.body, in_query.body);
                let said = format!("{:?}", answer.headers);
                assert!(!said.contains(token), "{said}");
            }
        }
    }
    // By another name than its own too, and then the token is not in the header that says so.
    let current = app
        .get(&format!(
            "/v1/polls/current/results.csv?%74oken={OBS}&rows=3"
        ))
        .await;
    assert_eq!(
        current.header("content-location"),
        "/v1/polls/paredao-01/results.csv?rows=3"
    );
    // It sees drafts, as broadcast does.
    producer.apply(&json!({ "id": "rascunho" })).await;
    eventually(DEADLINE, || async {
        let path = format!("/v1/polls/rascunho/results.csv?token={OBS}");
        let status = app.get(&path).await.status;
        if status == 200 { Ok(()) } else { Err(status) }
    })
    .await;
    for token in [PRODUCTION, BROADCAST] {
        let staff = app.get_as(token, &feed("csv")).await;
        assert_eq!(
            (staff.status, staff.header("cache-control")),
            (200, "private, no-store")
        );
    }
}

#[tokio::test]
async fn whatever_else_is_sent_is_refused_and_never_repeated() {
    let tokens = listed("obs", OBS);
    let (_redis, _producer, app) = embargoed(&[("VOTE__ACCESS__FEED_TOKENS", &tokens)]).await;
    let refused = async |query: &str, headers: &[(&str, &str)]| {
        let answer = app
            .get_with(&feed(&format!("rows.json{query}")), headers)
            .await;
        assert_eq!(
            answer.problem(),
            problem(401, "unauthorized"),
            "{query:.80} {headers:?}"
        );
        assert_eq!(
            answer.header("www-authenticate"),
            "Basic realm=\"feeds\", charset=\"UTF-8\", Bearer"
        );
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        let said = String::from_utf8(answer.body).expect("text");
        assert!(!said.contains("token-of"), "{said}");
    };
    let huge = "x".repeat(6000);
    let digest = &tokens["obs:".len()..];
    for query in [
        "?token=".to_owned(),
        "?token".to_owned(),
        format!("?token={}", &OBS[1..]),
        format!("?token={OBS}%20"),
        format!("?token={}", OBS.to_uppercase()),
        format!("?token={huge}"),
        format!("?token={digest}"),
        format!("?token={tokens}"),
        "?token=%ff%00".to_owned(),
        // Those are for headers alone.
        format!("?token={PRODUCTION}"),
        format!("?token={BROADCAST}"),
    ] {
        refused(&query, &[]).await;
    }
    let good = format!("Bearer {OBS}");
    let huge = format!("Bearer {huge}");
    for header in [
        "",
        "Bearer",
        "Basic",
        "Basic !!!",
        &basic("obs", ""),
        &basic("", PRODUCTION),
        &basic("", BROADCAST),
        &basic(OBS, ""),
        &format!("Basic {}", BASE64.encode(OBS.as_bytes())),
        &format!("Basic {OBS}"),
        &format!("Digest {OBS}"),
        OBS,
        &huge,
    ] {
        refused("", &[("authorization", header)]).await;
    }
    refused("", &[("authorization", &good), ("authorization", &good)]).await;
    refused(&format!("?token={OBS}"), &[("authorization", &good)]).await;
    let twice = app
        .get(&feed(&format!("csv?token={OBS}&token={OBS}")))
        .await;
    assert_eq!(twice.problem(), problem(400, "invalid-query"));
    assert!(!String::from_utf8(twice.body).expect("text").contains(OBS));
    // Elsewhere it is no token, in whatever way.
    for path in [
        results(),
        format!("/v1/polls/{ID}"),
        "/v1/polls".to_owned(),
        format!("{}/hourly", results()),
    ] {
        let bearer = app.get_as(OBS, &path).await;
        assert_eq!(bearer.problem(), problem(401, "unauthorized"), "{path}");
        let in_query = app.get(&format!("{path}?token={OBS}")).await;
        assert_eq!(in_query.problem(), problem(400, "invalid-query"), "{path}");
        assert!(
            !String::from_utf8(in_query.body)
                .expect("text")
                .contains(OBS)
        );
    }
    let metrics = app.metrics().await;
    assert!(!metrics.contains("token-of"), "{metrics}");
}

#[tokio::test]
async fn a_token_of_the_file_is_added_and_revoked_without_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("feed-tokens");
    let write = |text: &str| std::fs::write(&path, text).expect("written");
    write(&format!("# studio 1\n{}\n", listed("obs", OBS)));
    let file = path.to_str().expect("text");
    let (_redis, _producer, app) = embargoed(&[
        ("VOTE__ACCESS__FEED_TOKENS_FILE", file),
        (
            "VOTE__ACCESS__FEED_TOKENS",
            &listed("graphics", "token-of-the-settings"),
        ),
    ])
    .await;
    let status = async |token: &str| app.get(&feed(&format!("csv?token={token}"))).await.status;
    let until = async |token: &str, wanted: u16| {
        eventually(DEADLINE, || async {
            let found = status(token).await;
            if found == wanted { Ok(()) } else { Err(found) }
        })
        .await;
    };
    assert_eq!((status(OBS).await, status(VMIX).await), (200, 401));
    write(&format!(
        "{}\n{}\n",
        listed("obs", OBS),
        listed("vmix", VMIX)
    ));
    until(VMIX, 200).await;
    write(&listed("vmix", VMIX));
    until(OBS, 401).await;
    assert_eq!(status(VMIX).await, 200);
    // A file that is wrong, or gone, revokes nothing; what is right again counts.
    write("not a list of tokens\n");
    std::fs::remove_file(&path).expect("removed");
    write(&format!("{}\n", listed("obs", OBS)));
    until(VMIX, 401).await;
    until(OBS, 200).await;
    assert_eq!(status("token-of-the-settings").await, 200);
    write("");
    until(OBS, 401).await;
    assert_eq!(status("token-of-the-settings").await, 200);
}
