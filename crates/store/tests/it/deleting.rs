//! A draft that is deleted leaves nothing behind, and nobody takes it for forgotten.

use jiff::SignedDuration;
use vote_domain::{Poll, PollDefinition, PollId, Transition};
use vote_store::{RestoreError, SaveError};
use vote_testkit::{Fault, FaultProxy, RedisServer, eventually};

use crate::snapshots::Reading;
use crate::support::{DEADLINE, Show, Voting, lane_config, opens_at, store};

async fn keys(redis: &RedisServer) -> Vec<String> {
    let mut keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut redis.connection().await)
        .await
        .expect("Redis answers");
    keys.sort();
    keys
}

fn marked(poll: &Poll) -> Poll {
    poll.deleted(opens_at(), "test").expect("it is a draft")
}

#[tokio::test]
async fn a_deleted_draft_leaves_nothing_but_the_word_that_it_was_deleted() {
    let show = Show::open().await;
    let before = keys(&show.redis).await;
    let draft = show.draft("other").await;
    show.operator
        .delete(&marked(&draft), draft.revision)
        .await
        .expect("deleted");
    eventually(DEADLINE, || async {
        let mut left = keys(&show.redis).await;
        left.retain(|key| !before.contains(key));
        left == ["vote:poll:other:deleted"]
    })
    .await;
    let ids: Vec<String> = show
        .operator
        .list()
        .await
        .expect("a list")
        .iter()
        .map(id)
        .collect();
    assert_eq!(ids, ["paredao-01"]);
    // Its id is free again, from the first revision on.
    let again = show.draft("other").await;
    assert_eq!(
        show.operator
            .get(again.definition.id())
            .await
            .expect("read"),
        Some(again)
    );
}

fn id(poll: &Poll) -> String {
    poll.definition.id().to_string()
}

#[tokio::test]
async fn services_that_knew_a_deleted_draft_neither_miss_it_nor_fear_for_it() {
    let show = Show::open().await;
    let mut draft = show.draft("other").await;
    let reading = Reading::start(&show.redis.url());
    let voting = Voting::start(&show.redis.url(), lane_config(), "other").await;
    for round in 1..4 {
        eventually(DEADLINE, || async { reading.knows(&draft) }).await;
        show.operator
            .delete(&marked(&draft), draft.revision)
            .await
            .expect("deleted");
        eventually(DEADLINE, || async {
            !reading.knows(&draft) && matches!(voting.writer.find("other"), Ok(None))
        })
        .await;
        let snapshots = reading.snapshots.borrow().clone();
        assert!(!snapshots.is_incomplete && snapshots.unread.is_empty());
        assert!(!reading.shows(r#"vote_fence_mismatch_shards{poll="other"}"#, ""));
        // Another one takes its id, at a lower revision than the deleted one had in the end.
        draft = Poll::draft(
            draft.definition.clone(),
            opens_at() + SignedDuration::from_secs(round),
            "test",
        );
        show.operator.save(&draft, 0).await.expect("saved");
        eventually(DEADLINE, || async {
            reading.knows(&draft) && matches!(voting.writer.find("other"), Ok(Some(_)))
        })
        .await;
    }
    assert_eq!(reading.count("vote_poll_regressions_total"), 0);
    // What Redis forgets of a draft is still said.
    for key in ["vote:polls", "vote:poll:other"] {
        redis::cmd("DEL")
            .arg(key)
            .exec_async(&mut show.redis.connection().await)
            .await
            .expect("Redis answers");
    }
    eventually(DEADLINE, || async {
        reading.count("vote_poll_regressions_total") == 2 && voting.writer.find("other").is_err()
    })
    .await;
}

#[tokio::test]
async fn whoever_is_first_of_two_operators_keeps_the_other_from_it() {
    let show = Show::open().await;
    let draft = show.draft("other").await;
    let open = draft
        .transition(Transition::Open, opens_at(), "test")
        .expect("legal");
    let marked = marked(&draft);
    show.operator
        .save(&open, draft.revision)
        .await
        .expect("saved");
    let late = show.operator.delete(&marked, draft.revision).await;
    assert!(matches!(late, Err(SaveError::Conflict { .. })), "{late:?}");
    let audit = show
        .operator
        .audit(draft.definition.id())
        .await
        .expect("read");
    assert!(audit.expect("it is there").passed);
}

#[tokio::test]
async fn a_deletion_that_failed_half_way_is_completed_and_lets_nothing_else_through() {
    let show = Show::open().await;
    let draft = show.draft("other").await;
    let marked = marked(&draft);
    // One shard says that the poll has been opened meanwhile: the deletion ends there.
    let mut redis = show.redis.connection().await;
    let state = |value: &'static str| {
        let mut command = redis::cmd("HSET");
        command.arg("vote:{other/1}:state").arg("state").arg(value);
        command
    };
    let set: Result<(), _> = state("open").exec_async(&mut redis).await;
    set.expect("Redis answers");
    let half = show.operator.delete(&marked, draft.revision).await;
    assert!(
        matches!(half, Err(SaveError::Fence { shard: 1, .. })),
        "{half:?}"
    );
    let found = show
        .operator
        .get(draft.definition.id())
        .await
        .expect("read");
    assert_eq!(found.as_ref(), Some(&marked));
    let open = marked
        .transition(Transition::Open, opens_at(), "test")
        .expect("legal");
    for refused in [
        show.operator.save(&open, marked.revision).await,
        show.operator.fence(&marked).await,
    ] {
        assert!(
            matches!(refused, Err(SaveError::BeingDeleted)),
            "{refused:?}"
        );
    }
    let set: Result<(), _> = state("draft").exec_async(&mut redis).await;
    set.expect("Redis answers");
    show.operator
        .delete(&marked, marked.revision)
        .await
        .expect("completed");
    eventually(DEADLINE, || async {
        let found = show.operator.get(draft.definition.id()).await;
        found.expect("read").is_none()
    })
    .await;
}

/// The mark that an import leaves which no replica has confirmed.
const IMPORT: &str = "vote:poll:other:import";

async fn mark_import(show: &Show) {
    redis::cmd("SET")
        .arg(IMPORT)
        .arg("0".repeat(64))
        .exec_async(&mut show.redis.connection().await)
        .await
        .expect("set");
}

/// As `votectl poll delete` is repeated.
async fn delete_again(show: &Show) {
    let id = PollId::parse("other").expect("an id");
    match show.operator.get(&id).await.expect("read") {
        Some(draft) => {
            let deleted = show.operator.delete(&marked(&draft), draft.revision).await;
            deleted.expect("completed");
        }
        None => {
            let said = show.operator.deleted(&id).await.expect("read");
            assert!(said.is_some(), "nobody knows that it was deleted");
        }
    }
}

#[tokio::test]
async fn a_deletion_that_breaks_anywhere_is_completed_by_repeating_it_and_the_id_is_free() {
    let show = Show::open().await;
    let before = keys(&show.redis).await;
    for cut in [Fault::CutBeforeRequest, Fault::CutBeforeReply] {
        // Its mark, its first fence, its last one, and all that comes then.
        let last_fence = usize::from(PollDefinition::MOST_SHARDS);
        for place in [0, 1].into_iter().chain(last_fence..) {
            let draft = show.draft("other").await;
            mark_import(&show).await;
            let proxy = FaultProxy::start(show.redis.port()).await;
            proxy.only(["EVALSHA", "SREM", "DEL"]);
            proxy.schedule(std::iter::repeat_n(Fault::Pass, place).chain([cut]));
            let through = store(&proxy.url()).operator();
            let broken = through.delete(&marked(&draft), draft.revision).await;
            let is_over = proxy.scheduled() > 0;
            assert_eq!(broken.is_ok(), is_over, "{place} {cut:?}: {broken:?}");
            // A document that is removed has a millisecond left.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            delete_again(&show).await;
            eventually(DEADLINE, || async {
                let mut left = keys(&show.redis).await;
                left.retain(|key| !before.contains(key) && !key.ends_with(":deleted"));
                left.is_empty()
            })
            .await;
            if is_over {
                assert!(place > last_fence + 4, "only {place} commands");
                break;
            }
        }
    }
    show.draft("other").await;
}

#[tokio::test]
async fn a_deletion_takes_no_mark_of_an_import_that_begins_after_it() {
    let show = Show::open().await;
    let draft = show.draft("other").await;
    let backup = show
        .operator
        .backup(draft.definition.id(), opens_at(), "test", "test");
    let backup = backup.await.expect("taken").expect("it is there");
    mark_import(&show).await;
    let proxy = FaultProxy::start(show.redis.port()).await;
    proxy.hold(|words| words[0].eq_ignore_ascii_case(b"DEL"));
    let through = store(&proxy.url()).operator();
    let marked = marked(&draft);
    let importing = async {
        eventually(DEADLINE, || async { proxy.counts().held > 0 }).await;
        // As long as the mark is to be removed, the document keeps every import from making one of its own.
        let there = show.operator.get(draft.definition.id()).await;
        let there = there.expect("read");
        redis::cmd("DEL")
            .arg(IMPORT)
            .exec_async(&mut show.redis.connection().await)
            .await
            .expect("Redis answers");
        let import = show.operator.restorable(&backup).await;
        proxy.go_on();
        (there, import)
    };
    let deletion = through.delete(&marked, draft.revision);
    let (deleted, (there, import)) = tokio::join!(deletion, importing);
    deleted.expect("deleted");
    assert_eq!(there.as_ref(), Some(&marked));
    assert!(matches!(import, Err(RestoreError::Taken(_))), "{import:?}");
    eventually(DEADLINE, || async {
        matches!(show.operator.restorable(&backup).await, Ok(false))
    })
    .await;
    let restored = show
        .operator
        .restore(&backup, opens_at(), "test", |_| {})
        .await;
    assert_eq!(restored.expect("restored").poll, draft);
}
