//! Votes that are annulled: every reader's next figures are without them, and with them again once that is taken back; and what
//! was set aside or annulled is in nothing that the public reads.

use serde_json::{Value, json};
use vote_domain::QuarantineReason;
use vote_store::VoteToCast;
use vote_testkit::{RedisServer, eventually};

use crate::stream::Reader;
use crate::support::{
    ANA, App, BIA, DEADLINE, ID, PRODUCTION, Producer, feed, released, results, vote, voting,
};

const DESK: &str = "/v1/polls/paredao-01/desk";

/// Everything of a poll that anybody can read.
fn public() -> Vec<String> {
    let poll = format!("/v1/polls/{ID}");
    let mut all = vec![
        "/v1/polls".to_owned(),
        poll.clone(),
        results(),
        format!("{poll}/results/hourly"),
        format!("{poll}/results/minutely"),
        format!("/polls/{ID}"),
    ];
    all.extend(["rows.json", "flat.json", "csv", "xml"].map(feed));
    all
}

async fn text(app: &App, path: &str) -> String {
    let answer = app.get(path).await;
    assert_eq!(answer.status, 200, "{path}");
    String::from_utf8(answer.body).expect("UTF-8")
}

/// The votes of Ana and Bia, and all, as each feed says them.
async fn feeds_say(app: &App, [ana, bia]: [u64; 2]) {
    let total = ana + bia;
    app.until(&feed("rows.json"), |rows| rows[0]["total_votes"] == total)
        .await;
    let rows = app.get(&feed("rows.json")).await.json();
    for (row, votes) in [(0, ana), (1, bia)] {
        assert_eq!(rows[row]["votes"], votes, "{rows}");
    }
    app.until(&feed("flat.json"), |flat| {
        flat["total_votes"] == total && flat["c1_votes"] == ana && flat["c2_votes"] == bia
    })
    .await;
    let csv = text(app, &feed("csv")).await;
    let cells: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let votes: Vec<&str> = cells.iter().skip(1).map(|row| row[3]).collect();
    assert_eq!(votes, [ana.to_string(), bia.to_string()], "{csv}");
    let xml = text(app, &feed("xml")).await;
    for part in [
        format!("<total_votes>{total}</total_votes>"),
        format!("<votes>{ana}</votes>"),
        format!("<votes>{bia}</votes>"),
    ] {
        assert!(xml.contains(&part), "{part}: {xml}");
    }
}

/// The buckets of a series, added up.
async fn series_say(app: &App, votes: u64) {
    for (series, buckets) in [("hourly", "hours"), ("minutely", "minutes")] {
        let path = format!("/v1/polls/{ID}/results/{series}");
        app.until(&path, |series| {
            let buckets = series[buckets].as_array();
            let totals =
                buckets.map(|all| all.iter().filter_map(|one| one["total_votes"].as_u64()));
            totals.map(Iterator::sum::<u64>) == Some(votes)
        })
        .await;
    }
}

#[tokio::test]
async fn the_next_figures_of_every_reader_are_without_them_and_with_them_once_that_is_taken_back() {
    let (_redis, producer, app) = released().await;
    // What readers of results see, and what the overlay does.
    let mut plain = Reader::open(&app, "", &[]).await;
    let mut rows = Reader::open(&app, "?view=rows", &[]).await;
    let said = |ana: u64, bia: u64| {
        move |standing: &Value| {
            let votes = |place: usize| standing["candidates"][place]["votes"].clone();
            standing["total_votes"] == ana + bia && votes(0) == ana && votes(1) == bia
        }
    };
    let row = |ana: u64, bia: u64| {
        move |rows: &Value| {
            let votes = |place: usize| rows[place]["votes"].clone();
            rows[0]["total_votes"] == ana + bia && votes(0) == ana && votes(1) == bia
        }
    };
    for (step, counted) in [[3, 1], [0, 1], [3, 1], [0, 1]].into_iter().enumerate() {
        match step {
            0 => {}
            2 => producer.take_back(1).await,
            _ => producer.annul_ana().await,
        }
        let [ana, bia] = counted;
        let standing = plain.until(said(ana, bia)).await.json();
        let shown = rows.until(row(ana, bia)).await.json();
        feeds_say(&app, counted).await;
        series_say(&app, ana + bia).await;
        for text in [standing.to_string(), shown.to_string()] {
            let tells = text.contains("annul") || text.contains("recorded");
            assert!(!tells, "{text}");
        }
        // Shares are of what counts.
        let percent = &standing["candidates"][1]["percent"];
        assert_eq!(percent, &json!(if ana == 0 { 100 } else { 25 }));
    }
    app.stop().await;
}

#[tokio::test]
async fn nothing_that_the_public_reads_says_what_was_annulled_before_the_end() {
    let (_redis, producer, app) = released().await;
    producer.annul_ana().await;
    app.until_votes(1).await;
    feeds_say(&app, [0, 1]).await;
    series_say(&app, 1).await;
    for path in public() {
        let body = text(&app, &path).await;
        for word in ["annul", "automata", "zuleika", "quarantine"] {
            assert!(!body.contains(word), "{path}: {word}: {body}");
        }
    }
    let standing = app.get(&results()).await.json();
    assert_eq!(standing.get("recorded"), None, "{standing}");
    // Staff is told, and by whom.
    let standing = app.get_as(PRODUCTION, &results()).await.json();
    assert_eq!(standing["recorded"]["annulled"], 3);
    let desk = app.get_as(PRODUCTION, DESK).await.json();
    assert_eq!(desk["annulments"][0]["by"], "zuleika");
    assert_eq!(desk["outcomes"]["annulled"], 3);
    app.stop().await;
}

#[tokio::test]
async fn where_only_percentages_are_public_an_annulment_tells_no_count_of_votes() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({ "visibility": "percentages" })).await;
    let app = App::start(&redis.url()).await;
    producer.release(ID).await;
    let voters = producer.voting().await;
    for candidate in [ANA, ANA, BIA, ANA] {
        voters.vote(candidate, voting()).await;
    }
    voters.end().await;
    app.until(&results(), |standing| {
        standing["candidates"][0]["percent"] == 75
    })
    .await;
    producer.annul_ana().await;
    let annulled = app
        .until(&results(), |standing| {
            standing["candidates"][0]["percent"] == 0
        })
        .await
        .json();
    for member in ["total_votes", "revision", "recorded", "lost"] {
        assert_eq!(annulled.get(member), None, "{annulled}");
    }
    for path in public() {
        // The series is of counts, and not public here.
        if path.ends_with("ly") {
            continue;
        }
        let body = text(&app, &path).await;
        for word in ["annul", "automata", "zuleika"] {
            assert!(!body.contains(word), "{path}: {word}: {body}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn votes_that_are_set_aside_are_on_the_desk_and_in_nothing_that_the_public_reads() {
    let (_redis, producer, app) = released().await;
    let before = app.get(&results()).await.json();
    let voters = producer.voting().await;
    for _ in 0..5 {
        let suspect = VoteToCast {
            quarantine: Some(QuarantineReason::DenyList),
            ..vote(BIA, voting())
        };
        voters.cast(ID, suspect).await;
    }
    // One that counts, so that it is known when the others have been read.
    voters.vote(ANA, voting()).await;
    voters.end().await;
    app.until_votes(5).await;
    feeds_say(&app, [4, 1]).await;
    series_say(&app, 5).await;
    let after = app.get(&results()).await.json();
    assert_eq!(
        before["candidates"][1]["votes"],
        after["candidates"][1]["votes"]
    );
    for path in public() {
        let body = text(&app, &path).await;
        for word in ["quarantine", "deny_list", "undecided"] {
            assert!(!body.contains(word), "{path}: {word}: {body}");
        }
    }
    let desk = eventually(DEADLINE, || async {
        let desk = app.get_as(PRODUCTION, DESK).await.json();
        let is_there = desk["outcomes"]["quarantined"] == 5;
        is_there
            .then_some(desk.clone())
            .ok_or_else(|| desk.to_string())
    })
    .await;
    let row = json!([{ "reason": "deny_list", "undecided": 5, "released": 0, "annulled": 0 }]);
    assert_eq!(desk["quarantine"], row);
    assert_eq!(desk["checks"]["agree"], true);
    app.stop().await;
}
