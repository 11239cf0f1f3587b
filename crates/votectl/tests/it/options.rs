//! What the options that many commands share take and refuse, and where results go.

use crate::support::{json, poll_file, run};
use vote_testkit::RedisServer;

async fn applied() -> (RedisServer, tempfile::TempDir) {
    let (server, dir) = (RedisServer::start().await, tempfile::tempdir().unwrap());
    json(&server, &format!("poll apply {}", poll_file(dir.path()))).await;
    (server, dir)
}

#[tokio::test]
async fn an_export_follows_output_unless_it_has_a_format() {
    let (server, _dir) = applied().await;
    for what in ["results", "hourly", "minutely", "ledger"] {
        let export = format!("export paredao-01 --what {what}");
        assert!(json(&server, &export).await.is_object(), "{what}");
        let csv = run(&server, &format!("{export} --format csv --output json")).await;
        assert!(!csv.stdout().starts_with('{'), "{}", csv.stdout());
        let csv = run(&server, &export).await;
        assert!(!csv.stdout().starts_with('{'), "{}", csv.stdout());
    }
}
