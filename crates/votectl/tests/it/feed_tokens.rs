//! A feed's token: made by the tool, taken by the service, and in nothing that the service writes.

use std::time::Duration;

use serde_json::Value;
use vote_client::get;
use vote_testkit::{ChildProcess, RedisServer, eventually, free_port};

use crate::support::{PATIENCE, binary, json, votectl};

async fn made(name: &str) -> Value {
    let exit = votectl()
        .args(["feed-token", name, "--output", "json"])
        .spawn()
        .wait(PATIENCE)
        .await;
    assert_eq!(exit.code(), Some(0), "{exit:?}");
    serde_json::from_str(&exit.stdout()).expect("JSON")
}

#[tokio::test]
async fn a_token_is_shown_once_and_is_nowhere_in_the_service_s_logs() {
    let (one, other) = (made("obs-1").await, made("obs-1").await);
    let text = |made: &Value, name: &str| made[name].as_str().expect("text").to_owned();
    let (token, setting) = (text(&one, "token"), text(&one, "setting"));
    assert_ne!(token, text(&other, "token"));
    assert!(token.len() >= 32 && setting.starts_with("obs-1:") && !setting.contains(&token));
    let plain = votectl()
        .args(["feed-token", "vmix"])
        .spawn()
        .wait(PATIENCE)
        .await;
    assert!(
        plain.stdout().contains("vmix:") && plain.stdout().contains("token"),
        "{plain:?}"
    );
    for name in ["", "a b", "a:b", "a,b", &"x".repeat(65)] {
        let wrong = votectl()
            .args(["feed-token", name])
            .spawn()
            .wait(PATIENCE)
            .await;
        assert_eq!(wrong.code(), Some(2), "{name}: {wrong:?}");
    }

    let server = RedisServer::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = crate::support::poll_file(dir.path());
    json(&server, &format!("poll apply {file}")).await;
    json(&server, "poll visibility paredao-01 embargoed").await;
    json(&server, "poll open paredao-01").await;
    let (port, admin) = (free_port(), free_port());
    let mut service = ChildProcess::builder(binary("vote-results"))
        .env("VOTE__REDIS__URL", server.url())
        .env("VOTE__HTTP__BIND", format!("127.0.0.1:{port}"))
        .env("VOTE__ADMIN__BIND", format!("127.0.0.1:{admin}"))
        .env("VOTE__SHUTDOWN__GRACE_MS", "0")
        .env("VOTE__LOG__LEVEL", "trace")
        .env("VOTE__ACCESS__FEED_TOKENS", &setting)
        .spawn();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let status = async |query: &str| {
        let path = format!("/v1/polls/paredao-01/results.csv{query}");
        get(address, &path, Duration::from_secs(1))
            .await
            .map(|(status, _)| status)
    };
    let right = format!("?token={token}");
    eventually(PATIENCE, || async {
        (status(&right).await == Some(200)).then_some(())
    })
    .await;
    let wrong = format!("?token=wrong-{token}");
    assert_eq!(status(&wrong).await, Some(401));
    assert_eq!(status(&format!("{right}&rows=0")).await, Some(400));
    assert_eq!(status(&format!("{right}&unknown=1")).await, Some(400));
    assert_eq!(status("").await, Some(403));
    service.terminate();
    let exit = service.wait(PATIENCE).await;
    let said = format!("{}{}", exit.stdout(), exit.stderr());
    assert!(said.len() > 100, "it logs: {said}");
    assert!(!said.contains(&token), "the token is logged");
}
