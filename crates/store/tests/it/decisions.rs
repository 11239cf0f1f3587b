//! Decisions about what was set aside, amid failures: cut anywhere, with Redis killed between two minutes, forgotten by a failover, and
//! by several operators at once. Each vote gets one fate, and the figures agree.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use vote_domain::{QuarantineDecision, QuarantineReason, QuarantineSelection, Transition};
use vote_store::{DecideError, PollOperator, RedisConfig, SaveError, ShardFigures, Store};
use vote_testkit::{Fault, FaultProxy, RedisServer};

use crate::quarantine::{
    aside, decide, decide_of, figures, later, of, passes, set_aside, sums, suspect,
    with_quarantine, with_quarantine_on,
};
use crate::support::{ANA, BIA, DEADLINE, Show, closes_at, is_accepted, keyed, store, tally_of};

use QuarantineDecision::{Annul, Release};
use QuarantineReason::{DenyList, FastProof};

const CUTS: [Fault; 4] = [
    Fault::CutBeforeRequest,
    Fault::CutMidRequest,
    Fault::CutBeforeReply,
    Fault::CutMidReply,
];

/// Makes the script known to the server, so that each call of it is one request.
async fn loaded(show: &Show) {
    redis::cmd("SCRIPT")
        .arg("LOAD")
        .arg(include_str!("../../src/lua/decide_quarantine.lua"))
        .exec_async(&mut show.redis.connection().await)
        .await
        .expect("loaded");
}

/// One `votectl quarantine` from its reading to its end.
async fn command(
    show: &Show,
    operator: &PollOperator,
    decision: QuarantineDecision,
    selection: &QuarantineSelection,
) -> Result<u64, DecideError> {
    let (poll, figures) = (show.poll().await, figures(show).await);
    decide_of(operator, &poll, &figures, decision, selection).await
}

#[tokio::test]
async fn a_decision_that_is_cut_at_any_of_its_steps_is_completed_and_each_vote_counts_once() {
    // The document, two fences, and the votes of two shards.
    for (step, fault) in (0..5).flat_map(|step| CUTS.map(|fault| (step, fault))) {
        let show = with_quarantine().await;
        loaded(&show).await;
        let proxy = FaultProxy::start(show.redis.port()).await;
        let operator = store(&proxy.url()).operator();
        proxy.only(["EVALSHA"]);
        proxy.schedule((0..step).map(|_| Fault::Pass).chain([fault]));
        let cut = command(&show, &operator, Release, &of(&[DenyList])).await;
        assert!(cut.is_err(), "{step} {fault:?}: {cut:?}");
        assert_eq!(proxy.scheduled(), 0, "{step} {fault:?}");
        if step > 2 {
            // Before, the audit names the fences that are still those of the poll as it was.
            passes(&show).await;
        }
        let rest = command(&show, &operator, Release, &of(&[DenyList])).await;
        assert!(rest.expect("decided") <= 60, "{step} {fault:?}");
        let what = format!("{step} {fault:?}");
        assert_eq!(
            show.tally().await,
            tally_of(&[("torcida/ana", 90)]),
            "{what}"
        );
        assert_eq!(
            set_aside(&show).await,
            sums(&[("undecided/fast_proof", 30), ("released/deny_list", 60)]),
            "{what}"
        );
        passes(&show).await;
    }
}

/// A poll with one suspect vote, and another, in each of seventy minutes: three calls decide of them.
async fn with_long_quarantine(redis: RedisServer) -> Show {
    let show = Show::open_on(redis, 1).await;
    let voting = show.voting().await;
    let votes = (0..140).map(|n| {
        let vote = later(keyed(ANA, &format!("k{n}")), n / 2);
        voting.cast(match n % 2 {
            0 => vote,
            _ => suspect(vote, DenyList),
        })
    });
    assert!(join_all(votes).await.iter().all(is_accepted));
    voting.writer.drain(DEADLINE).await;
    show
}

#[tokio::test]
async fn redis_that_is_killed_between_the_minutes_of_a_decision_has_each_vote_decided_once() {
    for (fault, decision) in [
        (Fault::CutBeforeRequest, Release),
        (Fault::CutBeforeReply, Release),
        (Fault::CutBeforeReply, Annul),
    ] {
        let mut show = with_long_quarantine(RedisServer::start_lasting().await).await;
        loaded(&show).await;
        let proxy = FaultProxy::start(show.redis.port()).await;
        let operator = store(&proxy.url()).operator();
        proxy.only(["EVALSHA"]);
        // The document, the fence, the first thirty minutes; and then Redis is gone.
        proxy.schedule([Fault::Pass, Fault::Pass, Fault::Pass, fault]);
        let killed = command(&show, &operator, decision, &of(&[DenyList])).await;
        assert!(killed.is_err(), "{killed:?}");
        show.redis.kill9();
        let away = operator.get(&show.id).await;
        assert!(away.is_err(), "{away:?}");
        show.redis.restart().await;
        // Another operator, from now on, who waits for a disk that is busy.
        let mut config = RedisConfig::new(&show.url).expect("a usable address");
        config.response_timeout = DEADLINE;
        let patient = Store::new(&config).expect("nothing to refuse");
        show.operator = patient.operator();
        passes(&show).await;
        let (fate, before) = (decision.fate(), set_aside(&show).await);
        let undecided = if fault == Fault::CutBeforeRequest {
            40
        } else {
            10
        };
        assert_eq!(before["undecided/deny_list"], undecided, "{fault:?}");
        assert_eq!(before[&format!("{fate}/deny_list")], 70 - undecided);
        let rest = command(&show, &show.operator, decision, &of(&[DenyList])).await;
        assert_eq!(u128::from(rest.expect("decided")), undecided);
        assert_eq!(
            set_aside(&show).await,
            sums(&[(&format!("{fate}/deny_list"), 70)])
        );
        let counted = if decision == Release { 140 } else { 70 };
        assert_eq!(show.tally().await, tally_of(&[("torcida/ana", counted)]));
        passes(&show).await;
    }
}

/// That server is the poll's from now on.
fn promoted(show: Show, replica: RedisServer) -> Show {
    Show {
        url: replica.url(),
        operator: store(&replica.url()).operator(),
        redis: replica,
        id: show.id,
    }
}

/// A replica that has all of it, and hears of nothing more.
async fn cut_off_replica(show: &Show) -> RedisServer {
    let replica = show.redis.start_replica().await;
    let mut master = show.redis.connection().await;
    redis::Cmd::set("mark", 1)
        .exec_async(&mut master)
        .await
        .expect("set");
    let confirmed: u64 = redis::cmd("WAIT")
        .arg(1)
        .arg(9_000)
        .query_async(&mut master)
        .await
        .expect("an answer");
    assert_eq!(confirmed, 1);
    redis::cmd("REPLICAOF")
        .arg("NO")
        .arg("ONE")
        .exec_async(&mut replica.connection().await)
        .await
        .expect("cut off");
    replica
}

#[tokio::test]
async fn a_replica_that_lacks_a_decision_has_the_votes_undecided_and_they_are_decided_again() {
    let show = with_quarantine().await;
    decide(&show, Annul, &of(&[FastProof])).await;
    let replica = cut_off_replica(&show).await;
    let poll = show.poll().await;
    let read = figures(&show).await;
    let decided = decide_of(&show.operator, &poll, &read, Release, &of(&[DenyList])).await;
    assert_eq!(decided.expect("decided"), 60);
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 90)]));
    let show = promoted(show, replica);
    passes(&show).await;
    assert_eq!(
        set_aside(&show).await,
        sums(&[("undecided/deny_list", 60), ("annulled/fast_proof", 30)])
    );
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 30)]));
    assert_eq!(
        show.poll().await.revision,
        poll.revision,
        "the log lacks it too"
    );
    // From what was read before the failover as well: the second finds nothing left.
    for expected in [60, 0] {
        let poll = show.poll().await;
        let again = decide_of(&show.operator, &poll, &read, Release, &of(&[DenyList])).await;
        assert_eq!(again.expect("decided"), expected);
    }
    assert_eq!(
        set_aside(&show).await,
        sums(&[("released/deny_list", 60), ("annulled/fast_proof", 30)])
    );
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 90)]));
    passes(&show).await;
}

#[tokio::test]
async fn a_replica_that_has_a_decision_in_part_is_consistent_and_the_rest_is_decided() {
    let show = with_quarantine().await;
    let (poll, read) = (show.poll().await, figures(&show).await);
    let first = decide_of(&show.operator, &poll, &read[..1], Release, &of(&[DenyList])).await;
    let first = u128::from(first.expect("decided"));
    let replica = cut_off_replica(&show).await;
    decide(&show, Release, &of(&[DenyList])).await;
    let show = promoted(show, replica);
    passes(&show).await;
    assert_eq!(set_aside(&show).await["undecided/deny_list"], 60 - first);
    // Another operator thinks otherwise of those.
    assert_eq!(
        u128::from(decide(&show, Annul, &of(&[DenyList])).await),
        60 - first
    );
    let fates = set_aside(&show).await;
    assert_eq!(
        (fates["released/deny_list"], fates["annulled/deny_list"]),
        (first, 60 - first)
    );
    passes(&show).await;
}

#[tokio::test]
async fn what_a_lane_repairs_after_a_failover_is_undecided_and_what_was_decided_stays_so() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let cast = |n: u32| voting.cast(suspect(keyed(ANA, &format!("k{n}")), DenyList));
    for n in 0..10 {
        assert!(is_accepted(&cast(n).await));
    }
    assert_eq!(decide(&show, Release, &of(&[DenyList])).await, 10);
    let before = crate::forgetting::Backup::take(show.redis.connection().await).await;
    for n in 10..20 {
        assert!(is_accepted(&cast(n).await));
    }
    assert_eq!(decide(&show, Release, &of(&[DenyList])).await, 10);
    // A failover forgets ten votes, and that they were released. The next vote finds the gap.
    before.restore(show.redis.connection().await).await;
    assert!(is_accepted(&voting.cast(keyed(BIA, "next")).await));
    assert_eq!(
        set_aside(&show).await,
        sums(&[("undecided/deny_list", 10), ("released/deny_list", 10)])
    );
    passes(&show).await;
    assert_eq!(decide(&show, Release, &of(&[DenyList])).await, 10);
    assert_eq!(
        show.tally().await,
        tally_of(&[("torcida/ana", 20), ("torcida/bia", 1)])
    );
    passes(&show).await;
}

/// Repeats the command where somebody else has changed the poll meanwhile, as an operator does. Gives what it has decided.
async fn insisting(
    show: &Show,
    decision: QuarantineDecision,
    reasons: &[QuarantineReason],
) -> u128 {
    let operator = store(&show.url).operator();
    loop {
        match command(show, &operator, decision, &of(reasons)).await {
            Ok(decided) => return u128::from(decided),
            Err(DecideError::Save(SaveError::Conflict { .. })) => {}
            // Its fences came after those of somebody who was quicker.
            Err(DecideError::Save(SaveError::Fence { found, .. })) => {
                assert!(
                    found.contains("newer") || found.contains("reads back"),
                    "{found}"
                );
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn of_several_operators_at_once_each_vote_has_one_fate_and_the_sums_are_exact() {
    for round in 0..5 {
        let show = with_quarantine_on(RedisServer::start().await).await;
        let (one, two, three, four) = tokio::join!(
            insisting(&show, Release, &[DenyList]),
            insisting(&show, Release, &[DenyList, FastProof]),
            insisting(&show, Annul, &[DenyList]),
            insisting(&show, Annul, &[FastProof]),
        );
        let fates = set_aside(&show).await;
        let sum = |fate: &str| -> u128 {
            let of_it = fates.iter().filter(|(name, _)| name.starts_with(fate));
            of_it.map(|(_, votes)| votes).sum()
        };
        let (released, annulled) = (sum("released"), sum("annulled"));
        assert_eq!(sum("undecided"), 0, "{round}: {fates:?}");
        assert_eq!((one + two, three + four), (released, annulled), "{round}");
        assert_eq!(released + annulled, 90, "{round}");
        let counted = u64::try_from(30 + released).expect("small");
        assert_eq!(show.tally().await, tally_of(&[("torcida/ana", counted)]));
        passes(&show).await;
    }
}

#[tokio::test]
async fn a_second_operator_amid_the_decision_of_the_first_decides_of_the_rest() {
    let show = with_quarantine().await;
    let (poll, read) = (show.poll().await, figures(&show).await);
    // The first is as far as its first shard, and goes on from what it has read.
    let begun = decide_of(&show.operator, &poll, &read[..1], Release, &of(&[DenyList])).await;
    let begun = u128::from(begun.expect("decided"));
    let second = u128::from(decide(&show, Annul, &of(&[DenyList, FastProof])).await);
    assert_eq!(second, 90 - begun);
    let poll = show.poll().await;
    let rest = decide_of(&show.operator, &poll, &read[1..], Release, &of(&[DenyList])).await;
    assert_eq!(rest.expect("decided"), 0);
    let fates: BTreeMap<String, u128> = set_aside(&show).await;
    let annulled = fates["annulled/deny_list"] + fates["annulled/fast_proof"];
    assert_eq!((fates["released/deny_list"], annulled), (begun, second));
    passes(&show).await;
}

#[tokio::test]
async fn a_decision_amid_a_sealing_is_refused_or_in_the_result() {
    for _ in 0..5 {
        let show = with_quarantine().await;
        decide(&show, Annul, &of(&[FastProof])).await;
        let closed = show.change(Transition::Close, closes_at()).await;
        let operator = store(&show.url).operator();
        let (nobody, selection) = (BTreeSet::new(), of(&[DenyList]));
        let (sealing, decided) = tokio::join!(
            show.operator.seal(&closed, &nobody, closes_at(), "one"),
            command(&show, &operator, Release, &selection),
        );
        // Sealed it can't be before it is decided; so the decision is never the one that is refused.
        assert!(sealing.is_err(), "{sealing:?}");
        assert_eq!(decided.expect("decided"), 60);
        let sealed = show.seal(&show.poll().await, closes_at(), "two").await;
        assert_eq!(sealed.expect("sealed").standing.total_votes, Some(90));
        let figures: Vec<ShardFigures> = figures(&show).await;
        assert_eq!(
            aside(&figures),
            sums(&[("released/deny_list", 60), ("annulled/fast_proof", 30)])
        );
        passes(&show).await;
    }
}
