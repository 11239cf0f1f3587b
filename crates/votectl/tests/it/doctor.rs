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

/// The line and the metric of a service are `vote_redis_findings`; this is what is done about it.
#[tokio::test]
async fn the_doctor_names_each_command_that_is_forbidden_and_the_right_that_allows_it() {
    let user = "user default on nopass allkeys allchannels +@all -time -hgetall\n\
                user vote-ingest on nopass -@all +@connection\n";
    let redis = RedisServer::builder()
        .append_only(true)
        .acl(user)
        .start()
        .await;
    let exit = run(&redis, "doctor --output json").await;
    assert_eq!(exit.code(), Some(1));
    let report: serde_json::Value = serde_json::from_str(&exit.stdout()).expect("JSON");
    let findings = report["servers"][0]["findings"].as_array().expect("a list");
    let text = |index: usize, member: &str| findings[index][member].as_str().expect("a text");
    assert_eq!(findings.len(), 2, "{report}");
    assert_eq!(text(0, "problem"), "forbidden");
    assert!(
        text(0, "seen").contains("vote-ingest may not say"),
        "{report}"
    );
    assert!(text(0, "remedy").contains("+info"), "{report}");
    assert!(
        text(1, "seen").contains("votectl may not say TIME, HGETALL vote:{doctor/0}:state"),
        "{report}"
    );
    assert!(
        text(1, "remedy").contains("+time (+hgetall ~vote:{*)"),
        "{report}"
    );
    // Another program's user may have another name: that is no fault of the server.
    let said = exit.stderr();
    assert!(
        said.contains("what vote-results may do is not known")
            && said.contains("--program vote-results"),
        "{said}"
    );
    let said = fails(&redis, "doctor --program vote-other", 2).await;
    assert!(
        said.contains("vote-ingest, vote-results, votectl"),
        "{said}"
    );
}
