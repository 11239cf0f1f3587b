//! Batches of gateways: what comes of each line, whatever the others are, and however the batch ends.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use reqwest::{Body, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vote_domain::Transition;
use vote_testkit::fixtures::demo_poll;
use vote_testkit::{ChildProcess, eventually};

use crate::app::{Answer, App, DEADLINE, POLL, Show, ago};
use crate::voters::Identity;

const TOKEN: &str = "the-token-of-the-gateway-sms";
const OTHER: &str = "the-token-of-the-gateway-fone";
const FILE: &str = "VOTE__GATEWAYS__FILE";
const NDJSON: &str = "application/x-ndjson";

/// A poll with channels for gateways, of so many shards.
async fn show(shards: u16) -> Show {
    let channels = json!([
        { "id": "torcida", "weight": 30, "eligibility": "open" },
        { "id": "sms", "weight": 10, "eligibility": "gateway" },
        { "id": "fone", "weight": 10, "eligibility": "gateway", "votes_per_voter": 2 },
        { "id": "unico", "weight": 50, "eligibility": "voter", "votes_per_voter": 1 },
    ]);
    let poll = demo_poll()
        .between(ago(60), ago(-3_600))
        .shards(shards)
        .with("channels", channels);
    Show::with(poll.definition(), Some(Transition::Open)).await
}

fn entry(name: &str, token: &str, lines: &str) -> String {
    let digest = HEXLOWER.encode(&Sha256::digest(token));
    let rate = if lines.contains("rate =") {
        ""
    } else {
        "rate = \"100000/1s\"\n"
    };
    format!("[[gateway]]\nname = \"{name}\"\ntoken_sha256 = \"{digest}\"\n{rate}{lines}\n")
}

/// The file of two gateways.
fn both() -> String {
    entry("sms", TOKEN, "channels = [\"sms\", \"fone\", \"torcida\"]")
        + &entry("fone", OTHER, "channels = [\"fone\"]")
}

struct File {
    folder: TempDir,
}

impl File {
    fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Self { folder };
        file.write(text);
        file
    }

    fn path(&self) -> String {
        let path = self.folder.path().join("gateways.toml");
        path.to_str().expect("text").to_owned()
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).expect("written");
    }
}

async fn app(show: &Show, file: &File) -> App {
    show.app_with(&[(FILE, &file.path())]).await
}

fn line(n: usize) -> String {
    let candidate = if n.is_multiple_of(3) { "bia" } else { "ana" };
    format!("{{\"key\":\"k{n}\",\"channel\":\"sms\",\"candidate\":\"{candidate}\"}}\n")
}

fn lines(count: usize) -> String {
    (0..count).map(line).collect()
}

fn request(app: &App, token: &str, body: impl Into<Body>) -> reqwest::RequestBuilder {
    app.client
        .post(format!("{}/v1/polls/{POLL}/votes/batch", app.url))
        .bearer_auth(token)
        .header("content-type", NDJSON)
        .body(body)
}

/// The answers to a batch.
async fn send_as(app: &App, token: &str, body: impl Into<Body>) -> Vec<Value> {
    let answer = request(app, token, body).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], NDJSON);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    parse(&answer.text().await.expect("text"))
}

async fn send(app: &App, body: impl Into<Body>) -> Vec<Value> {
    send_as(app, TOKEN, body).await
}

fn parse(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// What a line is answered with, in a word.
fn word(answer: &Value) -> &str {
    answer["code"]
        .as_str()
        .or(answer["status"].as_str())
        .expect("one of both")
}

fn words(answers: &[Value]) -> Vec<&str> {
    answers.iter().map(word).collect()
}

fn numbers(answers: &[Value]) -> Vec<u64> {
    let numbers = answers.iter();
    numbers
        .map(|answer| answer["line"].as_u64().expect("a number"))
        .collect()
}

fn count(answers: &[Value]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(word(answer)).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn each_line_is_answered_in_order_and_the_same_batch_again_counts_nothing() {
    let (show, file) = (show(4).await, File::of(&both()));
    let app = app(&show, &file).await;
    let batch = lines(1_000);
    let first = send(&app, batch.clone()).await;
    assert_eq!(count(&first), BTreeMap::from([("accepted", 1_000)]));
    assert_eq!(numbers(&first), (1..=1_000).collect::<Vec<_>>());
    let one = &first[2];
    assert_eq!(one["key"], "k2");
    assert_eq!(
        (
            &one["poll"],
            &one["candidate"],
            &one["channel"],
            &one["direction"]
        ),
        (
            &json!(POLL),
            &json!("ana"),
            &json!("sms"),
            &json!("eliminate")
        )
    );
    assert!(
        one["receipt"]
            .as_str()
            .is_some_and(|receipt| receipt.starts_with("v1."))
    );
    assert!(one["accepted_at"].is_string());
    let again = send(&app, batch.clone()).await;
    assert_eq!(count(&again), BTreeMap::from([("already_accepted", 1_000)]));
    // Another process finds them as well.
    let other = show.app_with(&[(FILE, &file.path())]).await;
    let again = send(&other, batch).await;
    assert_eq!(count(&again), BTreeMap::from([("already_accepted", 1_000)]));
    assert_eq!(show.total().await, 1_000);
    let metrics = app.metrics().await;
    for line in [
        "vote_gateway_lines_total{gateway=\"sms\",outcome=\"accepted\"} 1000",
        "vote_gateway_lines_total{gateway=\"sms\",outcome=\"already_accepted\"} 1000",
        "vote_gateway_lines_total{gateway=\"fone\",outcome=\"accepted\"} 0",
        "vote_gateway_batches_total{gateway=\"sms\",end=\"whole\"} 2",
        "vote_gateways 2",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn a_batch_that_is_sent_four_times_at_once_over_two_processes_counts_once() {
    let (show, file) = (show(4).await, File::of(&both()));
    let apps = [app(&show, &file).await, app(&show, &file).await];
    let batch = lines(2_000);
    let batches = (0..4).map(|n: usize| send(&apps[n % 2], batch.clone()));
    let answers = futures_util::future::join_all(batches).await;
    // Each line is accepted in one of the batches, and found again in all others.
    for line in 0..2_000 {
        let told: Vec<Value> = answers.iter().map(|batch| batch[line].clone()).collect();
        let expected = BTreeMap::from([("accepted", 1), ("already_accepted", 3)]);
        assert_eq!(count(&told), expected, "{told:?}");
    }
    assert_eq!(show.total().await, 2_000);
}

#[tokio::test]
async fn a_bad_line_harms_no_other() {
    let (show, file) = (show(2).await, File::of(&both()));
    let app = app(&show, &file).await;
    let key = |n: usize| format!("\"key\":\"b{n}\"");
    let vote = "\"channel\":\"sms\",\"candidate\":\"ana\"";
    let long = "x".repeat(5_000);
    let deep = "[".repeat(3_000);
    let bad: Vec<(String, &str)> = vec![
        ("nonsense".to_owned(), "malformed-body"),
        ("[]".to_owned(), "malformed-body"),
        ("null".to_owned(), "malformed-body"),
        ("{}".to_owned(), "malformed-body"),
        ("{".to_owned(), "malformed-body"),
        (format!("{{{vote}}}"), "idempotency-key-required"),
        (
            format!("{{\"key\":\"\",{vote}}}"),
            "invalid-idempotency-key",
        ),
        (
            format!("{{\"key\":\"chave é\",{vote}}}"),
            "invalid-idempotency-key",
        ),
        (format!("{{\"key\":null,{vote}}}"), "malformed-body"),
        (format!("{{\"key\":7,{vote}}}"), "malformed-body"),
        (
            format!("{{{},{},{vote}}}", key(1), key(2)),
            "malformed-body",
        ),
        (
            format!("{{{},\"candidate\":\"ana\"}}", key(3)),
            "malformed-body",
        ),
        (
            format!("{{{},{vote},\"proof\":\"x\"}}", key(4)),
            "malformed-body",
        ),
        (
            format!("{{{},\"candidate\":\"zoe\",\"channel\":\"sms\"}}", key(5)),
            "unknown-candidate",
        ),
        (
            format!("{{{},\"candidate\":\"ana\",\"channel\":\"x\"}}", key(6)),
            "unknown-channel",
        ),
        (
            format!("{{{},{vote},\"direction\":\"save\"}}", key(7)),
            "direction-mismatch",
        ),
        (
            format!("{{{},{vote},\"voter\":\"\"}}", key(8)),
            "malformed-body",
        ),
        (
            format!("{{{},{vote},\"voter\":\"{}\"}}", key(9), "v".repeat(256)),
            "malformed-body",
        ),
        (
            format!(
                "{{{},\"candidate\":\"ana\",\"channel\":\"unico\"}}",
                key(10)
            ),
            "channel-not-allowed",
        ),
        (
            format!("{{{},\"candidate\":\"ana\",\"channel\":\"fone\"}}", key(11)),
            "voter-required",
        ),
        (
            format!("{{{},{vote},\"voter\":{deep}", key(12)),
            "malformed-body",
        ),
        (
            format!("{{{},{vote},\"{long}\":1}}", key(13)),
            "malformed-body",
        ),
        ("\u{0}\u{1}\u{7f}".to_owned(), "malformed-body"),
    ];
    let mut batch = String::from("\u{feff}");
    for (n, (bad, _)) in bad.iter().enumerate() {
        let _infallible = write!(batch, "{}{bad}\r\n\r\n  \n", line(n));
    }
    let mut batch = batch.into_bytes();
    batch.extend_from_slice(b"{\"key\":\"\xff\xfe\",\"channel\":\"sms\",\"candidate\":\"ana\"}\n");
    batch.extend_from_slice(line(bad.len()).trim_end().as_bytes());
    let answers = send(&app, batch).await;
    assert_eq!(answers.len(), 2 * bad.len() + 2);
    for (n, (text, code)) in bad.iter().enumerate() {
        let [good, refused] = &answers[2 * n..2 * n + 2] else {
            panic!("two lines")
        };
        assert_eq!(good["status"], "accepted", "before {text:.60}");
        assert_eq!(word(refused), *code, "{text:.60}");
        assert_eq!(
            (&good["line"], &refused["line"]),
            (&json!(4 * n + 1), &json!(4 * n + 2))
        );
        assert_eq!(refused["type"], format!("/problems/{code}"));
        assert!(refused["title"].is_string() && refused["detail"].is_string());
    }
    let [not_text, last] = &answers[2 * bad.len()..] else {
        panic!("two lines")
    };
    assert_eq!((word(not_text), word(last)), ("malformed-body", "accepted"));
    assert_eq!(show.total().await, bad.len() as u128 + 1);
}

#[tokio::test]
async fn a_line_that_is_there_twice_counts_once_and_another_vote_under_its_key_not_at_all() {
    let (show, file) = (show(4).await, File::of(&both()));
    let app = app(&show, &file).await;
    let other = line(0).replace("bia", "ana");
    let answers = send(&app, line(0) + &line(0) + &other + &line(1) + &line(1)).await;
    assert_eq!(
        words(&answers),
        [
            "accepted",
            "already_accepted",
            "idempotency-key-reused",
            "accepted",
            "already_accepted"
        ]
    );
    let twice = send(&app, lines(500).repeat(2)).await;
    assert_eq!(
        count(&twice),
        BTreeMap::from([("accepted", 498), ("already_accepted", 502)])
    );
    assert_eq!(show.total().await, 500);
}

#[tokio::test]
async fn keys_are_the_gateways_own() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    // Who guesses what a gateway counts by takes none of its votes away.
    assert!(app.vote("ana", Some("1")).await.is_accepted());
    let open = "{\"key\":\"1\",\"channel\":\"torcida\",\"candidate\":\"ana\"}\n";
    assert_eq!(words(&send(&app, open).await), ["accepted"]);
    let vote = |voter: &str| {
        format!(
            "{{\"key\":\"2\",\"channel\":\"fone\",\"candidate\":\"ana\",\"voter\":\"{voter}\"}}\n"
        )
    };
    assert_eq!(words(&send_as(&app, TOKEN, vote("x")).await), ["accepted"]);
    assert_eq!(words(&send_as(&app, OTHER, vote("x")).await), ["accepted"]);
    assert_eq!(
        words(&send_as(&app, OTHER, vote("x")).await),
        ["already_accepted"]
    );
    assert_eq!(show.total().await, 4);
}

#[tokio::test]
async fn who_shows_no_gateways_token_sends_no_batch_and_votes_by_no_channel_of_gateways() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    for token in [
        "",
        "wrong",
        &TOKEN[1..],
        &TOKEN.to_uppercase(),
        &"x".repeat(5_000),
    ] {
        let answer = Answer::of(request(&app, token, lines(3))).await;
        assert_eq!(answer.code(), "unauthorized", "{token:.20}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    let none = app
        .client
        .post(format!("{}/v1/polls/{POLL}/votes/batch", app.url));
    let none = Answer::of(none.header("content-type", NDJSON).body(lines(3))).await;
    assert_eq!(none.code(), "unauthorized");
    for channel in ["sms", "fone"] {
        let ballot = json!({ "candidate": "ana", "channel": channel });
        let by_itself = Answer::of(app.post(POLL).json(&ballot).bearer_auth(TOKEN)).await;
        assert_eq!(
            (by_itself.status.as_u16(), by_itself.code()),
            (403, "gateway-required")
        );
        assert_eq!(by_itself.body["eligibility"], "gateway");
    }
    assert_eq!(show.total().await, 0);

    // Where no file is named, nobody is a gateway.
    let without = show.app().await;
    let answer = Answer::of(request(&without, TOKEN, lines(3))).await;
    assert_eq!(answer.code(), "unauthorized");
}

#[tokio::test]
async fn a_batch_that_can_not_be_read_is_refused_as_a_whole() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    let url = |poll: &str| format!("{}/v1/polls/{poll}/votes/batch", app.url);
    let post = |poll: &str| app.client.post(url(poll)).bearer_auth(TOKEN);
    for (request, status, code) in [
        (post(POLL).body(lines(1)), 415, "unsupported-media-type"),
        (
            post(POLL)
                .header("content-type", "application/json")
                .body(lines(1)),
            415,
            "unsupported-media-type",
        ),
        (
            request(&app, TOKEN, lines(1)).header("content-encoding", "gzip"),
            415,
            "unsupported-content-encoding",
        ),
        (
            request(&app, TOKEN, "x".repeat(1024 * 1024 + 1)),
            413,
            "body-too-large",
        ),
        (
            post("none").header("content-type", NDJSON).body(lines(1)),
            404,
            "unknown-poll",
        ),
        (
            post("A%20B").header("content-type", NDJSON).body(lines(1)),
            400,
            "malformed-poll-id",
        ),
        (
            app.client
                .post(url(POLL) + "?x=1")
                .bearer_auth(TOKEN)
                .header("content-type", NDJSON),
            400,
            "invalid-query",
        ),
        (
            app.client.get(url(POLL)).bearer_auth(TOKEN),
            405,
            "method-not-allowed",
        ),
    ] {
        let answer = Answer::of(request).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code));
    }
    for media_type in [
        "application/x-ndjson; charset=utf-8",
        "application/ndjson",
        "Application/JSONL",
    ] {
        let batch = post(POLL).header("content-type", media_type).body(lines(1));
        assert_eq!(batch.send().await.expect("an answer").status(), 200);
    }
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn nothing_and_blank_lines_are_no_votes() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    for body in [
        "",
        "\n",
        "\r\n\r\n",
        "\u{feff}",
        "\u{feff}\n \t \n",
        "\n\n\n",
    ] {
        assert_eq!(send(&app, body).await, Vec::<Value>::new(), "{body:?}");
    }
    assert_eq!(numbers(&send(&app, format!("\n\n{}", line(1))).await), [3]);
    assert_eq!(show.total().await, 1);
}

/// A body whose length is not said.
fn chunked(pieces: Vec<String>) -> Body {
    let pieces = pieces.into_iter().map(Ok::<_, std::io::Error>);
    Body::wrap_stream(futures_util::stream::iter(pieces))
}

#[tokio::test]
async fn what_is_beyond_the_limits_of_a_batch_is_said_to_be_unread() {
    let (show, file) = (show(4).await, File::of(&both()));
    let app = app(&show, &file).await;
    let most = lines(10_000);
    let answers = send(&app, most.clone()).await;
    assert_eq!(count(&answers), BTreeMap::from([("accepted", 10_000)]));
    let more = send(&app, chunked(vec![most, line(10_001), line(10_002)])).await;
    assert_eq!(
        count(&more),
        BTreeMap::from([("already_accepted", 10_000), ("body-too-large", 1)])
    );
    let last = more.last().expect("a line");
    assert_eq!(
        (&last["line"], &last["limit_lines"]),
        (&json!(10_001), &json!(10_000))
    );

    // Never ending: lines that are large, until the bytes are used up.
    let large = |n: usize| format!("{:>1000}\n", line(20_000 + n).trim_end());
    let pieces = (0..2_000).map(large).collect();
    let answers = send(&app, chunked(pieces)).await;
    let taken = 1024 * 1024 / 1001;
    assert_eq!(
        count(&answers),
        BTreeMap::from([("accepted", taken), ("body-too-large", 1)])
    );
    let last = answers.last().expect("a line");
    assert_eq!(
        (&last["line"], &last["limit_bytes"]),
        (&json!(taken + 1), &json!(1024 * 1024))
    );
    assert_eq!(show.total().await, 10_000 + taken as u128);
}

/// A connection on which a batch was begun, and sent as far as that.
async fn begun(app: &App, length: Option<usize>, sent: &str) -> TcpStream {
    let address = app.url.strip_prefix("http://").expect("an address");
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    let length = match length {
        Some(length) => format!("content-length: {length}"),
        None => "transfer-encoding: chunked".to_owned(),
    };
    let head = format!(
        "POST /v1/polls/{POLL}/votes/batch HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: {NDJSON}\r\n{length}\r\n\r\n{sent}"
    );
    connection.write_all(head.as_bytes()).await.expect("sent");
    connection
}

/// All that comes on a connection until it ends.
async fn rest(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = connection.read_to_end(&mut bytes);
    let read = tokio::time::timeout(DEADLINE, reading).await;
    read.expect("it ends").expect("read");
    String::from_utf8(bytes).expect("text")
}

/// The lines of an answer that came in chunks, each of whole lines.
fn unchunked(answer: &str) -> Vec<Value> {
    let lines = answer.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

#[tokio::test]
async fn of_a_batch_that_is_cut_off_whole_lines_count_and_the_cut_one_is_said() {
    let (show, file) = (show(2).await, File::of(&both()));
    let app = app(&show, &file).await;
    let whole = lines(20);
    for (sent, is_cut_within) in [
        (whole.clone() + &line(20)[..9], true),
        (whole.clone(), false),
    ] {
        let mut connection = begun(&app, Some(100_000), &sent).await;
        // It sends no more, and still reads.
        connection.shutdown().await.expect("shut down");
        let answer = rest(&mut connection).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let answers = unchunked(&answer);
        assert_eq!(answers.len(), 21, "{is_cut_within}: {answer}");
        let last = answers.last().expect("a line");
        assert_eq!((word(last), &last["line"]), ("malformed-body", &json!(21)));
        assert!(
            last["detail"]
                .as_str()
                .is_some_and(|said| said.contains("did not arrive whole"))
        );
    }
    assert_eq!(show.total().await, 20);
    assert_eq!(
        words(&send(&app, whole + &line(20)).await)[19..],
        ["already_accepted", "accepted"]
    );
}

#[tokio::test]
async fn answers_come_while_the_batch_goes_on_and_one_that_never_ends_is_ended() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = show
        .app_with(&[
            (FILE, &file.path()),
            ("VOTE__GATEWAYS__BATCH_TIMEOUT_MS", "1500"),
        ])
        .await;
    let first = line(1);
    let mut connection = begun(&app, None, &format!("{:x}\r\n{first}\r\n", first.len())).await;
    let mut seen = String::new();
    let mut piece = [0; 4096];
    while !seen.contains("\"status\":\"accepted\"") {
        let read = connection.read(&mut piece);
        let length = tokio::time::timeout(DEADLINE, read)
            .await
            .expect("in time")
            .expect("read");
        assert!(length > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    assert!(
        seen.contains("\"key\":\"k1\"") && !seen.contains("request-timeout"),
        "{seen}"
    );
    let second = line(2);
    let second = format!("{:x}\r\n{second}\r\n", second.len());
    connection.write_all(second.as_bytes()).await.expect("sent");
    // And then a byte of a line, and no more.
    connection.write_all(b"1\r\n{\r\n").await.expect("sent");
    let answers = unchunked(&rest(&mut connection).await);
    assert_eq!(words(&answers), ["accepted", "request-timeout"]);
    assert_eq!(numbers(&answers), [2, 3]);
    assert_eq!(show.total().await, 2);
    let metrics = app.metrics().await;
    assert!(
        metrics.contains("vote_gateway_batches_total{gateway=\"sms\",end=\"late\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_batch_whose_connection_was_killed_is_sent_again_and_each_vote_counts_once() {
    let (show, file) = (show(4).await, File::of(&both()));
    let app = app(&show, &file).await;
    let batch = lines(3_000);
    for part in [1, 2, 10, 100] {
        let sent = &batch[..batch.len() / part];
        drop(begun(&app, Some(batch.len()), sent).await);
        // Some of the answers are read, and then nobody is there any more.
        let mut connection = begun(&app, Some(batch.len()), sent).await;
        let mut some = [0; 512];
        if part == 1 {
            connection.read_exact(&mut some).await.expect("read");
        }
        drop(connection);
    }
    let answers = send(&app, batch.clone()).await;
    assert_eq!(numbers(&answers), (1..=3_000).collect::<Vec<_>>());
    assert!(answers.iter().all(|answer| answer.get("code").is_none()));
    assert_eq!(show.total().await, 3_000);
    // Another process, after this one is gone.
    app.stop().await.expect("a clean stop");
    let next = show.app_with(&[(FILE, &file.path())]).await;
    let again = send(&next, batch).await;
    assert_eq!(count(&again), BTreeMap::from([("already_accepted", 3_000)]));
    assert_eq!(show.total().await, 3_000);
}

#[tokio::test]
async fn with_redis_away_lines_say_so_and_the_same_batch_is_taken_later() {
    let (mut show, file) = (show(2).await, File::of(&both()));
    let settings = [
        (FILE, &*file.path()),
        ("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "200"),
    ];
    let app = show.app_with(&settings).await;
    let batch = lines(300);
    assert_eq!(
        count(&send(&app, line(0)).await),
        BTreeMap::from([("accepted", 1)])
    );
    show.redis.stop().await;
    let answers = send(&app, batch.clone()).await;
    assert_eq!(answers.len(), 300);
    for answer in &answers {
        assert!(
            ["not-recorded", "outcome-unknown"].contains(&word(answer)),
            "{answer}"
        );
        assert!(answer["retry_after_s"].is_u64(), "{answer}");
    }
    show.redis.restart().await;
    eventually(DEADLINE, || async {
        let answers = send(&app, batch.clone()).await;
        answers.iter().all(|answer| answer.get("code").is_none())
    })
    .await;
    assert_eq!(show.total().await, 300);
}

#[tokio::test]
async fn who_reads_no_answers_keeps_nobody_from_sending_the_whole_batch() {
    let (show, file) = (show(4).await, File::of(&both()));
    let app = app(&show, &file).await;
    let batch = lines(10_000);
    // All of it is written before the first answer is read: what can't be written would be waited for.
    let writing = begun(&app, Some(batch.len()), &batch);
    let mut connection = tokio::time::timeout(DEADLINE, writing)
        .await
        .expect("it is taken");
    let last = b"\"line\":10000,";
    let mut bytes = Vec::new();
    while !bytes.windows(last.len()).any(|part| part == last) {
        let mut piece = vec![0; 64 * 1024];
        let read = tokio::time::timeout(DEADLINE, connection.read(&mut piece)).await;
        let length = read.expect("in time").expect("read");
        assert!(length > 0);
        bytes.extend_from_slice(&piece[..length]);
        if bytes.len() > 2 * last.len() + length {
            // Only the end is looked for.
            bytes.drain(..bytes.len() - length - last.len());
        }
    }
    drop(connection);
    assert_eq!(show.total().await, 10_000);
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_batch_that_came_whole() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    let answer = request(&app, TOKEN, lines(10))
        .send()
        .await
        .expect("an answer");
    assert!(answer.headers().get("connection").is_none(), "{answer:?}");
    assert_eq!(parse(&answer.text().await.expect("text")).len(), 10);
}

#[tokio::test]
async fn a_gateways_voters_have_the_channels_limit_and_are_whom_the_file_says() {
    let (show, identity) = (show(4).await, Identity::new());
    let subjects = "channels = [\"unico\", \"fone\"]\nvoters_are_subjects = true";
    let text = both() + &entry("leste", "the-token-of-the-gateway-leste", subjects);
    let file = File::of(&text);
    let mut settings = identity.settings();
    let path = file.path();
    settings.push((FILE, &path));
    let app = show.app_with(&settings).await;
    let vote = |key: &str, channel: &str, voter: &str| {
        json!({ "key": key, "channel": channel, "candidate": "ana", "voter": voter }).to_string()
            + "\n"
    };
    let three =
        vote("a", "fone", "maria") + &vote("b", "fone", "maria") + &vote("c", "fone", "maria");
    assert_eq!(
        words(&send(&app, three.clone()).await),
        ["accepted", "accepted", "vote-limit-reached"]
    );
    assert_eq!(
        words(&send(&app, three).await),
        ["already_accepted", "already_accepted", "vote-limit-reached"]
    );
    // Another gateway's maria is somebody else; whom a token names is somebody else again.
    assert_eq!(
        words(&send_as(&app, OTHER, vote("d", "fone", "maria")).await),
        ["accepted"]
    );
    let leste = "the-token-of-the-gateway-leste";
    assert_eq!(
        words(&send_as(&app, leste, vote("e", "unico", "maria")).await),
        ["accepted"]
    );
    // And she has voted by `unico` now.
    let ballot = json!({ "candidate": "ana", "channel": "unico" });
    let token = identity.token("maria");
    let by_token = Answer::of(app.post(POLL).json(&ballot).bearer_auth(&token)).await;
    assert_eq!(by_token.code(), "vote-limit-reached");
    assert_eq!(show.total().await, 4);
    // Nobody is named in Redis.
    let redis = show.redis.dir().to_owned();
    let written = tokio::task::spawn_blocking(move || crate::nobody_named::written(&redis));
    let written = written.await.expect("read");
    assert!(!written.windows(5).any(|part| part == b"maria"));
}

#[tokio::test]
async fn beyond_its_rate_a_gateways_lines_are_told_when_to_come_again_and_addresses_do_not_count() {
    let show = show(1).await;
    let slow = entry("sms", TOKEN, "channels = [\"sms\"]\nrate = \"5/1h\"");
    let file = File::of(&slow);
    let app = show
        .app_with(&[
            (FILE, &file.path()),
            ("VOTE__LIMITS__ADDRESS_BURST", "2/1h"),
        ])
        .await;
    let answers = send(&app, lines(8)).await;
    assert_eq!(
        count(&answers),
        BTreeMap::from([("accepted", 5), ("rate-limited", 3)])
    );
    let limited = answers.last().expect("a line");
    assert_eq!(
        (&limited["key"], &limited["retry_after_s"]),
        (&json!("k7"), &json!(720))
    );
    assert!(
        limited["detail"]
            .as_str()
            .is_some_and(|said| said.contains("5/3600s"))
    );
    assert_eq!(show.total().await, 5);
    let metrics = app.metrics().await;
    assert!(
        metrics.contains("vote_gateway_lines_total{gateway=\"sms\",outcome=\"rate_limited\"} 3"),
        "{metrics}"
    );
    // Who tries tokens is held to the limit of its address.
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(
            Answer::of(request(&app, "wrong", ""))
                .await
                .code()
                .to_owned(),
        );
    }
    assert_eq!(codes, ["unauthorized", "unauthorized", "rate-limited"]);
    assert_eq!(send(&app, "").await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_file_is_read_again_and_a_wrong_one_changes_nothing() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    let status = async |token: &str| {
        let answer = request(&app, token, "").send().await.expect("an answer");
        answer.status().as_u16()
    };
    assert_eq!((status(TOKEN).await, status(OTHER).await), (200, 200));
    let says = async |line: &str| {
        eventually(DEADLINE, || async { app.metrics().await.contains(line) }).await;
    };
    file.write("[[gateway]]\nname = \"x\"\n");
    says("vote_gateways_file_refused 1").await;
    assert_eq!((status(TOKEN).await, status(OTHER).await), (200, 200));
    file.write(&entry("fone", OTHER, "channels = [\"fone\"]"));
    says("vote_gateways_file_refused 0").await;
    says("vote_gateways 1").await;
    assert_eq!((status(TOKEN).await, status(OTHER).await), (401, 200));
}

#[tokio::test]
async fn a_wrong_file_ends_the_start_and_no_token_is_shown() {
    let file = File::of(&entry("sms", TOKEN, "channels = []"));
    let mut process = ChildProcess::builder(env!("CARGO_BIN_EXE_vote-ingest"))
        .env("VOTE__HTTP__BIND", "127.0.0.1:0")
        .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
        .env(FILE, file.path())
        .spawn();
    let exit = process.wait(DEADLINE).await;
    assert_ne!(exit.code(), Some(0));
    let said = format!("{}{}", exit.stdout(), exit.stderr());
    assert!(
        said.contains("gateways.file") && said.contains("names none"),
        "{said}"
    );
    assert!(!said.contains(TOKEN), "{said}");
}

#[tokio::test]
async fn what_is_done_to_the_poll_is_told_in_each_line() {
    let (show, file) = (show(1).await, File::of(&both()));
    let app = app(&show, &file).await;
    assert_eq!(words(&send(&app, lines(2)).await), ["accepted", "accepted"]);
    for (transition, known, new) in [
        (Transition::Pause, "already_accepted", "poll-paused"),
        (Transition::Resume, "already_accepted", ""),
        (Transition::Close, "already_accepted", "poll-closed"),
        (Transition::Void, "poll-void", "poll-void"),
    ] {
        show.change(transition).await;
        if new.is_empty() {
            continue;
        }
        eventually(DEADLINE, || async {
            words(&send(&app, line(0) + &line(7)).await) == [known, new]
        })
        .await;
    }
}
