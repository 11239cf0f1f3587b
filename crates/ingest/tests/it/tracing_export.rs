//! Traces: a vote's span is linked to its batch's.

use std::time::Duration;

use serde_json::json;
use vote_testkit::{ChildProcess, OtlpReceiver, eventually, free_port};

use crate::app::{DEADLINE, POLL, Show};

#[tokio::test]
async fn the_span_of_a_vote_has_the_callers_parent_and_a_link_to_its_batch() {
    let show = Show::open().await;
    let receiver = OtlpReceiver::start().await;
    let address = format!("127.0.0.1:{}", free_port());
    let mut process = ChildProcess::builder(env!("CARGO_BIN_EXE_vote-ingest"))
        .env("VOTE__REDIS__URL", show.redis.url())
        .env("VOTE__HTTP__BIND", &address)
        .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
        .env("VOTE__SHUTDOWN__GRACE_MS", "0")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
        .spawn();
    let client = reqwest::Client::new();
    eventually(DEADLINE, || async {
        let ready = client.get(format!("http://{address}/readyz")).send().await;
        ready.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let answer = client
        .post(format!("http://{address}/v1/polls/{POLL}/votes"))
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .json(&json!({ "candidate": "ana" }))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 201);
    process.terminate();
    let exit = process.wait(Duration::from_secs(15)).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stdout());

    let spans = receiver.spans();
    let vote = spans
        .iter()
        .find(|span| span.trace_id() == trace)
        .unwrap_or_else(|| panic!("no span of the caller's trace: {spans:#?}"));
    assert_eq!(vote.parent_span_id(), "b7ad6b7169203331");
    assert_eq!(vote.service(), "vote-ingest");
    let batch = spans
        .iter()
        .find(|span| span.name() == "commit batch")
        .unwrap_or_else(|| panic!("no span of a batch: {spans:#?}"));
    assert_eq!(batch.attributes()["poll"], POLL);
    assert!(
        vote.links().contains(&(batch.trace_id(), batch.span_id())),
        "{:?} is not linked to {batch:?}",
        vote.links()
    );
}
