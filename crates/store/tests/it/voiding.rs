//! Declaring a poll void that somebody seals, or has begun to: one of the two comes to pass on every shard, in any order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vote_domain::{IllegalTransition, Poll, PollState, SealedPoll, Transition};
use vote_store::{SaveError, SealingError};
use vote_testkit::{Fault, FaultProxy, RedisServer, eventually};

use crate::support::{DEADLINE, Show, closes_at, opens_at, store};

/// The scripts that a sealing of two shards runs that write: two fences, the result, the document, and the fences again.
const WRITES: usize = 6;

async fn closed() -> (Show, Poll) {
    let show = Show::open_on(RedisServer::start().await, 2).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    (show, closed)
}

async fn seal(url: &str, closed: &Poll) -> Result<SealedPoll, SealingError> {
    let (operator, nobody) = (store(url).operator(), BTreeSet::new());
    operator.seal(closed, &nobody, closes_at(), "sealing").await
}

/// As an operator does it who has just read the poll.
async fn void(show: &Show) -> Result<Result<Poll, SaveError>, IllegalTransition> {
    let poll = show.poll().await;
    let next = match poll.state {
        PollState::Void => poll.clone(),
        _ => poll.transition(Transition::Void, closes_at(), "voiding")?,
    };
    let void = show.operator.void(&next, poll.revision).await;
    Ok(void.map(|(void, _)| void))
}

/// It is void, everywhere and for good; whatever a sealing has left, nothing is to be told of it.
async fn is_void(show: &Show, place: &str) {
    let poll = show.poll().await;
    assert_eq!(poll.state, PollState::Void, "{place}");
    let audit = show.audit().await;
    assert!(audit.passed, "{place}: {:?}", audit.differences);
    assert_eq!(audit.sha256, None, "{place}");
    let backup = show.operator.backup(&show.id, closes_at(), "test", "test");
    let backup = backup.await.expect(place).expect("it is there");
    assert_eq!(backup.sealed(), None, "{place}");
    let refused = seal(&show.url, &poll).await;
    assert!(
        matches!(refused, Err(SealingError::Transition(_))),
        "{place}: {refused:?}"
    );
    // And repeating it changes nothing.
    let again = void(show).await.expect("legal").expect(place);
    assert_eq!(again, poll, "{place}");
}

#[tokio::test]
async fn a_poll_whose_sealing_has_ended_anywhere_is_declared_void_or_sealed() {
    for cut in [Fault::CutBeforeRequest, Fault::CutBeforeReply] {
        let (mut voided, mut results) = (0, 0);
        for place in 0..WRITES {
            let (show, closed) = closed().await;
            let proxy = FaultProxy::start(show.redis.port()).await;
            proxy.only(["EVALSHA"]);
            proxy.schedule(std::iter::repeat_n(Fault::Pass, place).chain([cut]));
            let broken = seal(&proxy.url(), &closed).await;
            assert!(broken.is_err(), "{place}: {broken:?}");
            let name = format!("{place} {cut:?}");
            let result = show.operator.sealed(&show.id).await.expect("it answers");
            match void(&show).await {
                Ok(void) => {
                    void.expect(&name);
                    is_void(&show, &name).await;
                    voided += 1;
                    results += usize::from(result.is_some());
                }
                // Its document says that it is sealed: the rest follows.
                Err(_) => {
                    let poll = show.poll().await;
                    assert_eq!(poll.state, PollState::Sealed, "{name}");
                    show.operator.fence(&poll).await.expect(&name);
                    assert!(show.audit().await.passed, "{name}");
                }
            }
        }
        assert!((3..WRITES).contains(&voided), "{voided}");
        assert!(results > 0, "a result was never there");
    }
}

#[tokio::test]
async fn a_sealing_that_is_overtaken_anywhere_by_the_word_that_the_poll_is_void_loses() {
    // Up to where it has written its document.
    for place in 0..WRITES - 2 {
        let (show, closed) = closed().await;
        let proxy = FaultProxy::start(show.redis.port()).await;
        let seen = Arc::new(AtomicUsize::new(0));
        proxy.hold({
            let seen = Arc::clone(&seen);
            move |words| {
                words[0].eq_ignore_ascii_case(b"EVALSHA")
                    && seen.fetch_add(1, Ordering::Relaxed) == place
            }
        });
        let url = proxy.url();
        let overtaking = async {
            eventually(DEADLINE, || async { proxy.counts().held > 0 }).await;
            let void = void(&show).await;
            proxy.go_on();
            void.expect("legal").expect("void")
        };
        let (sealed, void) = tokio::join!(seal(&url, &closed), overtaking);
        assert!(sealed.is_err(), "{place}: {sealed:?}");
        assert_eq!(show.poll().await, void, "{place}");
        is_void(&show, &format!("{place}: {sealed:?}")).await;
    }
}

/// Gives the fence of a shard a state and a revision.
async fn fence(show: &Show, shard: u16, state: &str, revision: u64) {
    redis::cmd("HSET")
        .arg(format!("vote:{{paredao-01/{shard}}}:state"))
        .arg(&["state", state, "revision", &revision.to_string()])
        .exec_async(&mut show.redis.connection().await)
        .await
        .expect("set");
}

#[tokio::test]
async fn void_comes_to_pass_where_the_document_has_lost_changes_that_shards_know_of() {
    let show = Show::open_on(RedisServer::start().await, 2).await;
    let open = show.poll().await;
    fence(&show, 0, "open", open.revision + 5).await;
    fence(&show, 1, "paused", open.revision + 6).await;
    let void = void(&show).await.expect("legal").expect("void");
    assert_eq!(void.revision, open.revision + 7);
    is_void(&show, "a document that came back older").await;
}

#[tokio::test]
async fn a_void_poll_whose_shards_are_ahead_of_it_is_completed() {
    let (show, closed) = closed().await;
    let next = closed.transition(Transition::Void, opens_at(), "voiding");
    let next = next.expect("legal");
    // A sealing that had begun before has sealed the shards at a later revision.
    fence(&show, 0, "sealed", closed.revision + 1).await;
    fence(&show, 1, "sealed", closed.revision + 3).await;
    let refused = show.operator.save(&next, closed.revision).await;
    assert!(
        matches!(refused, Err(SaveError::Fence { shard: 1, .. })),
        "{refused:?}"
    );
    assert_eq!(show.poll().await.state, PollState::Void);
    void(&show).await.expect("legal").expect("completed");
    is_void(&show, "repeated").await;
}

#[tokio::test]
async fn what_is_void_is_never_sealed() {
    let (show, closed) = closed().await;
    void(&show).await.expect("legal").expect("void");
    // Whoever has read the poll before, also in a document that has lost the change.
    let refused = seal(&show.url, &closed).await;
    assert!(
        matches!(refused, Err(SealingError::Unfenced(_))),
        "{refused:?}"
    );
    let sealed = closed.transition(Transition::Seal, closes_at(), "sealing");
    let fenced = show.operator.fence(&sealed.expect("legal")).await;
    let Err(SaveError::Fence { found, .. }) = &fenced else {
        panic!("{fenced:?}");
    };
    assert!(found.contains("`votectl poll void paredao-01`"), "{found}");
    is_void(&show, "still").await;
}
