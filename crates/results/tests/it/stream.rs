//! The stream of figures, as its readers see it.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use serde_json::{Value, json};
use vote_domain::Transition;
use vote_testkit::RedisServer;

use crate::support::{
    ANA, App, BIA, BROADCAST, DEADLINE, ID, PRODUCTION, Producer, closes_at, feed, lasting_redis,
    problem, published, results, voting,
};

fn path(query: &str) -> String {
    format!("{}/stream{query}", results())
}

/// One event, or a comment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Said {
    event: String,
    id: String,
    data: String,
    retry: String,
    comment: Option<String>,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn of(text: &str) -> Self {
        let mut said = Self::default();
        for line in text.lines() {
            let (name, value) = line.split_once(':').expect("a field");
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match name {
                "" => said.comment = Some(value),
                "event" => said.event = value,
                "id" => said.id = value,
                "data" => said.data.push_str(&value),
                "retry" => said.retry = value,
                other => panic!("{other}"),
            }
        }
        said
    }
}

/// A reader of the stream.
pub(crate) struct Reader {
    chunks: std::pin::Pin<Box<dyn Stream<Item = reqwest::Result<actix_web::web::Bytes>>>>,
    read: String,
}

impl Reader {
    pub(crate) async fn open(app: &App, query: &str, headers: &[(&str, &str)]) -> Self {
        let answer = app.begin(&path(query), headers).await;
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(header("content-type"), "text/event-stream");
        assert!(header("cache-control").ends_with("no-store"));
        assert_eq!(header("x-accel-buffering"), "no");
        Self::of(answer)
    }

    fn of(answer: reqwest::Response) -> Self {
        Self {
            chunks: Box::pin(answer.bytes_stream()),
            read: String::new(),
        }
    }

    /// The next event, comment or setting; `None` at the end. A blank line without an event before it is a mistake: some clients take it
    /// for one.
    async fn next(&mut self) -> Option<Said> {
        loop {
            assert!(!self.read.starts_with('\n'), "a blank line, and no event");
            let is_line = self.read.starts_with([':', 'r']);
            let end = if is_line { "\n" } else { "\n\n" };
            if let Some((said, rest)) = self.read.split_once(end) {
                let said = Said::of(said);
                self.read = rest.to_owned();
                return Some(said);
            }
            let chunk = tokio::time::timeout(DEADLINE, self.chunks.next());
            let chunk = chunk.await.expect("a word in time")?.expect("no cut");
            self.read
                .push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }

    /// The next event that has data.
    async fn event(&mut self) -> Said {
        loop {
            let said = self.next().await.expect("an event before the end");
            if !said.data.is_empty() {
                return said;
            }
        }
    }

    /// The first event whose data is as wanted.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Said {
        loop {
            let said = self.event().await;
            if wanted(&said.json()) {
                return said;
            }
        }
    }

    async fn until_votes(&mut self, votes: u64) -> Said {
        self.until(|standing| standing["total_votes"] == votes)
            .await
    }

    /// Reads to the end: the last event, and the last comment.
    async fn end(mut self) -> (Option<Said>, Option<String>) {
        let (mut last, mut comment) = (None, None);
        while let Some(said) = self.next().await {
            if said.data.is_empty() {
                comment = said.comment;
            } else {
                last = Some(said);
            }
        }
        (last, comment)
    }
}

#[tokio::test]
async fn a_reader_gets_the_newest_standing_at_once_and_then_each_new_one() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    // A connection that was cut is noticed when something is sent.
    let app = App::start_with(&redis.url(), &[("VOTE__STREAM__HEARTBEAT_MS", "100")]).await;
    let writer = producer.voting().await;
    writer.vote(ANA, voting()).await;
    let standing = app.until_votes(1).await;

    let mut reader = Reader::open(&app, "", &[]).await;
    let opening = reader.next().await.expect("a beginning");
    let retry: u64 = opening.retry.parse().expect("milliseconds");
    assert!((1000..3000).contains(&retry), "{retry}");
    let first = reader.next().await.expect("an event");
    assert_eq!(
        first.data.as_bytes(),
        standing.body,
        "the body of the standing"
    );
    assert_eq!(first.event, "", "what pages get by `onmessage`");

    writer.vote(BIA, voting()).await;
    let second = reader.until_votes(2).await;
    let revision = |said: &Said| {
        let id = said.id.strip_prefix("paredao-01:r").expect("a revision");
        id.split_once('-')
            .expect("an id")
            .0
            .parse::<u64>()
            .expect("a number")
    };
    assert_eq!(
        revision(&first),
        first.json()["revision"].as_u64().expect("a number")
    );
    assert!(revision(&second) > revision(&first));
    assert_eq!(app.count("vote_stream_readers", &["standing"]).await, 1);

    drop(reader);
    app.until_series(
        "vote_stream_readers",
        &["vote_stream_readers{poll=\"paredao-01\",view=\"standing\"} 0"],
    )
    .await;
}

#[tokio::test]
async fn a_reader_that_comes_back_to_another_process_gets_nothing_twice_and_nothing_older() {
    let redis = RedisServer::start().await;
    let (producer, first) = published(&redis).await;
    let second = App::start(&redis.url()).await;
    let writer = producer.voting().await;
    writer.vote(ANA, voting()).await;
    first.until_votes(1).await;
    let id = Reader::open(&first, "", &[]).await.until_votes(1).await.id;
    second.until_votes(1).await;

    // It has the newest: the next word is of the next vote.
    let mut back = Reader::open(&second, "", &[("last-event-id", &id)]).await;
    writer.vote(ANA, voting()).await;
    assert_eq!(back.event().await.json()["total_votes"], 2);

    // It has more than this process knows: nothing is said before that is here as well.
    let known = of_later_revision(&id, 2);
    let mut ahead = Reader::open(&second, "", &[("last-event-id", &known)]).await;
    writer.vote(ANA, voting()).await;
    let said = ahead.event().await.json();
    assert!(said["total_votes"].as_u64() >= Some(3), "{said}");

    // What is none of ours is passed over.
    for id in ["", "815", "r1-x", "\t"] {
        let mut reader = Reader::open(&second, "", &[("last-event-id", id)]).await;
        reader.until_votes(3).await;
    }
}

/// The id of a later revision.
fn of_later_revision(id: &str, later: u64) -> String {
    let rest = id.strip_prefix("paredao-01:r").expect("a revision");
    let (revision, digest) = rest.split_once('-').expect("an id");
    let revision: u64 = revision.parse().expect("a number");
    format!("paredao-01:r{}-{digest}", revision + later)
}

#[tokio::test]
async fn changes_are_patches_that_lead_to_the_whole() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    let writer = producer.voting().await;
    app.until_votes(0).await;
    let mut reader = Reader::open(&app, "?view=delta", &[]).await;
    let mut standing = reader.event().await.json();
    for votes in 1..=5_u64 {
        writer.vote(ANA, voting()).await;
        loop {
            let said = reader.event().await;
            if said.event == "patch" {
                let patch: json_patch::Patch = serde_json::from_str(&said.data).expect("a patch");
                json_patch::patch(&mut standing, &patch).expect("it fits");
            } else {
                standing = said.json();
            }
            if standing["total_votes"] == votes {
                break;
            }
        }
        assert_eq!(standing, app.until_votes(votes).await.json());
    }
}

#[tokio::test]
async fn who_wants_few_events_gets_the_newest_and_the_others_are_counted_as_skipped() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    let writer = producer.voting().await;
    app.until_votes(0).await;
    let mut reader = Reader::open(&app, "?max_rate=0.5", &[]).await;
    assert_eq!(reader.event().await.json()["total_votes"], 0);
    for votes in 1..=4 {
        writer.vote(ANA, voting()).await;
        app.until_votes(votes).await;
        // Each is an event of its own by then: somebody else has read it.
        Reader::open(&app, "", &[]).await.until_votes(votes).await;
    }
    assert_eq!(reader.event().await.json()["total_votes"], 4);
    assert!(
        app.count("vote_stream_skipped_events_total", &["standing"])
            .await
            >= 1
    );
}

#[tokio::test]
async fn the_public_sees_what_the_poll_lets_it_see_also_when_that_changes() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({ "visibility": "percentages" })).await;
    let app = App::start(&redis.url()).await;
    let writer = producer.voting().await;
    writer.vote(ANA, voting()).await;
    let staff = format!("Bearer {BROADCAST}");
    app.until(&results(), |standing| {
        standing["candidates"][0]["percent"] == 100.0
    })
    .await;
    Reader::open(&app, "", &[("authorization", &staff)])
        .await
        .until_votes(1)
        .await;

    let mut public = Reader::open(&app, "", &[]).await;
    let said = public
        .until(|standing| standing["candidates"][0]["percent"] == 100.0)
        .await;
    assert_eq!(said.json().get("total_votes"), None);
    assert_eq!(said.json().get("revision"), None);
    assert!(
        said.id.starts_with("paredao-01:t1795482123000-"),
        "{}: no revision",
        said.id
    );

    producer
        .redefine(ID, &json!({ "visibility": "embargoed" }))
        .await;
    let (last, _) = public.end().await;
    let last = last.expect("an event");
    assert_eq!(
        (last.event.as_str(), last.json()["code"].as_str()),
        ("problem", Some("figures-restricted"))
    );
    let refused = app.get(&path("")).await;
    assert_eq!(refused.problem(), problem(403, "figures-restricted"));
}

#[tokio::test]
async fn after_the_sealed_result_the_stream_ends_for_good() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    let writer = producer.voting().await;
    writer.vote(ANA, voting()).await;
    app.until_votes(1).await;
    let mut reader = Reader::open(&app, "", &[]).await;
    reader.until_votes(1).await;
    writer.end().await;
    producer.seal(ID, closes_at()).await;
    let (last, _) = reader.end().await;
    let last = last.expect("an event");
    assert_eq!(last.json()["status"], "final");

    let again = Reader::open(&app, "", &[])
        .await
        .end()
        .await
        .0
        .expect("an event");
    assert_eq!(again, last, "for who comes late");
    let ends = app.count("vote_stream_ends_total", &["how=\"over\""]);
    assert_eq!(ends.await, 2);
    let back = app
        .get_with(&path(""), &[("last-event-id", &last.id)])
        .await;
    assert_eq!((back.status, back.body.len()), (204, 0));
    assert_eq!(back.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_process_that_stops_says_goodbye_and_another_one_takes_over() {
    let redis = RedisServer::start().await;
    let (producer, first) = published(&redis).await;
    let second = App::start(&redis.url()).await;
    let writer = producer.voting().await;
    writer.vote(ANA, voting()).await;
    first.until_votes(1).await;
    let mut reader = Reader::open(&first, "", &[]).await;
    let id = reader.until_votes(1).await.id;
    let lateness = first.count("vote_stream_lateness_seconds_count", &[]);
    let events = first.count("vote_stream_events_total", &[]);
    let (lateness, events) = (lateness.await, events.await);
    assert!(
        events > 0 && lateness == events,
        "{lateness} of {events} events"
    );
    let (stopped, (last, comment)) = tokio::join!(first.stop(), reader.end());
    let () = stopped;
    assert_eq!(last, None);
    assert!(comment.is_some_and(|said| said.contains("stops")));

    second.until_votes(1).await;
    let mut reader = Reader::open(&second, "", &[("last-event-id", &id)]).await;
    writer.vote(ANA, voting()).await;
    assert_eq!(reader.event().await.json()["total_votes"], 2);
}

#[tokio::test]
async fn a_quiet_stream_sends_comments_and_figures_that_grow_stale_are_said() {
    let mut redis = lasting_redis().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let app = App::start_with(&redis.url(), &[("VOTE__STREAM__HEARTBEAT_MS", "100")]).await;
    app.until_votes(0).await;
    let mut reader = Reader::open(&app, "", &[]).await;
    reader.until_votes(0).await;
    for _ in 0..3 {
        let said = reader.next().await.expect("a comment");
        assert_eq!(said.comment.as_deref(), Some(""));
    }
    redis.kill9();
    app.clock.advance(Duration::from_secs(60));
    let stale = reader.until(|standing| standing["status"] == "stale").await;
    assert_eq!(stale.json()["total_votes"], 0);
    redis.restart().await;
    reader
        .until(|standing| standing["status"] == "provisional")
        .await;
}

#[tokio::test]
async fn a_stream_that_can_not_begin_yet_ends_with_the_reason_so_that_browsers_come_back() {
    let mut redis = lasting_redis().await;
    redis.kill9();
    let app = App::start(&redis.url()).await;
    let mut reader = Reader::open(&app, "", &[]).await;
    let opening = reader.next().await.expect("when to come back");
    assert!(
        opening
            .retry
            .parse::<u64>()
            .is_ok_and(|retry| retry >= 1000)
    );
    let said = reader.next().await.expect("an event");
    assert_eq!(said.event, "problem");
    assert_eq!(said.json()["code"], "snapshot-unavailable");
    assert_eq!(said.id, "");
    assert_eq!(reader.next().await, None, "the end");
}

#[tokio::test]
async fn a_stream_of_brotli_is_made_for_who_asks_for_one() {
    let redis = RedisServer::start().await;
    let (_producer, app) = published(&redis).await;
    app.until_votes(0).await;
    let answer = app
        .begin(&path("?encoding=br"), &[("accept-encoding", "br")])
        .await;
    assert_eq!(answer.headers()["content-encoding"], "br");
    let mut chunks = answer.bytes_stream();
    let mut sent = Vec::new();
    loop {
        let chunk = tokio::time::timeout(DEADLINE, chunks.next()).await;
        sent.extend_from_slice(&chunk.expect("in time").expect("no end").expect("no cut"));
        let mut text = String::new();
        let mut decoder = brotli::Decompressor::new(sent.as_slice(), 4096);
        // It is never finished: all but its end can be read.
        let _unfinished = std::io::Read::read_to_string(&mut decoder, &mut text);
        if text.contains("\"total_votes\":0") {
            break;
        }
    }
    let plain = app
        .begin(&path(""), &[("accept-encoding", "br, gzip")])
        .await;
    assert!(
        !plain.headers().contains_key("content-encoding"),
        "not unless it is asked for"
    );
}

#[tokio::test]
async fn what_can_not_be_streamed_is_refused_as_the_standing_is() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.apply(&json!({ "id": "draft-01" })).await;
    producer.open(&json!({})).await;
    let app = App::start_with(
        &redis.url(),
        &[
            ("VOTE__STREAM__MAX_READERS", "1"),
            ("VOTE__STREAM__HEARTBEAT_MS", "100"),
        ],
    )
    .await;
    app.until_votes(0).await;
    let ask =
        async |path: &str, headers: &[(&str, &str)]| app.get_with(path, headers).await.problem();
    assert_eq!(
        ask("/v1/polls/another/results/stream", &[]).await,
        problem(404, "unknown-poll")
    );
    assert_eq!(
        ask("/v1/polls/draft-01/results/stream", &[]).await,
        problem(404, "unknown-poll")
    );
    assert_eq!(
        ask("/v1/polls/UP/results/stream", &[]).await,
        problem(400, "malformed-poll-id")
    );
    assert_eq!(
        ask(&path("?view=x"), &[]).await,
        problem(400, "invalid-query")
    );
    assert_eq!(
        ask(&path("?max_rate=5"), &[]).await,
        problem(400, "invalid-query")
    );
    assert_eq!(
        ask(&path(""), &[("authorization", "Bearer x")]).await,
        problem(401, "unauthorized")
    );
    let head = app.ask(reqwest::Method::HEAD, &path(""), &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-type"), "text/event-stream");

    let staff = format!("Bearer {PRODUCTION}");
    let mut only = Reader::open(&app, "", &[("authorization", &staff)]).await;
    only.until_votes(0).await;
    assert_eq!(ask(&path(""), &[]).await, problem(429, "too-many-requests"));
    assert_eq!(app.count("vote_stream_refusals_total", &[]).await, 1);
    assert_eq!(app.count("vote_stream_capacity_readers", &[]).await, 1);
    drop(only);
    app.until_series(
        "vote_stream_readers",
        &["vote_stream_readers{poll=\"paredao-01\",view=\"standing\"} 0"],
    )
    .await;
    Reader::open(&app, "", &[]).await.until_votes(0).await;
}

#[tokio::test]
async fn a_poll_that_is_void_ends_its_streams() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    app.until_votes(0).await;
    let mut reader = Reader::open(&app, "", &[]).await;
    reader.until_votes(0).await;
    producer.change(ID, Transition::Void, voting()).await;
    let (last, _) = reader.end().await;
    assert_eq!(last.expect("an event").json()["state"], "void");
}

#[tokio::test]
async fn a_held_poll_shows_every_reader_the_same_figures_until_it_is_released() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    producer.release(ID).await;
    let writer = producer.voting().await;
    writer.vote(ANA, voting()).await;
    app.until_votes(1).await;
    let mut rows = Reader::open(&app, "?view=rows", &[]).await;
    let on_air = rows
        .until(|rows| rows[0]["total_votes"] == 1 && rows[0]["on_air"] == true)
        .await;
    let mut standing = Reader::open(&app, "", &[]).await;
    standing.until_votes(1).await;

    producer.hold(ID).await;
    let held = rows.until(|rows| rows[0]["release"] == "held").await;
    assert_eq!(held.json()[0]["on_air"], false);
    writer.vote(BIA, voting()).await;
    writer.vote(BIA, voting()).await;
    app.until_votes(3).await;

    // Who comes now, and to another process, sees the same.
    let other = App::start(&redis.url()).await;
    other.until_votes(3).await;
    for app in [&app, &other] {
        let now = Reader::open(app, "?view=rows", &[]).await.event().await;
        assert_eq!(now, held);
        let frozen = Reader::open(app, "", &[]).await.event().await.json();
        assert_eq!(frozen["total_votes"], 1);
        assert_eq!(frozen["candidates"][0]["percent"].as_f64(), Some(100.0));
        assert_eq!(frozen["revision"], held.json()[0]["revision"]);
        assert_eq!(frozen["channels"], json!([]));
    }

    producer.release(ID).await;
    let back = rows.until(|rows| rows[0]["on_air"] == true).await;
    assert_eq!(back.json()[0]["total_votes"], 3);
    standing.until_votes(3).await;
    for said in [&on_air, &held, &back] {
        assert!(said.id.starts_with("paredao-01:r"), "{}", said.id);
    }
}

#[tokio::test]
async fn who_comes_back_with_newer_figures_than_those_of_a_hold_gets_the_hold_at_once() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    producer.release(ID).await;
    let writer = producer.voting().await;
    writer.vote(ANA, voting()).await;
    app.until_votes(1).await;
    producer.hold(ID).await;
    let mut rows = Reader::open(&app, "?view=rows", &[]).await;
    let id = rows.until(|rows| rows[0]["release"] == "held").await.id;
    // As it would be after votes that came between the hold and the news of it.
    let newer = of_later_revision(&id, 5);
    for query in ["?view=rows", "?view=standing", "?view=delta"] {
        let mut reader = Reader::open(&app, query, &[("last-event-id", &newer)]).await;
        // Who may have lost votes waits for ten seconds.
        let said = tokio::time::timeout(Duration::from_secs(5), reader.event()).await;
        let said = said.expect(query).json();
        let body = if said.is_array() { &said[0] } else { &said };
        assert_eq!(body["total_votes"], 1, "{query}: {said}");
    }
}

#[tokio::test]
async fn the_token_of_a_feed_streams_what_may_go_on_air_and_nothing_else() {
    use data_encoding::HEXLOWER;
    use sha2::{Digest as _, Sha256};
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({ "visibility": "embargoed" })).await;
    let token = "token-of-obs-in-studio-1";
    let listed = format!("obs:{}", HEXLOWER.encode(&Sha256::digest(token)));
    let app = App::start_with(&redis.url(), &[("VOTE__ACCESS__FEED_TOKENS", &listed)]).await;
    app.until(&format!("/v1/polls/{ID}"), |_| true).await;
    let answer = app
        .begin(&path(&format!("?view=rows&token={token}")), &[])
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
    assert_eq!(answer.headers()["cache-control"], "private, no-store");
    let mut rows = Reader::open(&app, &format!("?view=rows&token={token}"), &[]).await;
    let names = rows.until(|rows| rows[0]["name"] == "Ana").await.json();
    assert!(names[0]["votes"].is_null(), "nothing was released yet");

    let english = format!("?view=rows&rows=3&sort=rank&lang=en&token={token}");
    let said = Reader::open(&app, &english, &[]).await.event().await.json();
    let asked = feed(&format!("rows.json?rows=3&sort=rank&lang=en&token={token}"));
    assert_eq!(said, app.get(&asked).await.json(), "as the feed has it");
    assert_eq!(said[2]["name"], "", "a blank row");

    for query in ["", "&view=delta"] {
        let refused = app.get(&path(&format!("?token={token}{query}"))).await;
        assert_eq!(refused.problem(), problem(403, "figures-restricted"));
    }
    for query in ["?view=rows&token=x", "?view=rows&token="] {
        let refused = app.get(&path(query)).await;
        assert_eq!(refused.problem(), problem(401, "unauthorized"));
        assert!(refused.header("www-authenticate").starts_with("Basic"));
    }
}

#[tokio::test]
async fn the_stream_of_the_current_poll_goes_on_with_the_next_one() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    app.until_votes(0).await;
    let answer = app.begin("/v1/polls/current/results/stream", &[]).await;
    let mut reader = Reader::of(answer);
    let first = reader.event().await;
    assert_eq!(first.json()["poll"], ID);
    producer.change(ID, Transition::Close, voting()).await;
    producer.open(&json!({ "id": "paredao-02" })).await;
    let next = reader
        .until(|standing| standing["poll"] == "paredao-02")
        .await;
    assert!(next.id.starts_with("paredao-02:r"), "{}", next.id);

    // Who comes back with an event of the poll before gets the newest at once: the two don't compare.
    let later = of_later_revision(&first.id, 1_000_000);
    let answer = app
        .begin(
            "/v1/polls/current/results/stream",
            &[("last-event-id", &later)],
        )
        .await;
    assert_eq!(Reader::of(answer).event().await, next);
}
