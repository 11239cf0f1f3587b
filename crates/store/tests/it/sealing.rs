//! Sealing waits for every writer's word that all it had accepted is recorded.

use std::collections::{BTreeMap, BTreeSet};

use redis::aio::MultiplexedConnection;
use vote_domain::{Refusal, Transition, WriterId};
use vote_store::{Acceptance, Drained, Outcome, SaveError, SealingError, VoteToCast};
use vote_testkit::{Fault, FaultProxy, RedisServer, eventually};

use crate::support::{
    ANA, BIA, DEADLINE, Show, Voting, at, closes_at, half_seal, is_accepted, keyed, lane_config,
    opens_at, tally_of, vote, voting_ms,
};

/// Casts a vote, and says which writer has recorded it.
async fn writer_of(voting: &Voting) -> WriterId {
    match voting.cast(vote(ANA)).await {
        Outcome::Accepted(Acceptance { place, .. }) => place.writer,
        other => panic!("{other:?}"),
    }
}

/// The ledger's marks of the only shard.
async fn marks(show: &Show) -> BTreeMap<WriterId, Drained> {
    let figures = show.operator.figures(&show.poll().await).await;
    let writers = figures.expect("figures").remove(0).writers;
    writers
        .into_iter()
        .map(|(writer, ledger)| (writer, ledger.drained))
        .collect()
}

async fn drained(show: &Show) {
    eventually(DEADLINE, || async {
        let waiting = show.operator.undrained(&show.poll().await).await;
        waiting.expect("an answer").is_empty()
    })
    .await;
}

async fn set(mut redis: MultiplexedConnection, field: String, value: String) {
    redis::cmd("HSET")
        .arg("vote:{paredao-01/0}:writers")
        .arg(field)
        .arg(value)
        .exec_async(&mut redis)
        .await
        .expect("set");
}

#[tokio::test]
async fn sealing_waits_for_a_writer_that_still_has_votes_to_send_again() {
    let show = Show::open().await;
    let proxy = FaultProxy::start(show.redis.port()).await;
    proxy.only(["EVALSHA"]);
    let voting = show.voting_with(&proxy.url(), lane_config()).await;
    let writer = writer_of(&voting).await;
    let mut redis = show.redis.connection().await;
    // All that one vote more will change, to be taken back.
    let keys = [
        "tally".to_owned(),
        "writers".to_owned(),
        format!("minutes:{}", voting_ms() / 60_000),
    ];
    let keys = keys.map(|key| format!("vote:{{paredao-01/0}}:{key}"));
    let mut before: Vec<Vec<u8>> = Vec::new();
    for key in &keys {
        let dump = redis::cmd("DUMP").arg(key).query_async(&mut redis).await;
        before.push(dump.expect("a value"));
    }
    for _ in 0..4 {
        assert!(is_accepted(&voting.cast(vote(BIA)).await));
    }
    proxy.schedule([Fault::CutBeforeRequest; 1_000]);
    let mut forget = redis::pipe();
    forget.atomic();
    for (key, dump) in keys.iter().zip(&before) {
        let restore = forget.cmd("RESTORE").arg(key).arg(0).arg(dump);
        restore.arg("REPLACE").ignore();
    }
    forget.exec_async(&mut redis).await.expect("forgotten");

    let closed = show.change(Transition::Close, closes_at()).await;
    // Longer than its mark would take.
    let began = std::time::Instant::now();
    while began.elapsed() < std::time::Duration::from_millis(1_500) {
        let nobody = BTreeSet::new();
        let refused = show.operator.seal(&closed, &nobody, closes_at(), "test");
        match refused.await {
            Err(SealingError::Waiting(waiting)) => {
                assert_eq!(waiting.len(), 1, "{waiting:?}");
                let found = (
                    waiting[0].shard,
                    waiting[0].writer,
                    waiting[0].last_sequence,
                );
                assert_eq!((found, waiting[0].votes), ((0, writer, 1), 1));
            }
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    proxy.pass();
    let sealed = show
        .seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    assert_eq!(sealed.standing.total_votes, Some(5));
    assert!(sealed.abandoned.is_empty());
    assert_eq!(
        show.tally().await,
        tally_of(&[("torcida/ana", 1), ("torcida/bia", 4)])
    );
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_writer_whose_process_was_killed_has_to_be_abandoned_by_name() {
    let show = Show::open().await;
    let (killed, alive) = (show.voting().await, show.voting().await);
    let (gone, there) = (writer_of(&killed).await, writer_of(&alive).await);
    killed.writer.abort();
    killed.writer.drain(DEADLINE).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    eventually(DEADLINE, || async {
        marks(&show).await[&there] == Drained::At(closes_at().as_millisecond())
    })
    .await;
    let seal = |abandoned: &[WriterId]| {
        let abandoned: BTreeSet<WriterId> = abandoned.iter().copied().collect();
        let (operator, closed) = (&show.operator, &closed);
        async move { operator.seal(closed, &abandoned, closes_at(), "test").await }
    };
    let Err(SealingError::Waiting(waiting)) = seal(&[]).await else {
        panic!("it did not wait");
    };
    assert_eq!(waiting[0].writer, gone);
    let audit = show.audit().await;
    assert_eq!((audit.shards[0].writers, audit.shards[0].drained), (2, 1));
    assert_eq!(audit.waiting, waiting);
    for wrong in [[gone, there], [gone, WriterId::from_bytes([9; 8])]] {
        let refused = seal(&wrong).await;
        let Err(SealingError::NotWaitedFor(named)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(named, wrong[1..]);
    }
    let sealed = seal(&[gone]).await.expect("sealed");
    assert_eq!(sealed.abandoned, [gone]);
    assert_eq!(sealed.verify(), Ok(()));
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    assert_eq!((audit.waiting, audit.abandoned), (Vec::new(), vec![gone]));
}

#[tokio::test]
async fn a_mark_holds_for_its_closing_time_alone() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let writer = writer_of(&voting).await;
    // As if it had been closed as planned; then it was extended.
    set(
        show.redis.connection().await,
        format!("{writer}/drained"),
        closes_at().as_millisecond().to_string(),
    )
    .await;
    let poll = show.poll().await;
    assert!(
        show.operator
            .undrained(&poll)
            .await
            .expect("answers")
            .is_empty()
    );
    let extended = poll
        .extend(at("2025-11-26T03:00:00Z"), opens_at(), "test")
        .expect("legal");
    show.operator
        .save(&extended, poll.revision)
        .await
        .expect("saved");
    let waiting = show.operator.undrained(&extended).await;
    assert_eq!(waiting.expect("answers").len(), 1);
    show.change(Transition::Close, at("2025-11-26T04:00:00Z"))
        .await;
    drained(&show).await;
    let marked = Drained::At(at("2025-11-26T03:00:00Z").as_millisecond());
    assert_eq!(marks(&show).await, BTreeMap::from([(writer, marked)]));
}

#[tokio::test]
async fn a_writer_that_has_ended_in_order_is_drained_whenever_the_poll_closes() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let writer = writer_of(&voting).await;
    voting.writer.drain(DEADLINE).await;
    assert_eq!(
        marks(&show).await,
        BTreeMap::from([(writer, Drained::Ended)])
    );
    // One that never had a vote leaves no mark.
    let idle = show.voting().await;
    idle.writer.drain(DEADLINE).await;
    assert_eq!(marks(&show).await.len(), 1);
    let closed = show.change(Transition::Close, opens_at()).await;
    let sealed = show
        .operator
        .seal(&closed, &BTreeSet::new(), closes_at(), "test")
        .await;
    assert_eq!(sealed.expect("sealed").standing.total_votes, Some(1));
}

#[tokio::test]
async fn a_lane_that_is_drained_takes_late_votes_and_none_that_came_in_time() {
    let show = Show::open().await;
    let voting = show.voting().await;
    writer_of(&voting).await;
    let closed = show
        .change(Transition::Close, at("2025-11-24T01:02:30Z"))
        .await;
    voting.sees(closed.revision).await;
    drained(&show).await;
    let late = VoteToCast {
        received_at_ms: closed.closes_at.as_millisecond(),
        ..keyed(ANA, "late")
    };
    assert!(matches!(
        voting.cast(late).await,
        Outcome::Refused(Refusal::Closed)
    ));
    let waiting = || async { show.operator.undrained(&closed).await.expect("answers") };
    assert!(waiting().await.is_empty());
    // Received in time, and long on its way to the lane: the poll may be sealed by now.
    assert!(matches!(voting.cast(vote(BIA)).await, Outcome::NotRecorded));
    assert!(waiting().await.is_empty());
    let audit = show.audit().await;
    assert_eq!((audit.total, audit.late), (1, 1));
    assert!(audit.passed);
}

#[tokio::test]
async fn late_votes_without_end_keep_no_lane_from_being_drained() {
    let show = Show::open().await;
    let voting = show.voting().await;
    writer_of(&voting).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    voting.sees(closed.revision).await;
    let poll = voting.poll();
    let late = tokio::spawn(async move {
        loop {
            let late = VoteToCast {
                received_at_ms: closes_at().as_millisecond(),
                ..vote(ANA)
            };
            poll.cast(late).await;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    drained(&show).await;
    late.abort();
    assert!(show.audit().await.late > 10);
}

#[tokio::test]
async fn a_writer_that_was_started_over_from_is_marked_as_ended() {
    let show = Show::open().await;
    let config = vote_store::LaneConfig {
        replay_window: std::time::Duration::ZERO,
        ..lane_config()
    };
    let voting = show.voting_with(&show.redis.url(), config).await;
    let old = writer_of(&voting).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    // Redis has forgotten the second vote.
    let redis = show.redis.connection().await;
    set(redis.clone(), format!("{old}/sequence"), "1".to_owned()).await;
    set(redis, format!("{old}/votes"), "1".to_owned()).await;
    let new = writer_of(&voting).await;
    assert_ne!(old, new);
    eventually(DEADLINE, || async {
        marks(&show).await == BTreeMap::from([(old, Drained::Ended), (new, Drained::No)])
    })
    .await;
}

/// What a poll's seal is refused with.
async fn refusal(show: &Show, closed: &vote_domain::Poll) -> SealingError {
    let nobody = BTreeSet::new();
    let sealed = show.operator.seal(closed, &nobody, closes_at(), "test");
    match sealed.await {
        Err(refused) => refused,
        Ok(sealed) => panic!("sealed with {:?} votes", sealed.standing.total_votes),
    }
}

/// Redis has forgotten all of one shard, as a master of a cluster does that comes back empty.
async fn forget(show: &Show, shard: u16) {
    let mut redis = show.redis.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("vote:{{paredao-01/{shard}}}:*"))
        .query_async(&mut redis)
        .await
        .expect("keys");
    assert!(!keys.is_empty());
    redis::cmd("DEL")
        .arg(keys)
        .exec_async(&mut redis)
        .await
        .expect("gone");
}

#[tokio::test]
async fn a_shard_that_redis_has_forgotten_is_sealed_only_when_its_votes_are_there_again() {
    let show = Show::open_on(RedisServer::start().await, 2).await;
    let voting = show.voting().await;
    for n in 0..40 {
        let outcome = voting.cast(vote(if n % 4 == 0 { BIA } else { ANA })).await;
        assert!(is_accepted(&outcome));
    }
    let before = show.tally().await;
    let closed = show.change(Transition::Close, closes_at()).await;
    drained(&show).await;
    forget(&show, 1).await;
    // Longer than a writer takes to notice: it can repair nothing before the shard has its fence.
    let began = std::time::Instant::now();
    while began.elapsed() < std::time::Duration::from_millis(2_500) {
        let refused = refusal(&show, &closed).await;
        assert!(matches!(refused, SealingError::Unfenced(_)), "{refused:?}");
        let text = refused.to_string();
        assert!(
            text.contains("shard 1: it has no fence") && !text.contains("shard 0"),
            "{text}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let early = show.operator.fenced_as_closed(&closed).await;
    assert!(matches!(early, Err(SealingError::Unfenced(_))), "{early:?}");
    assert!(
        show.operator
            .sealed(&show.id)
            .await
            .expect("answers")
            .is_none()
    );

    show.operator.fence(&closed).await.expect("fenced again");
    eventually(DEADLINE, || async { show.tally().await == before }).await;
    let sealed = show
        .seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    assert_eq!(sealed.standing.total_votes, Some(40));
    assert!(voting.metric("vote_unrecoverable_votes_total") < 0.5);
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
}

#[tokio::test]
async fn a_shard_that_does_not_know_of_the_closing_is_not_sealed() {
    let show = Show::open().await;
    let open = show.poll().await;
    let closed = show.change(Transition::Close, opens_at()).await;
    let mut redis = show.redis.connection().await;
    redis::cmd("HSET")
        .arg("vote:{paredao-01/0}:state")
        .arg(&[
            ("state", "open".to_owned()),
            ("closes_at", open.closes_at.as_millisecond().to_string()),
            ("revision", open.revision.to_string()),
        ])
        .exec_async(&mut redis)
        .await
        .expect("as before the closing");
    let refused = refusal(&show, &closed).await.to_string();
    assert!(
        refused.contains("shard 0: the fence says open until") && refused.contains("revision 2"),
        "{refused}"
    );
    show.operator.fence(&closed).await.expect("fenced again");
    show.seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn votes_that_were_moved_from_one_candidate_to_another_are_not_sealed() {
    let show = Show::open().await;
    let voting = show.voting().await;
    for _ in 0..5 {
        assert!(is_accepted(&voting.cast(vote(BIA)).await));
    }
    let closed = show.change(Transition::Close, closes_at()).await;
    drained(&show).await;
    let mut redis = show.redis.connection().await;
    let mut moved = redis::pipe();
    for (candidate, votes) in [("ana", 2), ("bia", -2)] {
        moved
            .cmd("HINCRBY")
            .arg("vote:{paredao-01/0}:tally")
            .arg(format!("torcida/{candidate}"))
            .arg(votes)
            .ignore();
    }
    moved.exec_async(&mut redis).await.expect("moved");
    let refused = refusal(&show, &closed).await;
    assert!(matches!(refused, SealingError::Disagree(_)), "{refused:?}");
    let text = refused.to_string();
    assert!(
        text.contains("candidate ana: tally 2, minutes 0")
            && text.contains("candidate bia: tally 3, minutes 5"),
        "{text}"
    );
    // Nothing is for good yet.
    let figures = show.operator.figures(&closed).await.expect("figures");
    assert_eq!(figures[0].fence, Some(vote_store::Fence::of(&closed)));
}

#[tokio::test]
async fn a_shard_forgotten_while_the_poll_is_half_sealed_can_still_be_repaired() {
    let show = Show::open_on(RedisServer::start().await, 2).await;
    let voting = show.voting().await;
    for _ in 0..20 {
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
    }
    let closed = show.change(Transition::Close, closes_at()).await;
    drained(&show).await;
    half_seal(&show, &closed, 0).await;
    forget(&show, 1).await;
    let refused = refusal(&show, &closed).await.to_string();
    assert!(
        refused.contains("shard 1") && !refused.contains("shard 0"),
        "{refused}"
    );
    // It says that the other shard is sealed, and fences this one all the same.
    let fenced = show.operator.fence(&closed).await;
    let over = matches!(fenced, Err(SaveError::Fence { shard: 0, .. }));
    assert!(over, "{fenced:?}");
    eventually(DEADLINE, || async {
        show.tally().await == tally_of(&[("torcida/ana", 20)])
    })
    .await;
    let sealed = show
        .seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    assert_eq!(sealed.standing.total_votes, Some(20));
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
}
