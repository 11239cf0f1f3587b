//! Drafts whose time has come, as the alert on them reads it.

use std::time::Duration;

use serde_json::json;
use vote_domain::Transition;
use vote_testkit::RedisServer;

use crate::support::{App, ID, Producer, voting};

/// Waits until the metric has these series and no other.
async fn until_overdue(app: &App, wanted: &[&str]) {
    app.until_series("vote_draft_overdue_seconds{", wanted)
        .await;
}

#[tokio::test]
async fn a_draft_is_overdue_from_its_opens_at_until_it_is_opened_or_deleted_or_its_end_has_come() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    let app = App::start(&redis.url()).await;
    producer.apply(&json!({})).await;
    let rehearsal = json!({ "id": "ensaio", "kind": "rehearsal" });
    producer.apply(&rehearsal).await;
    let later = json!({ "id": "quinta", "opens_at": "2026-11-25T00:00:00Z", "closes_at": "2026-11-25T02:00:00Z" });
    producer.apply(&later).await;
    // The clock stands an hour, two minutes and three seconds after the first two's time.
    let live = r#"vote_draft_overdue_seconds{poll="paredao-01",kind="live"} 3723.0"#;
    let rehearsed = r#"vote_draft_overdue_seconds{poll="ensaio",kind="rehearsal"} 3723.0"#;
    let early = r#"vote_draft_overdue_seconds{poll="quinta",kind="live"} 0.0"#;
    until_overdue(&app, &[rehearsed, live, early]).await;

    producer.change(ID, Transition::Open, voting()).await;
    until_overdue(&app, &[rehearsed, early]).await;

    let draft = producer.poll("ensaio").await;
    let marked = draft.deleted(voting(), "test").expect("it is a draft");
    producer
        .operator
        .delete(&marked, draft.revision)
        .await
        .expect("deleted");
    until_overdue(&app, &[early]).await;

    // The clock alone: it becomes overdue, and then can't be opened any more.
    app.clock.advance(Duration::from_secs(24 * 3600));
    until_overdue(
        &app,
        &[r#"vote_draft_overdue_seconds{poll="quinta",kind="live"} 3723.0"#],
    )
    .await;
    app.clock.advance(Duration::from_secs(3600));
    until_overdue(&app, &[]).await;
}
