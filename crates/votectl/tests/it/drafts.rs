//! Drafts that are deleted, ids that are taken, and files that are had back.

use crate::support::{applied, fails, json, run};
use vote_testkit::eventually;

#[tokio::test]
async fn a_draft_is_deleted_after_a_yes_and_its_id_is_free() {
    let (server, _dir, file) = applied().await;
    let asked = fails(&server, "poll delete paredao-01", 2).await;
    assert!(
        asked.contains("--yes") && asked.contains("Paredão 1"),
        "{asked}"
    );
    assert_eq!(
        json(&server, "poll delete paredao-01 --yes").await["action"],
        "deleted"
    );
    assert_eq!(json(&server, "poll list").await, serde_json::json!([]));
    eventually(crate::support::PATIENCE, || async {
        run(&server, "poll show paredao-01").await.code() == Some(2)
    })
    .await;
    let again = run(&server, "poll delete paredao-01").await;
    assert_eq!(again.code(), Some(0), "{again:?}");
    assert!(again.stderr().contains("it had been deleted"), "{again:?}");
    // What was never there is not taken for deleted.
    fails(&server, "poll delete paredao-02 --yes", 2).await;
    let again = json(&server, &format!("poll apply {file}")).await;
    assert_eq!(again["action"], "created");
    json(&server, "audit paredao-01").await;
    json(&server, "poll open paredao-01").await;
    for state in ["open", "void"] {
        let refused = fails(&server, "poll delete paredao-01 --yes", 1).await;
        assert!(
            refused.contains(state) && refused.contains("draft"),
            "{refused}"
        );
        run(&server, "poll void paredao-01 --yes").await;
    }
}

#[tokio::test]
async fn a_file_that_was_had_back_changes_nothing() {
    let (server, dir, file) = applied().await;
    let kept = std::fs::read_to_string(&file).expect("the file can be read");
    for (form, name) in [
        ("", "back.yaml"),
        (" --format json", "back.json"),
        (" -o json", "b.json"),
    ] {
        let back = dir.path().join(name);
        let back = back.to_str().expect("the path is UTF-8");
        let export = format!("export paredao-01 --what definition --file {back}{form}");
        assert_eq!(run(&server, &export).await.code(), Some(0), "{form}");
        let again = json(&server, &format!("poll apply {back}")).await;
        assert_eq!(again["action"], "unchanged", "{form}");
    }
    json(&server, "poll open paredao-01").await;
    json(&server, "poll extend paredao-01 --for 30m").await;
    let back = dir.path().join("extended.yaml");
    let back = back.to_str().expect("the path is UTF-8");
    run(
        &server,
        &format!("export paredao-01 --what definition --file {back}"),
    )
    .await;
    let again = json(&server, &format!("poll apply {back}")).await;
    assert_eq!(again["action"], "unchanged");
    assert_ne!(std::fs::read_to_string(back).expect("it can be read"), kept);
    let csv = "export paredao-01 --what definition --format csv";
    assert!(fails(&server, csv, 2).await.contains("--format yaml"));
    let yaml = "export paredao-01 --format yaml";
    assert!(fails(&server, yaml, 2).await.contains("--what definition"));
}
