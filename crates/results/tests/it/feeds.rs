//! Feeds: the same names and values in each format, in the rows, order and language that were asked for.

use serde_json::{Value, json};
use vote_testkit::RedisServer;

use crate::support::{self, App, ID, PRODUCTION, Producer, feed, problem};

/// The demo poll with three votes for Ana and one for Bia, released, as feeds tell it.
async fn released() -> (RedisServer, Producer, App) {
    let (redis, producer, app) = support::released().await;
    app.until(&feed("rows.json"), |rows| rows[0]["total_votes"] == 4)
        .await;
    (redis, producer, app)
}

#[tokio::test]
async fn every_format_says_the_same_by_the_same_names() {
    let (_redis, _producer, app) = released().await;
    let rows = app.get(&feed("rows.json")).await.json();
    let poll = json!({
        "poll": ID, "title": "Paredão 1", "kind": "live", "direction": "eliminate", "state": "open",
        "status": "provisional", "as_of": "2026-11-24T01:02:03.000Z", "revision": rows[0]["revision"],
        "total_votes": 4, "total_votes_text": "4", "release": "released", "on_air": true,
        "closes_at": "2026-11-26T02:00:00.000Z", "language": "pt"
    });
    let ana = json!({
        "id": "ana", "name": "Ana", "rank": 1, "votes": 3, "votes_text": "3", "percent": 75,
        "percent_text": "75,00 %", "photo": "", "color": "#e4572e", "withdrawn": false
    });
    let bia = json!({
        "id": "bia", "name": "Bia", "rank": 2, "votes": 1, "votes_text": "1", "percent": 25,
        "percent_text": "25,00 %", "photo": "https://example.com/bia.png", "color": "", "withdrawn": false
    });
    let merged = |one: &Value| {
        let mut row = one.as_object().expect("an object").clone();
        row.extend(poll.as_object().expect("an object").clone());
        Value::from(row)
    };
    assert_eq!(rows, json!([merged(&ana), merged(&bia)]));
    assert!(
        rows[0]["revision"]
            .as_u64()
            .is_some_and(|revision| revision > 3)
    );

    let mut flat = poll.as_object().expect("an object").clone();
    flat.insert("rows".to_owned(), json!(2));
    for (prefix, row) in [("c1", &ana), ("c2", &bia)] {
        for (name, value) in row.as_object().expect("an object") {
            flat.insert(format!("{prefix}_{name}"), value.clone());
        }
    }
    assert_eq!(app.get(&feed("flat.json")).await.json(), Value::from(flat));

    let csv = app.get(&feed("csv")).await;
    assert_eq!(
        csv.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    let csv = String::from_utf8(csv.body).expect("UTF-8");
    let revision = &rows[0]["revision"];
    assert_eq!(
        csv,
        format!(
            "id,name,rank,votes,votes_text,percent,percent_text,photo,color,withdrawn,poll,title,kind,direction,state,\
             status,as_of,revision,total_votes,total_votes_text,release,on_air,closes_at,language\r\n\
             ana,Ana,1,3,3,75.00,\"75,00 %\",,#e4572e,false,paredao-01,Paredão 1,live,eliminate,open,provisional,\
             2026-11-24T01:02:03.000Z,{revision},4,4,released,true,2026-11-26T02:00:00.000Z,pt\r\n\
             bia,Bia,2,1,1,25.00,\"25,00 %\",https://example.com/bia.png,,false,paredao-01,Paredão 1,live,eliminate,open,\
             provisional,2026-11-24T01:02:03.000Z,{revision},4,4,released,true,2026-11-26T02:00:00.000Z,pt\r\n"
        )
    );
    let xml = app.get(&feed("xml")).await;
    assert_eq!(xml.header("content-type"), "text/xml; charset=utf-8");
    let xml = String::from_utf8(xml.body).expect("UTF-8");
    for part in [
        "<results poll=\"paredao-01\" title=\"Paredão 1\"",
        "<on_air>true</on_air><closes_at>2026-11-26T02:00:00.000Z</closes_at><language>pt</language><candidate id=\"ana\"",
        "on_air=\"true\" closes_at=\"2026-11-26T02:00:00.000Z\" language=\"pt\">",
        "<candidate id=\"bia\" name=\"Bia\" rank=\"2\"",
        "<percent_text>25,00 %</percent_text>",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
}

#[tokio::test]
async fn a_feed_is_compressed_conditional_and_kept_by_no_cache_for_long() {
    let (_redis, _producer, app) = released().await;
    for format in ["rows.json", "flat.json", "csv", "xml"] {
        for query in ["", "?rows=7&sort=rank&lang=en"] {
            let path = format!("{}{query}", feed(format));
            let plain = app.get(&path).await;
            assert_eq!(plain.status, 200, "{path}: {plain:?}");
            assert_eq!(
                plain.header("cache-control"),
                "public, max-age=1, must-revalidate"
            );
            assert_eq!(plain.header("referrer-policy"), "no-referrer");
            assert_eq!(plain.header("vary"), "Accept-Encoding, Authorization");
            assert_eq!(
                plain.header("figures-confirmed-at"),
                "2026-11-24T01:02:03.000Z"
            );
            let gzip = app.get_with(&path, &[("accept-encoding", "gzip")]).await;
            assert_eq!(gzip.header("content-encoding"), "gzip", "{path}");
            assert_ne!(gzip.header("etag"), plain.header("etag"));
            let mut decoded = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(&gzip.body[..]);
            std::io::Read::read_to_end(&mut decoder, &mut decoded).expect("gzip");
            assert_eq!(decoded, plain.body, "{path}");
            let known = app
                .get_with(&path, &[("if-none-match", plain.header("etag"))])
                .await;
            assert_eq!((known.status, known.body.len()), (304, 0), "{path}");
            assert_eq!(known.header("referrer-policy"), "no-referrer");
        }
    }
    let reads = app
        .count(
            "vote_reads_total",
            &["representation=\"feed\"", "status=\"304\""],
        )
        .await;
    assert_eq!(reads, 8);
}

#[tokio::test]
async fn a_scene_gets_the_rows_order_and_language_that_it_asks_for() {
    let (_redis, _producer, app) = released().await;
    let rows = app
        .get(&feed("rows.json?rows=4&sort=rank&lang=en-GB"))
        .await
        .json();
    let column = |name: &str| -> Vec<Value> {
        let rows = rows.as_array().expect("a list");
        rows.iter().map(|row| row[name].clone()).collect()
    };
    assert_eq!(column("name"), ["Ana", "Bia", "", ""]);
    assert_eq!(column("percent_text"), ["75.00%", "25.00%", "", ""]);
    assert_eq!(
        column("votes"),
        [json!(3), json!(1), Value::Null, Value::Null]
    );
    assert_eq!(column("on_air"), [true; 4]);
    let one = app.get(&feed("rows.json?rows=1")).await.json();
    assert_eq!(one.as_array().map(Vec::len), Some(1));
    let blank = app.get(&feed("flat.json?rows=3")).await.json();
    assert_eq!(
        (&blank["c3_name"], &blank["c3_rank"]),
        (&json!(""), &Value::Null)
    );
    let many = app.get(&feed("csv?rows=64")).await;
    assert_eq!(String::from_utf8_lossy(&many.body).lines().count(), 65);
    // The same as without, and so the same bytes.
    let plain = app.get(&feed("rows.json")).await;
    let same = app
        .get(&feed("rows.json?rows=2&sort=candidate&lang=pt&_=17"))
        .await;
    assert_eq!(same.header("etag"), plain.header("etag"));
    for query in [
        "rows=0",
        "rows=65",
        "rows=x",
        "sort=votes",
        "lang=fr",
        "row=1",
        "rows=1&rows=1",
    ] {
        let wrong = app.get(&feed(&format!("rows.json?{query}"))).await;
        assert_eq!(wrong.problem(), problem(400, "invalid-query"), "{query}");
    }
    let unknown = app.get("/v1/polls/none/results.csv").await;
    assert_eq!(unknown.problem(), problem(404, "unknown-poll"));
    assert_eq!(unknown.header("referrer-policy"), "no-referrer");
    let malformed = app.get("/v1/polls/NONE/results.xml").await;
    assert_eq!(malformed.problem(), problem(400, "malformed-poll-id"));
}

#[tokio::test]
async fn visibility_governs_feeds_as_it_does_results() {
    let (_redis, producer, app) = released().await;
    producer
        .redefine(ID, &json!({ "visibility": "percentages" }))
        .await;
    for format in ["rows.json", "flat.json", "csv", "xml"] {
        for query in ["", "?rows=3"] {
            let path = format!("{}{query}", feed(format));
            let public = vote_testkit::eventually(crate::support::DEADLINE, || async {
                let answer = app.get(&path).await;
                let text = String::from_utf8(answer.body).expect("text");
                // A header's name, or a JSON member's, has the word; the number of all votes must not be there.
                let bare = text.replace("2026-11-24T01:02:03.000Z", "");
                (!bare.contains(",4,4,")
                    && !bare.contains("\"total_votes\":4")
                    && !bare.contains("total_votes=\"4\""))
                .then_some(text)
            })
            .await;
            assert!(public.contains("75,00 %"), "{public}");
            let staff = app.get_as(PRODUCTION, &path).await;
            assert_eq!(staff.header("cache-control"), "private, no-store");
            assert_ne!(String::from_utf8_lossy(&staff.body), public);
        }
    }
    let rows = app.get(&feed("rows.json")).await.json();
    for name in ["votes", "total_votes", "revision"] {
        assert!(rows[0][name].is_null(), "{rows}");
    }
    producer
        .redefine(ID, &json!({ "visibility": "embargoed" }))
        .await;
    vote_testkit::eventually(crate::support::DEADLINE, || async {
        (app.get(&feed("csv")).await.status == 403).then_some(())
    })
    .await;
    for format in ["rows.json", "flat.json", "csv", "xml"] {
        let public = app.get(&feed(format)).await;
        assert_eq!(public.problem(), problem(403, "figures-restricted"));
        let staff = app.get_as(PRODUCTION, &feed(format)).await;
        assert_eq!(staff.status, 200, "{format}");
    }
}
