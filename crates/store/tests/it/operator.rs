//! What an operator does to a poll.

use futures_util::future::join_all;
use jiff::SignedDuration;
use vote_domain::{
    Annulled, Poll, PollDefinition, PollState, Reason, SealedPoll, Transition, Visibility,
};
use vote_store::{Fence, SaveError, SealingError};
use vote_testkit::{RedisServer, eventually};

use crate::support::{
    ANA, BIA, DEADLINE, Show, at, closes_at, half_seal, opens_at, put, vote, voting_ms,
};

#[tokio::test]
async fn two_operators_cannot_overwrite_each_other() {
    let show = Show::open().await;
    let seen = show.poll().await;
    let mine = seen
        .transition(Transition::Pause, opens_at(), "one")
        .expect("legal");
    let theirs = seen
        .transition(Transition::Close, opens_at(), "other")
        .expect("legal");
    show.operator
        .save(&theirs, seen.revision)
        .await
        .expect("the first is saved");
    let conflict = show.operator.save(&mine, seen.revision).await;
    assert!(
        matches!(
            conflict,
            Err(SaveError::Conflict {
                found_revision: 3,
                expected_revision: 2
            })
        ),
        "{conflict:?}"
    );
    assert_eq!(show.poll().await.state, PollState::Closed);
}

#[tokio::test]
async fn a_change_is_fenced_on_every_shard() {
    let show = Show::open_on(RedisServer::start().await, 16).await;
    let paused = show.change(Transition::Pause, opens_at()).await;
    let figures = show.operator.figures(&paused).await.expect("figures");
    assert_eq!(figures.len(), 16);
    for shard in figures {
        assert_eq!(
            shard.fence,
            Some(Fence::of(&paused)),
            "shard {}",
            shard.shard
        );
    }
}

#[tokio::test]
async fn sealing_proves_the_figures_and_ends_them() {
    let show = Show::open_on(RedisServer::start().await, 3).await;
    let voting = show.voting().await;
    join_all((0..90).map(|n| voting.cast(vote(if n % 3 == 0 { BIA } else { ANA })))).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    let sealed = show
        .seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    assert_eq!(sealed.verify(), Ok(()));
    assert_eq!(sealed.standing.total_votes, Some(90));
    assert_eq!(show.poll().await.state, PollState::Sealed);
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    assert_eq!(audit.sha256.as_deref(), Some(sealed.sha256.as_str()));
    assert!(audit.shards.iter().all(|shard| shard.sealed == Some(30)));
}

#[tokio::test]
async fn sealing_can_be_repeated_after_a_failure_half_way() {
    let show = Show::open().await;
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    // The shards were fenced and the result was written, but not the poll's new state.
    let first = show
        .seal(&closed, closes_at(), "first")
        .await
        .expect("sealed");
    put(&show, "vote:poll:paredao-01", &closed).await;
    let again = show
        .seal(&closed, at("2025-11-26T03:00:00Z"), "second")
        .await
        .expect("sealed");
    assert_eq!(again, first);
    assert_eq!(show.poll().await.state, PollState::Sealed);
    assert!(show.audit().await.passed);
}

/// The poll with another visibility and title than its definition in the tests.
fn redefined(poll: &Poll, changes: &[(&str, &str)]) -> Poll {
    let mut definition = serde_json::to_value(&poll.definition).expect("JSON");
    for (field, value) in changes {
        definition[field] = serde_json::json!(value);
    }
    let definition = PollDefinition::parse_json(definition.to_string().as_bytes());
    poll.redefine(definition.expect("a valid poll"), closes_at(), "test")
        .expect("legal")
}

/// Seals a poll with one vote, up to the result: the poll's document stays as it was.
async fn sealed_but_for_its_document(show: &Show) -> (Poll, SealedPoll) {
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    let sealed = show
        .seal(&closed, closes_at(), "first")
        .await
        .expect("sealed");
    put(show, "vote:poll:paredao-01", &closed).await;
    (closed, sealed)
}

#[tokio::test]
async fn what_was_changed_since_a_sealing_that_failed_half_way_is_kept() {
    let show = Show::open().await;
    let (closed, first) = sealed_but_for_its_document(&show).await;
    let embargoed = redefined(&closed, &[("visibility", "embargoed")]);
    let refused = show.operator.save(&embargoed, closed.revision).await;
    assert!(
        matches!(refused, Err(SaveError::Fence { .. })),
        "{refused:?}"
    );
    assert_eq!(embargoed.revision, first.poll.revision);
    let again = show
        .seal(&show.poll().await, closes_at(), "second")
        .await
        .expect("sealed");
    assert_eq!(again, first);
    let poll = show.poll().await;
    assert_eq!(
        (poll.state, poll.definition.visibility()),
        (PollState::Sealed, Visibility::Embargoed)
    );
    assert!(poll.revision > embargoed.revision, "{}", poll.revision);
    let actions: Vec<&str> = poll.log.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["apply", "open", "close", "apply", "seal"]);
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    let backup = show.operator.backup(&show.id, closes_at(), "test", "test");
    let backup = backup.await.expect("agrees").expect("is there");
    assert_eq!(backup.sealed(), Some(&first));
    // And it can be released.
    let public = redefined(&poll, &[("visibility", "public")]);
    show.operator
        .save(&public, poll.revision)
        .await
        .expect("saved");
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_change_after_a_sealing_that_failed_between_two_fences_is_kept() {
    let show = Show::open_on(RedisServer::start().await, 3).await;
    let voting = show.voting().await;
    join_all((0..9).map(|_| voting.cast(vote(ANA)))).await;
    voting.writer.drain(DEADLINE).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    half_seal(&show, &closed, 0).await;
    let embargoed = redefined(&closed, &[("visibility", "embargoed")]);
    let refused = show.operator.save(&embargoed, closed.revision).await;
    assert!(
        matches!(refused, Err(SaveError::Fence { shard: 0, .. })),
        "{refused:?}"
    );
    let sealed = show
        .seal(&show.poll().await, closes_at(), "test")
        .await
        .expect("sealed");
    assert_eq!(sealed.standing.total_votes, Some(9));
    let poll = show.poll().await;
    assert_eq!(poll, sealed.poll);
    assert_eq!(poll.definition.visibility(), Visibility::Embargoed);
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
}

#[tokio::test]
async fn a_sealing_is_completed_although_the_document_came_back_older() {
    let show = Show::open().await;
    let (closed, first) = sealed_but_for_its_document(&show).await;
    // A failover has forgotten a change between the closing and the sealing.
    let older = Poll {
        revision: closed.revision - 1,
        ..closed
    };
    put(&show, "vote:poll:paredao-01", &older).await;
    let again = show.seal(&older, closes_at(), "second").await;
    assert_eq!(again.expect("sealed"), first);
    assert!(show.poll().await.revision > first.poll.revision);
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_poll_whose_document_has_lost_a_change_is_sealed_once_that_is_made_again() {
    let show = Show::open().await;
    let closed = show.change(Transition::Close, closes_at()).await;
    let embargoed = redefined(&closed, &[("visibility", "embargoed")]);
    show.operator
        .save(&embargoed, closed.revision)
        .await
        .expect("saved");
    // A failover has forgotten it, on the server that has the document.
    put(&show, "vote:poll:paredao-01", &closed).await;
    let refused = show.seal(&closed, closes_at(), "test").await;
    assert!(
        matches!(refused, Err(SealingError::Unfenced(_))),
        "{refused:?}"
    );
    show.operator
        .save(&embargoed, closed.revision)
        .await
        .expect("saved again");
    show.seal(&embargoed, closes_at(), "test")
        .await
        .expect("sealed");
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_sealing_is_not_completed_over_a_poll_that_was_renamed_since() {
    let show = Show::open().await;
    let (closed, first) = sealed_but_for_its_document(&show).await;
    let renamed = redefined(&closed, &[("title", "Paredão 2")]);
    put(&show, "vote:poll:paredao-01", &renamed).await;
    let refused = show.seal(&renamed, closes_at(), "second").await;
    let Err(SealingError::Changed(difference)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(difference.field, "title");
    let back = redefined(&renamed, &[("title", "Paredão 1")]);
    put(&show, "vote:poll:paredao-01", &back).await;
    let again = show.seal(&back, closes_at(), "second").await;
    assert_eq!(again.expect("sealed"), first);
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_sealing_is_not_completed_over_votes_that_were_annulled_since_and_says_so() {
    let show = Show::open().await;
    let (closed, first) = sealed_but_for_its_document(&show).await;
    let (opens_at, why) = (closed.definition.opens_at(), Reason::parse("robots"));
    let why = why.expect("a reason");
    let votes = Annulled {
        from: opens_at,
        until: opens_at + SignedDuration::from_mins(1),
        channel: None,
        candidate: None,
    };
    let annulled = closed.annul(votes, why.clone(), closes_at(), "ines");
    let annulled = annulled.expect("legal");
    put(&show, "vote:poll:paredao-01", &annulled).await;
    let refused = show.seal(&annulled, closes_at(), "second").await;
    let Err(SealingError::OtherAnnulments(other)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((other.since.len(), other.taken_back.len()), (1, 0));
    let back = annulled.take_back(1, why, closes_at(), "ines");
    let back = back.expect("legal");
    put(&show, "vote:poll:paredao-01", &back).await;
    let again = show.seal(&back, closes_at(), "second").await;
    assert_eq!(again.expect("sealed"), first);
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_sealing_is_not_completed_with_a_result_that_was_tampered_with() {
    let show = Show::open().await;
    let (closed, mut tampered) = sealed_but_for_its_document(&show).await;
    tampered.sealed_by = "nobody".to_owned();
    put(&show, "vote:poll:paredao-01:final", &tampered).await;
    let refused = show.seal(&closed, closes_at(), "second").await;
    assert!(
        matches!(refused, Err(SealingError::Tampered(_))),
        "{refused:?}"
    );
    assert_eq!(show.poll().await, closed);
}

#[tokio::test]
async fn figures_that_do_not_agree_are_not_sealed_and_the_audit_names_them() {
    let show = Show::open().await;
    let voting = show.voting().await;
    join_all((0..10).map(|_| voting.cast(vote(ANA)))).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    let mut redis = show.redis.connection().await;
    redis::cmd("HINCRBY")
        .arg("vote:{paredao-01/0}:tally")
        .arg("torcida/bia")
        .arg(1)
        .exec_async(&mut redis)
        .await
        .expect("tampered with");
    let refused = show.seal(&closed, closes_at(), "test").await;
    assert!(
        matches!(refused, Err(SealingError::Disagree(_))),
        "{refused:?}"
    );
    let audit = show.audit().await;
    assert!(!audit.passed);
    assert!(
        audit.differences.iter().any(|difference| difference
            .contains("shard 0, channel torcida, candidate bia: tally 1, minutes 0")),
        "{:?}",
        audit.differences
    );
}

#[tokio::test]
async fn a_tally_that_was_changed_after_sealing_is_found() {
    let show = Show::open().await;
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    show.seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    let mut redis = show.redis.connection().await;
    let minutes = format!("minutes:{}", voting_ms() / 60_000);
    for (key, field) in [("tally", "torcida/ana"), (minutes.as_str(), "torcida/ana")] {
        redis::cmd("HINCRBY")
            .arg(format!("vote:{{paredao-01/0}}:{key}"))
            .arg(field)
            .arg(1)
            .exec_async(&mut redis)
            .await
            .expect("tampered with");
    }
    let audit = show.audit().await;
    assert!(!audit.passed, "tampering went unnoticed");
}

#[tokio::test]
async fn a_shard_whose_fence_was_forgotten_is_named_and_mended() {
    let show = Show::open_on(RedisServer::start().await, 2).await;
    let mut redis = show.redis.connection().await;
    redis::cmd("DEL")
        .arg("vote:{paredao-01/1}:state")
        .exec_async(&mut redis)
        .await
        .expect("gone");
    let audit = show.audit().await;
    assert!(
        audit
            .differences
            .iter()
            .any(|difference| difference.contains("shard 1")),
        "{:?}",
        audit.differences
    );
    show.operator
        .fence(&show.poll().await)
        .await
        .expect("mended");
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_sealed_shard_is_never_opened_again() {
    let show = Show::open().await;
    let closed = show.change(Transition::Close, closes_at()).await;
    show.seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    let forged = Poll {
        state: PollState::Open,
        revision: 99,
        ..show.poll().await
    };
    let refused = show.operator.fence(&forged).await;
    assert!(
        matches!(refused, Err(SaveError::Fence { shard: 0, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_poll_that_is_not_there_is_none() {
    let show = Show::open().await;
    let other = vote_domain::PollId::parse("other").expect("valid");
    assert!(show.operator.get(&other).await.expect("answers").is_none());
    assert!(
        show.operator
            .audit(&other)
            .await
            .expect("answers")
            .is_none()
    );
    assert!(
        show.operator
            .sealed(&other)
            .await
            .expect("answers")
            .is_none()
    );
}

#[tokio::test]
async fn a_document_that_cannot_be_read_keeps_no_other_poll_from_its_votes() {
    let show = Show::open().await;
    let running = show.voting().await;
    let mut redis = show.redis.connection().await;
    redis::cmd("SADD")
        .arg("vote:polls")
        .arg("of-a-later-version")
        .exec_async(&mut redis)
        .await
        .expect("added");
    redis::cmd("SET")
        .arg("vote:poll:of-a-later-version")
        .arg("{\"revision\":1,\"novelty\":true}")
        .exec_async(&mut redis)
        .await
        .expect("set");
    let started_later = show.voting().await;
    for voting in [&running, &started_later] {
        assert!(crate::support::is_accepted(&voting.cast(vote(ANA)).await));
        eventually(DEADLINE, || async { voting.writer.ready().is_ok() }).await;
    }
    // One that was known stays as it was.
    let document: Vec<u8> = redis::cmd("GET")
        .arg("vote:poll:paredao-01")
        .query_async(&mut redis)
        .await
        .expect("a document");
    redis::cmd("SET")
        .arg("vote:poll:paredao-01")
        .arg("{}")
        .exec_async(&mut redis)
        .await
        .expect("set");
    let listed = show.operator.list().await;
    assert!(listed.is_err(), "the operator is told: {listed:?}");
    assert!(crate::support::is_accepted(&running.cast(vote(ANA)).await));
    redis::cmd("SET")
        .arg("vote:poll:paredao-01")
        .arg(document)
        .exec_async(&mut redis)
        .await
        .expect("set");
    assert_eq!(show.audit().await.total, 3);
}
