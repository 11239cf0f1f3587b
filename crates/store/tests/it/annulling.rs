//! Annulments and other operators at the same time: each that was told to be done is in the figures, once, and the sealed result has it.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use vote_domain::{Annulled, Poll, PollState, Reason, Transition};
use vote_store::{Counted, PollOperator, SaveError, SealingError};
use vote_testkit::{Fault, FaultProxy, RedisServer, eventually};

use crate::quarantine::{later, passes};
use crate::support::{
    ANA, DEADLINE, Show, closes_at, is_accepted, keyed, put, store, vote, voting_ms,
};

const MINUTES: i64 = 6;

/// A poll with ten votes in each of some minutes.
async fn voted(shards: u16) -> Show {
    let show = Show::open_on(RedisServer::start().await, shards).await;
    let voting = show.voting().await;
    let votes = (0..10 * MINUTES).map(|n| {
        let vote = keyed(ANA, &format!("k{n}"));
        voting.cast(later(vote, n % MINUTES))
    });
    assert!(join_all(votes).await.iter().all(is_accepted));
    voting.writer.drain(DEADLINE).await;
    show
}

/// One of those minutes.
fn minute(number: i64) -> Annulled {
    let at = |minutes: i64| {
        let since_epoch = voting_ms().div_euclid(60_000) + minutes;
        jiff::Timestamp::from_second(since_epoch * 60).expect("in range")
    };
    Annulled {
        from: at(number),
        until: at(number + 1),
        channel: None,
        candidate: None,
    }
}

fn why() -> Reason {
    Reason::parse("robots").expect("a reason")
}

fn annulled(poll: &Poll, number: i64) -> Poll {
    poll.annul(minute(number), why(), closes_at(), "test")
        .expect("legal")
}

fn taken_back(poll: &Poll, number: u32) -> Poll {
    poll.take_back(number, why(), closes_at(), "test")
        .expect("legal")
}

/// A command from its reading to its end, repeated where somebody else was quicker.
async fn insisting(show: &Show, operator: &PollOperator, change: impl Fn(&Poll) -> Poll) {
    loop {
        let poll = show.poll().await;
        let next = change(&poll);
        let done = if next.revision == poll.revision {
            // As the command does: an earlier attempt may have ended before the last fence.
            operator.fence(&poll).await
        } else {
            operator.save(&next, poll.revision).await
        };
        match done {
            Ok(_) => return,
            Err(SaveError::Conflict { .. }) => {}
            Err(SaveError::Fence { found, .. }) => {
                assert!(!found.contains("for good"), "{found}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Votes that were recorded, that are annulled, and that count.
async fn counts(show: &Show) -> [u128; 3] {
    let poll = show.poll().await;
    let figures = show.operator.figures_that_count(&poll).await;
    let counted = Counted::of(&poll, &figures.expect("figures")).expect("they add up");
    [counted.recorded, counted.annulled, counted.net].map(|votes| votes.total())
}

#[tokio::test]
async fn what_several_operators_annul_and_take_back_at_once_is_all_done_once() {
    let show = voted(2).await;
    let operators: Vec<PollOperator> = (0..4).map(|_| store(&show.url).operator()).collect();
    insisting(&show, &operators[0], |poll| annulled(poll, 5)).await;
    assert_eq!(counts(&show).await, [60, 10, 50]);
    // Two minutes, one of them said twice; and the first annulment is taken back twice.
    tokio::join!(
        insisting(&show, &operators[0], |poll| annulled(poll, 0)),
        insisting(&show, &operators[1], |poll| annulled(poll, 1)),
        insisting(&show, &operators[2], |poll| annulled(poll, 0)),
        async {
            insisting(&show, &operators[3], |poll| taken_back(poll, 1)).await;
            insisting(&show, &operators[3], |poll| taken_back(poll, 1)).await;
        },
    );
    assert_eq!(counts(&show).await, [60, 20, 40]);
    let poll = show.poll().await;
    let numbers: Vec<u32> = poll.annulments.iter().map(|one| one.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(poll.standing_annulments().count(), 2);
    assert_eq!(poll.annulment_mistake(), None);
    let actions = |name: &str| poll.log.iter().filter(|one| one.action == name).count();
    assert_eq!((actions("annul"), actions("take-back")), (3, 1));
    passes(&show).await;
}

#[tokio::test]
async fn of_two_changes_from_one_revision_one_is_refused_and_changes_nothing() {
    let show = voted(1).await;
    insisting(&show, &show.operator, |poll| annulled(poll, 0)).await;
    let poll = show.poll().await;
    let other = store(&show.url).operator();
    let (annulment, taking) = (annulled(&poll, 1), taken_back(&poll, 1));
    let (one, two) = tokio::join!(
        show.operator.save(&annulment, poll.revision),
        other.save(&taking, poll.revision),
    );
    let (expected, refused) = match (one, two) {
        (Ok(_), Err(refused)) => (20, refused),
        (Err(refused), Ok(_)) => (0, refused),
        both => panic!("{both:?}"),
    };
    assert!(matches!(refused, SaveError::Conflict { .. }), "{refused}");
    assert_eq!(counts(&show).await, [60, expected, 60 - expected]);
    passes(&show).await;
}

#[tokio::test]
async fn an_annulment_that_was_cut_at_any_step_is_completed_by_the_same_command() {
    for fault in [
        Fault::CutBeforeRequest,
        Fault::CutMidRequest,
        Fault::CutBeforeReply,
        Fault::CutMidReply,
    ] {
        // The document, and two fences.
        for step in 0..3 {
            let show = voted(2).await;
            let proxy = FaultProxy::start(show.redis.port()).await;
            let operator = store(&proxy.url()).operator();
            proxy.only(["EVALSHA"]);
            proxy.schedule((0..step).map(|_| Fault::Pass).chain([fault]));
            let poll = show.poll().await;
            let cut = operator.save(&annulled(&poll, 0), poll.revision).await;
            assert!(cut.is_err(), "{step} {fault:?}: {cut:?}");
            insisting(&show, &operator, |poll| annulled(poll, 0)).await;
            assert_eq!(counts(&show).await, [60, 10, 50], "{step} {fault:?}");
            assert_eq!(show.poll().await.annulments.len(), 1);
            passes(&show).await;
        }
    }
}

/// Seals what is there, as often as it takes.
async fn sealed(show: &Show) -> u128 {
    let sealed = show.seal(&show.poll().await, closes_at(), "second").await;
    let sealed = sealed.expect("sealed");
    assert_eq!(sealed.verify(), Ok(()));
    assert_eq!(show.poll().await.state, PollState::Sealed);
    sealed.standing.total_votes.expect("whole")
}

#[tokio::test]
async fn an_annulment_between_two_fences_of_a_sealing_is_in_the_result_as_in_the_document() {
    let show = voted(2).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    let proxy = FaultProxy::start(show.redis.port()).await;
    let slow = store(&proxy.url()).operator();
    // The sealing has sealed the first shard, and does not hear of it before the other command has ended.
    proxy.only(["EVALSHA"]);
    proxy.schedule([Fault::DelayReply(Duration::from_millis(400))]);
    let nobody = BTreeSet::new();
    let (sealing, annulment) =
        tokio::join!(slow.seal(&closed, &nobody, closes_at(), "first"), async {
            eventually(DEADLINE, || async { proxy.counts().targets >= 1 }).await;
            let next = annulled(&closed, 0);
            show.operator.save(&next, closed.revision).await
        });
    let late = annulment.expect_err("a shard is sealed");
    assert!(matches!(late, SaveError::Fence { shard: 0, .. }), "{late}");
    let refused = sealing.expect_err("it is of the poll as it was");
    assert!(
        matches!(refused, SealingError::Save(SaveError::Conflict { .. })),
        "{refused}"
    );
    let written = show.operator.sealed(&show.id).await;
    assert!(written.expect("an answer").is_none(), "a result without it");
    assert_eq!(sealed(&show).await, 50);
    passes(&show).await;
}

#[tokio::test]
async fn whoever_annuls_amid_a_sealing_is_told_and_the_result_is_as_it_was_told() {
    for _ in 0..10 {
        let show = voted(2).await;
        insisting(&show, &show.operator, |poll| annulled(poll, 1)).await;
        let closed = show.change(Transition::Close, closes_at()).await;
        let other = store(&show.url).operator();
        let next = annulled(&closed, 0);
        let nobody = BTreeSet::new();
        let (sealing, annulment) = tokio::join!(
            show.operator.seal(&closed, &nobody, closes_at(), "first"),
            other.save(&next, closed.revision),
        );
        let votes = match (sealing, &annulment) {
            (Ok(sealed), Err(_)) => sealed.standing.total_votes.expect("whole"),
            (Err(_), Ok(_)) => {
                let votes = sealed(&show).await;
                assert_eq!(votes, 40);
                votes
            }
            // Both have been told that it is half done: what is in the poll's document counts.
            (Err(sealing), Err(refused)) => {
                assert!(
                    matches!(
                        refused,
                        SaveError::Fence { .. } | SaveError::Conflict { .. }
                    ),
                    "{refused}, {sealing}"
                );
                half_done(&show).await
            }
            both => panic!("{both:?}"),
        };
        assert!([40, 50].contains(&votes), "{votes}");
        passes(&show).await;
    }
}

/// Completes a sealing beside which somebody has annulled. Where the result was there already, the annulment came too late, and is
/// taken back.
async fn half_done(show: &Show) -> u128 {
    let poll = show.poll().await;
    let again = show.seal(&poll, closes_at(), "second").await;
    match again {
        Ok(sealed) => sealed.standing.total_votes.expect("whole"),
        Err(SealingError::OtherAnnulments(other)) => {
            let last = poll.annulments.last().expect("an annulment").number;
            let since = other.since.iter().map(|annulment| annulment.number);
            assert!(since.eq([last]) && other.taken_back.is_empty(), "{other:?}");
            // The fences are sealed: the document alone is changed.
            let taken = show
                .operator
                .save(&taken_back(&poll, last), poll.revision)
                .await;
            assert!(matches!(taken, Err(SaveError::Fence { .. })), "{taken:?}");
            sealed(show).await
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn an_annulment_that_came_after_the_result_is_named_and_taken_back() {
    let show = voted(2).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    show.seal(&closed, closes_at(), "first")
        .await
        .expect("sealed");
    // As where the sealing was killed between the result and the poll's document.
    put(&show, "vote:poll:paredao-01", &closed).await;
    let late = show
        .operator
        .save(&annulled(&closed, 0), closed.revision)
        .await;
    assert!(matches!(late, Err(SaveError::Fence { .. })), "{late:?}");
    assert_eq!(half_done(&show).await, 60);
    let poll = show.poll().await;
    assert_eq!(poll.standing_annulments().count(), 0);
    passes(&show).await;
    // And nobody votes any more.
    let voting = show.voting().await;
    assert!(!is_accepted(&voting.cast(vote(ANA)).await));
}
