//! Accepted votes that Redis has forgotten when a process ends: left behind in a spill, and recorded after all.

use std::time::Duration;

use jiff::Timestamp;
use vote_domain::{Poll, Transition};
use vote_store::{
    Ended, LaneConfig, Outcome, PollOperator, ReplayError, ReplayReport, WrittenSpill,
};
use vote_testkit::{RedisServer, eventually};

use crate::support::{
    ANA, BIA, DEADLINE, Show, Voting, at, by_voter, closes_at, is_accepted, keyed, lane_config,
    repeated, tally_of, vote,
};

/// Long enough for a lane that can end, short enough for one that can't.
const SHORT: Duration = Duration::from_millis(300);

/// When what was left is recorded: in the key window of the votes.
fn soon() -> Timestamp {
    at("2025-11-24T01:02:10Z")
}

async fn forget_all(show: &Show) {
    let mut redis = show.redis.connection().await;
    redis::cmd("FLUSHALL")
        .exec_async(&mut redis)
        .await
        .expect("flushed");
}

/// Makes the process find out that Redis has forgotten `votes`, and ends it.
async fn end_after_loss(voting: &Voting, votes: u32) -> Ended {
    eventually(DEADLINE, || async {
        let missing = voting.metric("vote_missing_votes");
        if (missing - f64::from(votes)).abs() < 0.5 {
            Ok(())
        } else {
            Err(format!("{missing} of {votes} are said to be missing"))
        }
    })
    .await;
    voting.writer.drain(SHORT).await
}

/// What its file holds.
fn written(ended: &Ended) -> WrittenSpill {
    let mut bytes = Vec::new();
    let spill = &ended.left_behind;
    spill.write(&mut bytes, soon(), "test").expect("written");
    let read = WrittenSpill::parse(&bytes).expect("a whole file");
    assert_eq!(&read.spill, spill);
    read
}

/// Replays all of it; the sums of all lanes.
async fn replay(operator: &PollOperator, file: &WrittenSpill) -> Result<ReplayReport, ReplayError> {
    let mut sum = ReplayReport::default();
    for lane in file.spill.lanes() {
        let plan = operator.plan_replay(&file.spill, lane, soon()).await?;
        let mut batches = 0;
        let sent = || batches += 1;
        let (report, _written) = operator.replay(&file.spill, lane, soon(), sent).await?;
        assert_eq!(batches, lane.batches());
        assert_eq!(plan.present, report.present, "{plan:?} {report:?}");
        assert_eq!(
            plan.recorded,
            report.recorded + report.repeated + report.refused,
            "{plan:?} {report:?}"
        );
        sum.present += report.present;
        sum.recorded += report.recorded;
        sum.repeated += report.repeated;
        sum.refused += report.refused;
        sum.unknown += report.unknown;
    }
    Ok(sum)
}

fn recorded(votes: u64) -> ReplayReport {
    ReplayReport {
        recorded: votes,
        ..ReplayReport::default()
    }
}

fn present(votes: u64) -> ReplayReport {
    ReplayReport {
        present: votes,
        ..ReplayReport::default()
    }
}

/// The same poll again, as `votectl import` or `poll apply` bring it back.
async fn bring_back(show: &Show, poll: &Poll) {
    show.operator.save(poll, 0).await.expect("saved");
}

/// Closes and seals, with nobody abandoned: the writers of the spill are marked as ended.
async fn seal(show: &Show) {
    show.change(Transition::Close, closes_at()).await;
    let closed = show.poll().await;
    let sealed = show.seal(&closed, closes_at(), "test").await;
    sealed.expect("sealed");
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_process_that_ends_in_order_leaves_nothing_behind() {
    let show = Show::open().await;
    let voting = show.voting().await;
    assert!(is_accepted(&voting.cast(keyed(ANA, "k")).await));
    let ended = voting.writer.drain(DEADLINE).await;
    assert!(ended.in_time && ended.left_behind.is_empty());
    assert!(voting.metric("vote_spilled_votes_total") < 0.5);
}

#[tokio::test]
async fn what_redis_forgot_with_its_fences_is_left_behind_and_recorded_once() {
    let show = Show::open().await;
    let poll = show.poll().await;
    let voting = show.voting().await;
    for n in 0..5 {
        assert!(is_accepted(&voting.cast(vote(BIA)).await));
        assert!(is_accepted(
            &voting.cast(keyed(ANA, &format!("k{n}"))).await
        ));
        assert!(is_accepted(
            &voting.cast(by_voter(ANA, &format!("v{n}"))).await
        ));
    }
    let receipt = repeated(&voting.cast(keyed(ANA, "k3")).await);
    assert!(matches!(
        voting.cast(keyed(BIA, "k3")).await,
        Outcome::Mismatch
    ));
    forget_all(&show).await;
    let ended = end_after_loss(&voting, 15).await;
    assert!(!ended.in_time);
    assert_eq!(ended.left_behind.votes(), 15);
    assert!(ended.left_behind.lanes()[0].is_certain());
    assert!((voting.metric("vote_spilled_votes_total") - 15.0).abs() < 0.5);
    assert!(voting.metric("vote_unrecoverable_votes_total") < 0.5);

    let file = written(&ended);
    assert_eq!(
        replay(&show.operator, &file).await,
        Err(ReplayError::NoPoll)
    );
    bring_back(&show, &poll).await;
    assert_eq!(replay(&show.operator, &file).await, Ok(recorded(15)));
    let all = tally_of(&[("torcida/ana", 5), ("torcida/bia", 5), ("unico/ana", 5)]);
    assert_eq!(show.tally().await, all);
    assert!(show.proves(receipt).await);
    assert_eq!(replay(&show.operator, &file).await, Ok(present(15)));
    assert_eq!(show.tally().await, all);

    // Keys and voters are known again.
    let other = show.voting().await;
    assert!(matches!(
        other.cast(keyed(ANA, "k1")).await,
        Outcome::Duplicate(_)
    ));
    assert!(is_accepted(&other.cast(by_voter(ANA, "v1")).await));
    assert!(matches!(
        other.cast(by_voter(ANA, "v1")).await,
        Outcome::LimitReached
    ));
    other.writer.drain(DEADLINE).await;
    seal(&show).await;
    assert_eq!(replay(&show.operator, &file).await, Ok(present(15)));
}

#[tokio::test]
async fn a_lane_that_could_not_start_over_leaves_what_it_had_retained_and_counts_the_rest() {
    let show = Show::open().await;
    let poll = show.poll().await;
    // Room for about three batches.
    let config = LaneConfig {
        replay_window_bytes: 400,
        ..lane_config()
    };
    let voting = show.voting_with(&show.redis.url(), config).await;
    for n in 0..9 {
        assert!(is_accepted(
            &voting.cast(keyed(BIA, &format!("k{n}"))).await
        ));
    }
    forget_all(&show).await;
    eventually(DEADLINE, || async {
        voting.metric("vote_missing_votes") > 0.5
    })
    .await;
    let ended = voting.writer.drain(SHORT).await;
    let file = written(&ended);
    let left = file.spill.votes();
    let lost = voting.metric("vote_unrecoverable_votes_total");
    let left_f64 = f64::from(u32::try_from(left).expect("small"));
    assert!(left > 0 && lost > 0.5, "{left} left, {lost} lost");
    assert!(
        (left_f64 + lost - 9.0).abs() < 0.5,
        "{left} left, {lost} lost"
    );

    bring_back(&show, &poll).await;
    for expected in [recorded(left), present(left), present(left)] {
        assert_eq!(replay(&show.operator, &file).await, Ok(expected));
        assert_eq!(show.tally().await, tally_of(&[("torcida/bia", left)]));
    }
    assert!(show.audit().await.passed);
    seal(&show).await;
}

#[tokio::test]
async fn a_backup_that_brings_the_writer_back_is_gone_on_from_and_not_counted_beside() {
    let show = Show::open().await;
    let voting = show.voting().await;
    for _ in 0..4 {
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
    }
    let taken = show.operator.backup(&show.id, soon(), "test", "test");
    let backup = taken.await.expect("read").expect("there");
    for n in 0..3 {
        assert!(is_accepted(
            &voting.cast(keyed(BIA, &format!("k{n}"))).await
        ));
    }
    forget_all(&show).await;
    let file = written(&end_after_loss(&voting, 7).await);
    let restored = show.operator.restore(&backup, soon(), "test", |_| {});
    restored.await.expect("restored");
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 4)]));
    let report = ReplayReport {
        present: 4,
        ..recorded(3)
    };
    assert_eq!(replay(&show.operator, &file).await, Ok(report));
    assert_eq!(replay(&show.operator, &file).await, Ok(present(7)));
    let all = tally_of(&[("torcida/ana", 4), ("torcida/bia", 3)]);
    assert_eq!(show.tally().await, all);
    seal(&show).await;
}

#[tokio::test]
async fn what_may_be_in_an_unreachable_redis_is_left_behind_and_not_counted_twice() {
    let mut show = Show::open_on(RedisServer::start_lasting().await, 2).await;
    let voting = show.voting().await;
    for n in 0..6 {
        assert!(is_accepted(
            &voting.cast(keyed(ANA, &format!("k{n}"))).await
        ));
    }
    show.redis.stop().await;
    let ended = voting.writer.drain(SHORT).await;
    let file = written(&ended);
    assert_eq!(file.spill.votes(), 6);
    assert!(file.spill.lanes().iter().all(|lane| !lane.is_certain()));
    let away = replay(&show.operator, &file).await;
    assert!(matches!(away, Err(ReplayError::Redis(_))), "{away:?}");
    show.redis.restart().await;
    let report = eventually(DEADLINE, || async { replay(&show.operator, &file).await }).await;
    assert_eq!(report, present(6));
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 6)]));
    seal(&show).await;
}

#[tokio::test]
async fn keys_and_limits_that_were_used_meanwhile_are_respected_and_told() {
    let show = Show::open().await;
    let poll = show.poll().await;
    let voting = show.voting().await;
    for n in 0..3 {
        assert!(is_accepted(
            &voting.cast(keyed(ANA, &format!("k{n}"))).await
        ));
    }
    assert!(is_accepted(&voting.cast(by_voter(ANA, "v")).await));
    forget_all(&show).await;
    let file = written(&end_after_loss(&voting, 4).await);
    bring_back(&show, &poll).await;
    let other = show.voting().await;
    assert!(is_accepted(&other.cast(keyed(ANA, "k0")).await));
    assert!(is_accepted(&other.cast(keyed(BIA, "k1")).await));
    for _ in 0..2 {
        assert!(is_accepted(&other.cast(by_voter(BIA, "v")).await));
    }
    let report = ReplayReport {
        recorded: 1,
        repeated: 1,
        refused: 2,
        ..ReplayReport::default()
    };
    assert_eq!(replay(&show.operator, &file).await, Ok(report));
    assert_eq!(
        show.tally().await,
        tally_of(&[("torcida/ana", 2), ("torcida/bia", 1), ("unico/bia", 2)])
    );
    other.writer.drain(DEADLINE).await;
    seal(&show).await;
}

#[tokio::test]
async fn nothing_is_recorded_where_the_poll_takes_nothing_and_the_reason_is_said() {
    let show = Show::open().await;
    let poll = show.poll().await;
    let voting = show.voting().await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    forget_all(&show).await;
    let file = written(&end_after_loss(&voting, 1).await);
    bring_back(&show, &poll).await;
    let mut redis = show.redis.connection().await;
    let fence = "vote:{paredao-01/0}:state";
    redis::cmd("DEL")
        .arg(fence)
        .exec_async(&mut redis)
        .await
        .expect("gone");
    let replayed = async || replay(&show.operator, &file).await;
    assert_eq!(replayed().await, Err(ReplayError::NoFence(0)));
    for (state, reason) in [
        ("sealed", ReplayError::Over("sealed")),
        ("void", ReplayError::Over("void")),
        (
            "draft",
            ReplayError::NotOpen {
                shard: 0,
                state: "draft".to_owned(),
            },
        ),
    ] {
        let fields = [
            ("state", state),
            ("opens_at", "0"),
            ("closes_at", "1"),
            ("revision", "1"),
        ];
        redis::cmd("HSET")
            .arg(fence)
            .arg(&fields)
            .exec_async(&mut redis)
            .await
            .expect("set");
        assert_eq!(replayed().await, Err(reason));
    }
    assert_eq!(show.tally().await, tally_of(&[]));
}

#[tokio::test]
async fn a_paused_and_a_closed_poll_take_what_was_accepted() {
    for transition in [Transition::Pause, Transition::Close] {
        let show = Show::open().await;
        let voting = show.voting().await;
        assert!(is_accepted(&voting.cast(vote(ANA)).await));
        let changed = show.change(transition, closes_at()).await;
        forget_all(&show).await;
        let file = written(&end_after_loss(&voting, 1).await);
        bring_back(&show, &changed).await;
        assert_eq!(replay(&show.operator, &file).await, Ok(recorded(1)));
        assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 1)]));
    }
}
