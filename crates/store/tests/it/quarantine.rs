//! Votes that are set aside as suspect: recorded once, answered as all others, and in no figure before somebody has decided of them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use vote_domain::{
    Fate, Minute, Poll, QuarantineDecision, QuarantineReason, QuarantineSelection, Transition,
};
use vote_store::{
    Acceptance, DecideError, Outcome, PollOperator, SaveError, SealingError, ShardFigures,
    VoteToCast,
};
use vote_testkit::{Fault, FaultProxy, RedisServer, eventually};

use crate::backup::{restored, taken};
use crate::snapshots::Reading;
use crate::support::{
    ANA, BIA, DEADLINE, Show, at, by_voter, closes_at, is_accepted, keyed, lane_config, store,
    tally_of, vote, voting_ms,
};

use QuarantineDecision::{Annul, Release};
use QuarantineReason::{DenyList, FastProof, TokenAge};

pub(crate) fn suspect(vote: VoteToCast, reason: QuarantineReason) -> VoteToCast {
    VoteToCast {
        quarantine: Some(reason),
        ..vote
    }
}

/// The same, so many minutes later.
pub(crate) fn later(vote: VoteToCast, minutes: i64) -> VoteToCast {
    VoteToCast {
        received_at_ms: vote.received_at_ms + minutes * 60_000,
        ..vote
    }
}

/// What is set aside, by `<fate>/<reason>`.
pub(crate) fn aside(figures: &[ShardFigures]) -> BTreeMap<String, u128> {
    let mut sums = BTreeMap::new();
    for shard in figures {
        for (fate, reason, votes) in shard.quarantine.rows() {
            *sums.entry(format!("{fate}/{reason}")).or_default() += votes.total();
        }
    }
    sums
}

pub(crate) fn sums(pairs: &[(&str, u128)]) -> BTreeMap<String, u128> {
    pairs
        .iter()
        .map(|(name, votes)| ((*name).to_owned(), *votes))
        .collect()
}

pub(crate) async fn figures(show: &Show) -> Vec<ShardFigures> {
    let figures = show.operator.figures(&show.poll().await).await;
    figures.expect("figures")
}

pub(crate) async fn set_aside(show: &Show) -> BTreeMap<String, u128> {
    aside(&figures(show).await)
}

pub(crate) async fn passes(show: &Show) {
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    assert!(show.counts_its_batches().await);
}

pub(crate) fn of(reasons: &[QuarantineReason]) -> QuarantineSelection {
    QuarantineSelection {
        reasons: reasons.iter().copied().collect(),
        ..QuarantineSelection::default()
    }
}

/// As `votectl quarantine` does, of a poll and figures that were read before.
pub(crate) async fn decide_of(
    operator: &PollOperator,
    poll: &Poll,
    figures: &[ShardFigures],
    decision: QuarantineDecision,
    selection: &QuarantineSelection,
) -> Result<u64, DecideError> {
    let next = poll
        .decide_quarantine(decision, selection, 0, closes_at(), "test")
        .expect("legal");
    let decided = operator
        .decide_quarantine(&next, poll.revision, decision, selection, figures)
        .await;
    decided.map(|(votes, _)| votes)
}

pub(crate) async fn decide(
    show: &Show,
    decision: QuarantineDecision,
    selection: &QuarantineSelection,
) -> u64 {
    let (poll, figures) = (show.poll().await, figures(show).await);
    decide_of(&show.operator, &poll, &figures, decision, selection)
        .await
        .expect("decided")
}

#[tokio::test]
async fn a_vote_that_is_set_aside_is_accepted_like_any_other_and_in_no_figure() {
    let show = Show::open_on(RedisServer::start().await, 4).await;
    let voting = show.voting().await;
    let reading = Reading::start(&show.url);
    let outcomes = join_all((0..400).map(|n| {
        let key = format!("k{n}");
        voting.cast(match n % 4 {
            0 => suspect(keyed(ANA, &key), DenyList),
            1 => suspect(vote(ANA), FastProof),
            2 => keyed(ANA, &key),
            _ => vote(BIA),
        })
    }))
    .await;
    assert!(outcomes.iter().all(is_accepted));
    for outcome in &outcomes[..4] {
        let Outcome::Accepted(Acceptance { place, .. }) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(show.proves(*place).await);
    }
    assert_eq!(
        show.tally().await,
        tally_of(&[("torcida/ana", 100), ("torcida/bia", 100)])
    );
    assert_eq!(
        set_aside(&show).await,
        sums(&[("undecided/deny_list", 100), ("undecided/fast_proof", 100)])
    );
    passes(&show).await;
    let audit = show.audit().await;
    let ledger: u128 = audit.shards.iter().map(|shard| shard.ledger).sum();
    let undecided: u128 = audit.shards.iter().map(|shard| shard.undecided).sum();
    assert_eq!((audit.total, ledger, undecided), (200, 400, 200));

    // Nor for readers, who see no disagreement either.
    let snapshot = reading.total(200).await.snapshot;
    assert_eq!(snapshot.minutes.total(), 200);
    assert_eq!(snapshot.late.total(), 0);
    let all = eventually(DEADLINE, || async {
        let snapshot = reading.poll()?.snapshot;
        (snapshot.quarantine.total(Fate::Undecided) == 200).then_some(snapshot)
    })
    .await;
    assert_eq!((all.tally.total(), all.ledger_total()), (200, 400));
    assert_eq!(reading.count("vote_snapshot_disagreements_total"), 0);
}

#[tokio::test]
async fn a_vote_that_is_sent_again_and_judged_otherwise_is_the_same_vote() {
    let show = Show::open().await;
    let (one, other) = (show.voting().await, show.voting().await);
    assert!(is_accepted(
        &one.cast(suspect(keyed(ANA, "k1"), DenyList)).await
    ));
    assert!(is_accepted(&one.cast(keyed(ANA, "k2")).await));
    for voting in [&one, &other] {
        for again in [
            keyed(ANA, "k1"),
            suspect(keyed(ANA, "k1"), FastProof),
            suspect(keyed(ANA, "k2"), DenyList),
        ] {
            let outcome = voting.cast(again).await;
            assert!(
                matches!(outcome, Outcome::Duplicate(Some(_))),
                "{outcome:?}"
            );
        }
        let outcome = voting.cast(suspect(keyed(BIA, "k2"), DenyList)).await;
        assert!(matches!(outcome, Outcome::Mismatch), "{outcome:?}");
    }
    // Of one batch, too.
    let outcomes = join_all((0..300).map(|n| {
        let vote = keyed(BIA, &format!("b{}", n % 100));
        one.cast(if n % 3 == 1 {
            suspect(vote, DenyList)
        } else {
            vote
        })
    }))
    .await;
    let accepted = outcomes.iter().filter(|outcome| is_accepted(outcome));
    assert_eq!(accepted.count(), 100);
    let counted = show.tally().await;
    let aside = set_aside(&show).await["undecided/deny_list"];
    let bia = counted.get("torcida/bia").copied().unwrap_or(0);
    assert_eq!((counted["torcida/ana"], u128::from(bia) + aside), (1, 101));
    passes(&show).await;
}

#[tokio::test]
async fn a_voters_limit_counts_what_is_set_aside() {
    let show = Show::open().await;
    let voting = show.voting().await;
    assert!(is_accepted(
        &voting.cast(suspect(by_voter(ANA, "maria"), TokenAge)).await
    ));
    assert!(is_accepted(&voting.cast(by_voter(BIA, "maria")).await));
    for vote in [
        by_voter(ANA, "maria"),
        suspect(by_voter(ANA, "maria"), TokenAge),
    ] {
        assert!(matches!(voting.cast(vote).await, Outcome::LimitReached));
    }
    assert_eq!(show.tally().await, tally_of(&[("unico/bia", 1)]));
    assert_eq!(set_aside(&show).await, sums(&[("undecided/token_age", 1)]));
    passes(&show).await;
}

#[tokio::test]
async fn a_vote_that_is_set_aside_is_recorded_once_whatever_is_cut() {
    for fault in [Fault::CutBeforeRequest, Fault::CutBeforeReply] {
        let show = Show::open().await;
        let proxy = FaultProxy::start(show.redis.port()).await;
        proxy.only(["EVALSHA"]);
        let voting = show.voting_with(&proxy.url(), lane_config()).await;
        for n in 0..20 {
            proxy.next(fault);
            let vote = suspect(keyed(ANA, &format!("k{n}")), DenyList);
            assert!(is_accepted(&voting.cast(vote).await), "{fault:?}");
            proxy.next(fault);
            let vote = suspect(crate::support::vote(BIA), FastProof);
            assert!(is_accepted(&voting.cast(vote).await));
        }
        assert_eq!(show.tally().await, tally_of(&[]));
        assert_eq!(
            set_aside(&show).await,
            sums(&[("undecided/deny_list", 20), ("undecided/fast_proof", 20)])
        );
        passes(&show).await;
    }
}

#[tokio::test]
async fn a_suspect_vote_that_is_late_is_late() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let late = |vote: VoteToCast| VoteToCast {
        received_at_ms: closes_at().as_millisecond() + 1,
        ..vote
    };
    let outcomes = join_all((0..60).map(|n| {
        voting.cast(match n % 3 {
            0 => late(vote(ANA)),
            1 => late(suspect(vote(ANA), DenyList)),
            _ => late(suspect(vote(BIA), FastProof)),
        })
    }))
    .await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Refused(_)))
    );
    let shard = figures(&show).await.remove(0);
    assert_eq!((shard.late.get(0, 0), shard.late.get(0, 1)), (40, 20));
    assert!(shard.quarantine.is_empty());
    passes(&show).await;
}

/// A poll with votes of three minutes and two reasons, on two shards.
pub(crate) async fn with_quarantine() -> Show {
    with_quarantine_on(RedisServer::start().await).await
}

pub(crate) async fn with_quarantine_on(redis: RedisServer) -> Show {
    let show = Show::open_on(redis, 2).await;
    let voting = show.voting().await;
    let outcomes = join_all((0..120).map(|n| {
        let vote = later(keyed(ANA, &format!("k{n}")), n % 3);
        voting.cast(match n % 4 {
            0 => vote,
            1 => suspect(vote, FastProof),
            _ => suspect(vote, DenyList),
        })
    }))
    .await;
    assert!(outcomes.iter().all(is_accepted));
    voting.writer.drain(DEADLINE).await;
    show
}

fn minute(minutes: i64) -> Minute {
    let minute = Minute::from_since_epoch(voting_ms().div_euclid(60_000) + minutes);
    minute.expect("a minute")
}

#[tokio::test]
async fn what_is_released_counts_in_its_own_minute_and_once() {
    let show = with_quarantine().await;
    let reading = Reading::start(&show.url);
    let before = reading.total(30).await.snapshot;
    let window = QuarantineSelection {
        from: Some(minute(1)),
        until: Some(minute(2)),
        ..of(&[DenyList])
    };
    assert_eq!(decide(&show, Release, &window).await, 20);
    passes(&show).await;
    assert_eq!(
        set_aside(&show).await,
        sums(&[
            ("undecided/deny_list", 40),
            ("undecided/fast_proof", 30),
            ("released/deny_list", 20)
        ])
    );
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 50)]));
    // Readers see them in that minute, at another revision.
    let after = reading.total(50).await.snapshot;
    let of_minute = |minutes| {
        after
            .minutes
            .get(minute(minutes))
            .map(|votes| votes.total())
    };
    assert_eq!([0, 1, 2].map(of_minute), [Some(10), Some(30), Some(10)]);
    assert!(after.revision > before.revision);
    assert_eq!(reading.count("vote_snapshot_disagreements_total"), 0);

    // Again, there is nothing left; and other reasons and minutes were let be.
    assert_eq!(decide(&show, Release, &window).await, 0);
    assert_eq!(decide(&show, Annul, &window).await, 0);
    assert_eq!(decide(&show, Annul, &of(&[DenyList, FastProof])).await, 70);
    assert_eq!(
        set_aside(&show).await,
        sums(&[
            ("released/deny_list", 20),
            ("annulled/deny_list", 40),
            ("annulled/fast_proof", 30)
        ])
    );
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 50)]));
    passes(&show).await;
    let log = show.poll().await.log;
    let actions: Vec<&str> = log.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions.last(), Some(&"quarantine-annul"));
}

#[tokio::test]
async fn a_decision_that_was_cut_off_is_completed_and_counts_nothing_twice() {
    for fault in [Fault::CutBeforeRequest, Fault::CutBeforeReply] {
        let show = with_quarantine().await;
        let proxy = FaultProxy::start(show.redis.port()).await;
        let operator = store(&proxy.url()).operator();
        let (poll, figures) = (show.poll().await, figures(&show).await);
        // Only the first shard's decision comes through, as where the program is killed after it.
        let decided = decide_of(&operator, &poll, &figures[..1], Release, &of(&[DenyList])).await;
        let first = decided.expect("decided");
        assert!(first > 0);
        let poll = show.poll().await;
        proxy.only(["EVALSHA"]);
        // The document, two fences, and then the votes.
        proxy.schedule([Fault::Pass, Fault::Pass, Fault::Pass, fault]);
        let cut = decide_of(&operator, &poll, &figures, Release, &of(&[DenyList])).await;
        assert!(cut.is_err(), "{cut:?}");
        let rest = decide(&show, Release, &of(&[DenyList])).await;
        let all = first + rest;
        // What was decided by the attempt whose reply was lost is in no count, and in the figures.
        assert!(all <= 60, "{all}");
        assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 90)]));
        assert_eq!(
            set_aside(&show).await,
            sums(&[("undecided/fast_proof", 30), ("released/deny_list", 60)])
        );
        passes(&show).await;
    }
}

#[tokio::test]
async fn of_two_operators_each_vote_is_decided_by_one() {
    let show = with_quarantine().await;
    let (poll, figures) = (show.poll().await, figures(&show).await);
    // From the same revision only one of them begins.
    let selection = of(&[DenyList]);
    let one = decide_of(&show.operator, &poll, &figures, Release, &selection);
    let other = decide_of(&show.operator, &poll, &figures, Annul, &selection);
    let (one, other) = tokio::join!(one, other);
    let refused = [&one, &other]
        .into_iter()
        .filter(|it| matches!(it, Err(DecideError::Save(SaveError::Conflict { .. }))));
    assert_eq!(refused.count(), 1, "{one:?} {other:?}");
    let decided = one.or(other).expect("one of them");
    assert_eq!(decided, 60);
    passes(&show).await;

    // Of what was read before the other had decided, nothing is left.
    let poll = show.poll().await;
    let decided = decide_of(&show.operator, &poll, &figures, Annul, &selection).await;
    assert_eq!(decided.expect("it is legal"), 0);
    let sum: u128 = set_aside(&show).await.values().sum();
    assert_eq!(sum, 90);
    passes(&show).await;
}

#[tokio::test]
async fn nothing_is_sealed_before_it_is_decided_and_the_result_accounts_for_all() {
    let show = with_quarantine().await;
    let closed = show.change(Transition::Close, closes_at()).await;
    match show.seal(&closed, closes_at(), "test").await {
        Err(SealingError::Undecided(votes)) => assert_eq!(votes, 90),
        other => panic!("{other:?}"),
    }
    decide(&show, Release, &of(&[FastProof])).await;
    decide(&show, Annul, &of(&[DenyList])).await;
    let closed = show.poll().await;
    let sealed = show
        .seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    assert_eq!(sealed.verify(), Ok(()));
    assert_eq!(sealed.standing.total_votes, Some(60));
    let outside: u128 = sealed
        .shards
        .iter()
        .map(|shard| shard.quarantine.outside())
        .sum();
    let ledger: u128 = sealed.shards.iter().map(|shard| shard.ledger_total()).sum();
    assert_eq!((outside, ledger), (60, 120));
    passes(&show).await;

    // It is over for good.
    let poll = show.poll().await;
    assert!(
        poll.decide_quarantine(Release, &of(&[DenyList]), 0, closes_at(), "test")
            .is_err()
    );
    assert!(
        sealed
            .poll
            .log
            .iter()
            .any(|entry| entry.action == "quarantine-release")
    );
}

#[tokio::test]
async fn a_shard_without_a_fence_or_with_a_sealed_one_lets_nobody_decide() {
    const CODE: &str = include_str!("../../src/lua/decide_quarantine.lua");
    let show = with_quarantine().await;
    let before = figures(&show).await;
    let key = |name: &str| format!("vote:{{paredao-01/0}}:{name}");
    let minute = voting_ms().div_euclid(60_000);
    let mut redis = show.redis.connection().await;
    for (state, says) in [
        (Some("void"), "void"),
        (Some("sealed"), "sealed"),
        (None, "absent"),
    ] {
        match state {
            Some(state) => redis::Cmd::hset(key("state"), "state", state),
            None => redis::Cmd::del(key("state")),
        }
        .exec_async(&mut redis)
        .await
        .expect("done");
        let script = redis::Script::new(CODE);
        let mut call = script.key(key("state"));
        for name in ["tally", "writers", "ended", "quarantine"] {
            call.key(key(name));
        }
        call.key(key(&format!("quarantine:{minute}")));
        call.key(key(&format!("minutes:{minute}")));
        call.arg("0101010101010101")
            .arg("released")
            .arg("deny_list");
        let said: String = call.invoke_async(&mut redis).await.expect("an answer");
        assert_eq!(said, says);
    }
    let after = figures(&show).await;
    assert_eq!(after[0].quarantine, before[0].quarantine);
    assert_eq!(after[0].writers, before[0].writers);
}

#[tokio::test]
async fn a_backup_has_what_is_set_aside_and_what_was_decided() {
    let show = with_quarantine().await;
    decide(&show, Release, &of(&[FastProof])).await;
    let window = QuarantineSelection {
        until: Some(minute(1)),
        ..of(&[DenyList])
    };
    decide(&show, Annul, &window).await;
    let backup = taken(&show).await;
    let elsewhere = RedisServer::start().await;
    let there = store(&elsewhere.url()).operator();
    let audit = restored(&there, &backup).await;
    assert_eq!(audit.shards, show.audit().await.shards);
    let poll = there
        .get(&show.id)
        .await
        .expect("answers")
        .expect("it is there");
    let moved = there.figures(&poll).await.expect("figures");
    assert_eq!(aside(&moved), set_aside(&show).await);
    // What is undecided can be decided there.
    let decided = decide_of(&there, &poll, &moved, Release, &of(&[DenyList])).await;
    assert_eq!(decided.expect("decided"), 40);
    let audit = there
        .audit(&show.id)
        .await
        .expect("answers")
        .expect("it is there");
    assert!(audit.passed, "{:?}", audit.differences);
    assert_eq!(audit.total, 100);
}

#[tokio::test]
async fn votes_without_suspicion_leave_no_trace_of_it() {
    let show = Show::open().await;
    let voting = show.voting().await;
    join_all((0..50).map(|n| voting.cast(keyed(ANA, &format!("k{n}"))))).await;
    let mut redis = show.redis.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*quarantine*")
        .query_async(&mut redis)
        .await
        .expect("keys");
    assert_eq!(keys, [""; 0]);
    let backup = taken(&show).await.to_json().expect("JSON");
    assert!(!backup.contains("quarantine"));
    let closed = show
        .change(Transition::Close, at("2025-11-26T02:00:00Z"))
        .await;
    voting.writer.drain(DEADLINE).await;
    let sealed = show
        .operator
        .seal(&closed, &BTreeSet::new(), closes_at(), "test")
        .await
        .expect("sealed");
    let json = serde_json::to_string(&sealed).expect("JSON");
    assert!(!json.contains("quarantine"));
}
