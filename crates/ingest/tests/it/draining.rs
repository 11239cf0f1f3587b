//! SIGTERM under load: no accepted vote lost, no connection reset.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use vote_http::StopError;
use vote_testkit::{ChildProcess, eventually, free_port};

use crate::app::{DEADLINE, POLL, Show};

#[tokio::test]
async fn a_terminated_process_answers_all_it_has_taken_and_records_all_it_has_accepted() {
    let show = Show::open().await;
    let address = format!("127.0.0.1:{}", free_port());
    let mut process = ChildProcess::builder(env!("CARGO_BIN_EXE_vote-ingest"))
        .env("VOTE__REDIS__URL", show.redis.url())
        .env("VOTE__HTTP__BIND", &address)
        .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
        .env("VOTE__SHUTDOWN__GRACE_MS", "1000")
        .env("VOTE__LOG__FORMAT", "json")
        .spawn();
    let client = reqwest::Client::new();
    let is_ready = || async {
        let ready = client.get(format!("http://{address}/readyz")).send().await;
        ready.is_ok_and(|answer| answer.status().is_success())
    };
    eventually(DEADLINE, is_ready).await;

    // As a load balancer does: while the process is ready it gets votes, on kept connections.
    let in_rotation = Arc::new(AtomicBool::new(true));
    let accepted = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..32)
        .map(|_| {
            let (in_rotation, accepted) = (Arc::clone(&in_rotation), Arc::clone(&accepted));
            let url = format!("http://{address}/v1/polls/{POLL}/votes");
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                while in_rotation.load(Ordering::Relaxed) {
                    let answer = client
                        .post(&url)
                        .json(&json!({ "candidate": "ana" }))
                        .send()
                        .await;
                    let answer = answer.expect("a connection that is not reset");
                    assert_eq!(answer.status(), 201);
                    accepted.fetch_add(1, Ordering::Relaxed);
                    answer.bytes().await.expect("a whole answer");
                }
            })
        })
        .collect();
    eventually(DEADLINE, || async {
        accepted.load(Ordering::Relaxed) > 500
    })
    .await;
    process.terminate();
    eventually(DEADLINE, || async { !is_ready().await }).await;
    in_rotation.store(false, Ordering::Relaxed);
    for client in join_all(clients).await {
        client.expect("no client saw an error");
    }
    let exit = process.wait(Duration::from_secs(15)).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stdout());
    assert_eq!(
        show.total().await,
        u128::from(accepted.load(Ordering::Relaxed))
    );
}

#[tokio::test]
async fn a_stopped_service_ends_in_time_even_with_redis_gone_and_says_what_may_be_lost() {
    let mut show = Show::open().await;
    let app = show
        .app_with(&[("VOTE__SHUTDOWN__DRAIN_TIMEOUT_MS", "1000")])
        .await;
    assert!(app.vote("ana", None).await.is_accepted());
    show.redis.stop().await;
    let stopped = tokio::time::timeout(Duration::from_secs(10), app.stop())
        .await
        .expect("it ends in time");
    assert!(
        matches!(stopped, Err(StopError::Unrecorded { votes: 1, .. })),
        "{stopped:?}"
    );
}
