//! Batches of gateways: what comes of each line, whatever the others are, and however the batch ends.

mod ends;
mod held;
mod lines;
mod who;

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use reqwest::{Body, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use vote_domain::Transition;
use vote_testkit::fixtures::demo_poll;

use crate::app::{App, POLL, Show, ago};

pub(super) const TOKEN: &str = "the-token-of-the-gateway-sms";
pub(super) const OTHER: &str = "the-token-of-the-gateway-fone";
pub(crate) const FILE: &str = "VOTE__GATEWAYS__FILE";
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// A poll with channels for gateways, of so many shards.
pub(super) async fn show(shards: u16) -> Show {
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

pub(crate) fn entry(name: &str, token: &str, lines: &str) -> String {
    let digest = HEXLOWER.encode(&Sha256::digest(token));
    let rate = if lines.contains("rate =") {
        ""
    } else {
        "rate = \"100000/1s\"\n"
    };
    format!("[[gateway]]\nname = \"{name}\"\ntoken_sha256 = \"{digest}\"\n{rate}{lines}\n")
}

/// The file of two gateways.
pub(super) fn both() -> String {
    entry("sms", TOKEN, "channels = [\"sms\", \"fone\", \"torcida\"]")
        + &entry("fone", OTHER, "channels = [\"fone\"]")
}

pub(crate) struct File {
    folder: TempDir,
}

impl File {
    pub(crate) fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Self { folder };
        file.write(text);
        file
    }

    pub(crate) fn path(&self) -> String {
        let path = self.folder.path().join("gateways.toml");
        path.to_str().expect("text").to_owned()
    }

    pub(super) fn write(&self, text: &str) {
        std::fs::write(self.path(), text).expect("written");
    }
}

pub(super) async fn app(show: &Show, file: &File) -> App {
    show.app_with(&[(FILE, &file.path())]).await
}

pub(super) fn line(n: usize) -> String {
    let candidate = if n.is_multiple_of(3) { "bia" } else { "ana" };
    format!("{{\"key\":\"k{n}\",\"channel\":\"sms\",\"candidate\":\"{candidate}\"}}\n")
}

pub(super) fn lines(count: usize) -> String {
    (0..count).map(line).collect()
}

pub(super) fn request(app: &App, token: &str, body: impl Into<Body>) -> reqwest::RequestBuilder {
    app.client
        .post(format!("{}/v1/polls/{POLL}/votes/batch", app.url))
        .bearer_auth(token)
        .header("content-type", NDJSON)
        .body(body)
}

/// The answers to a batch.
pub(super) async fn send_as(app: &App, token: &str, body: impl Into<Body>) -> Vec<Value> {
    let answer = request(app, token, body).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], NDJSON);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    parse(&answer.text().await.expect("text"))
}

pub(super) async fn send(app: &App, body: impl Into<Body>) -> Vec<Value> {
    send_as(app, TOKEN, body).await
}

pub(super) fn parse(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// What a line is answered with, in a word.
pub(super) fn word(answer: &Value) -> &str {
    answer["code"]
        .as_str()
        .or(answer["status"].as_str())
        .expect("one of both")
}

pub(super) fn words(answers: &[Value]) -> Vec<&str> {
    answers.iter().map(word).collect()
}

pub(super) fn numbers(answers: &[Value]) -> Vec<u64> {
    let numbers = answers.iter();
    numbers
        .map(|answer| answer["line"].as_u64().expect("a number"))
        .collect()
}

pub(super) fn count(answers: &[Value]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(word(answer)).or_default() += 1;
    }
    counts
}
