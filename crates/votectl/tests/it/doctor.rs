//! `votectl doctor`: what is wrong with a server, and what to do.

use crate::support::{fails, json, run};
use vote_testkit::RedisServer;

#[tokio::test]
async fn the_doctor_finds_nothing_in_a_server_as_it_must_be_and_names_what_is_wrong_with_another() {
    let well = RedisServer::builder().append_only(true).start().await;
    let report = json(&well, "doctor").await;
    assert_eq!(report["servers"][0]["findings"], serde_json::json!([]));
    let version = report["servers"][0]["version"].as_str().expect("a version");
    assert!(version.contains('.'), "{version}");

    let other = RedisServer::start().await;
    let said = fails(&other, "doctor", 1).await;
    assert!(said.contains("1 thing is wrong"), "{said}");
    let text = run(&other, "doctor").await.stdout();
    for part in [
        "no_append_only_file",
        "appendonly is no",
        "set appendonly to yes",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let strict = run(&other, "doctor --durability fsync --output json").await;
    assert_eq!(strict.code(), Some(1));
    let report: serde_json::Value = serde_json::from_str(&strict.stdout()).expect("JSON");
    let found = report["servers"][0]["findings"].as_array().expect("a list");
    assert_eq!(found.len(), 2, "{report}");
    assert_eq!(found[1]["problem"], "fsync");
    assert!(
        fails(&other, "doctor --durability disk", 2)
            .await
            .contains("replicas(n, timeout_ms)")
    );
}
