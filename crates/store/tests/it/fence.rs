//! When a poll takes votes, to the millisecond.

use std::time::Duration;

use futures_util::future::join_all;
use vote_domain::{Refusal, Transition};
use vote_store::{LaneConfig, Outcome, VoteToCast};
use vote_testkit::eventually;

use crate::support::{
    ANA, DEADLINE, Show, at, closes_at, is_accepted, keyed, lane_config, repeated, tally_of, vote,
    voting_ms,
};

#[tokio::test]
async fn the_closing_instant_belongs_to_the_late() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let closes_ms = closes_at().as_millisecond();
    let at = |received_at_ms| {
        voting.cast(VoteToCast {
            received_at_ms,
            ..vote(ANA)
        })
    };
    let outcomes = join_all([at(closes_ms - 1), at(closes_ms), at(closes_ms + 1)]).await;
    assert!(is_accepted(&outcomes[0]));
    assert!(matches!(outcomes[1], Outcome::Refused(Refusal::Closed)));
    assert!(matches!(outcomes[2], Outcome::Refused(Refusal::Closed)));
    let audit = show.audit().await;
    assert_eq!((audit.total, audit.late), (1, 2));
    assert!(audit.passed, "{:?}", audit.differences);
}

/// Not refused, which would be final: nobody knows.
#[tokio::test]
async fn a_vote_on_a_shard_that_was_forgotten_is_not_recorded_and_leaves_nothing() {
    let show = Show::open().await;
    let config = LaneConfig {
        accept_timeout: Duration::from_millis(300),
        ..lane_config()
    };
    let voting = show.voting_with(&show.redis.url(), config).await;
    let mut redis = show.redis.connection().await;
    redis::cmd("DEL")
        .arg("vote:{paredao-01/0}:state")
        .exec_async(&mut redis)
        .await
        .expect("forgotten");
    for vote in [vote(ANA), keyed(ANA, "k")] {
        let outcome = voting.cast(vote).await;
        assert!(matches!(outcome, Outcome::NotRecorded), "{outcome:?}");
    }
    let left: Vec<String> = redis::cmd("KEYS")
        .arg("vote:{paredao-01/0}:*")
        .query_async(&mut redis)
        .await
        .expect("keys");
    assert!(left.is_empty(), "{left:?}");
    show.operator
        .fence(&show.poll().await)
        .await
        .expect("fenced again");
    eventually(DEADLINE, || async {
        is_accepted(&voting.cast(keyed(ANA, "k")).await)
    })
    .await;
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 1)]));
}

#[tokio::test]
async fn a_batch_that_spans_a_closing_brought_forward_is_parted_exactly() {
    let show = Show::open().await;
    // Never told of the change: only the fence knows.
    let voting = show.voting_with(&show.redis.url(), lane_config()).await;
    let closed_at = at("2025-11-24T01:02:30Z");
    let poll = voting.poll();
    show.change(Transition::Close, closed_at).await;
    let closed_ms = closed_at.as_millisecond();
    let votes = (-50..50).map(|offset| {
        let received_at_ms = closed_ms + offset;
        poll.cast(VoteToCast {
            received_at_ms,
            ..keyed(ANA, &format!("k{offset}"))
        })
    });
    let outcomes = join_all(votes).await;
    for (index, outcome) in outcomes.iter().enumerate() {
        assert_eq!(is_accepted(outcome), index < 50, "{index}: {outcome:?}");
    }
    let audit = show.audit().await;
    assert_eq!((audit.total, audit.late), (50, 50));
    assert!(audit.passed, "{:?}", audit.differences);
}

#[tokio::test]
async fn a_poll_that_takes_no_votes_still_knows_the_keys_it_has_recorded() {
    let show = Show::open().await;
    let voting = show.voting().await;
    assert!(is_accepted(&voting.cast(keyed(ANA, "k1")).await));
    let paused = show.change(Transition::Pause, opens(5)).await;
    voting.sees(paused.revision).await;
    let place = repeated(&voting.cast(keyed(ANA, "k1")).await);
    assert!(show.proves(place).await, "a refused batch is on record too");
    assert!(matches!(
        voting.cast(keyed(ANA, "k2")).await,
        Outcome::Refused(Refusal::Paused)
    ));
    assert!(matches!(
        voting.cast(vote(ANA)).await,
        Outcome::Refused(Refusal::Paused)
    ));
    let resumed = show.change(Transition::Resume, opens(6)).await;
    voting.sees(resumed.revision).await;
    assert!(is_accepted(&voting.cast(keyed(ANA, "k2")).await));
    let late = VoteToCast {
        received_at_ms: closes_at().as_millisecond(),
        ..keyed(ANA, "k1")
    };
    // Its window is long gone by then, so it is late; a retry right after closing is not.
    assert!(matches!(
        voting.cast(late).await,
        Outcome::Refused(Refusal::Closed)
    ));
    let closed = show
        .change(Transition::Close, at("2025-11-24T01:02:04Z"))
        .await;
    voting.sees(closed.revision).await;
    let retry = VoteToCast {
        received_at_ms: voting_ms() + 2_000,
        ..keyed(ANA, "k1")
    };
    let place = repeated(&voting.cast(retry).await);
    assert!(show.proves(place).await, "and so is a late one");
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 2)]));
}

#[tokio::test]
async fn a_repeat_to_a_poll_that_is_void_or_sealed_has_nothing_to_prove_it_by() {
    for state in ["void", "sealed"] {
        let show = Show::open().await;
        let voting = show.voting().await;
        assert!(is_accepted(&voting.cast(keyed(ANA, "k1")).await));
        // The fence alone: the process has seen nothing of it yet.
        redis::cmd("HSET")
            .arg("vote:{paredao-01/0}:state")
            .arg(&["state", state])
            .exec_async(&mut show.redis.connection().await)
            .await
            .expect("written");
        let repeat = voting.cast(keyed(ANA, "k1")).await;
        assert!(
            matches!(repeat, Outcome::Duplicate(None)),
            "{state}: {repeat:?}"
        );
    }
}

#[tokio::test]
async fn a_sealed_poll_is_not_written_to_any_more() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let poll = voting.poll();
    voting.cast(vote(ANA)).await;
    let closed = show.change(Transition::Close, closes_at()).await;
    show.seal(&closed, closes_at(), "test")
        .await
        .expect("sealed");
    let mut redis = show.redis.connection().await;
    let dump = |mut redis: redis::aio::MultiplexedConnection| async move {
        let mut values = Vec::new();
        for key in ["tally", "writers", "late", "state", "replies"] {
            let value: Option<Vec<u8>> = redis::cmd("DUMP")
                .arg(format!("vote:{{paredao-01/0}}:{key}"))
                .query_async(&mut redis)
                .await
                .expect("an answer");
            values.push(value);
        }
        values
    };
    let before = dump(redis.clone()).await;
    for _ in 0..20 {
        // The lane may have ended with the poll; what it still carries is refused by the fence.
        let outcome =
            tokio::time::timeout(std::time::Duration::from_secs(20), poll.cast(vote(ANA)))
                .await
                .expect("an outcome");
        assert!(!is_accepted(&outcome), "{outcome:?}");
    }
    assert_eq!(dump(redis.clone()).await, before);
    let late: u64 = redis::cmd("HLEN")
        .arg("vote:{paredao-01/0}:late")
        .query_async(&mut redis)
        .await
        .expect("an answer");
    assert_eq!(late, 0);
}

fn opens(minute: i8) -> jiff::Timestamp {
    at(&format!("2025-11-24T00:{minute:02}:00Z"))
}

#[tokio::test]
async fn an_extension_that_this_process_has_not_seen_yet_holds_for_its_votes() {
    let show = Show::open().await;
    let voting = show.voting().await;
    // As it was before the extension.
    let poll = voting.poll();
    let before = show.poll().await;
    let next = before
        .extend(at("2025-11-26T03:00:00Z"), opens(1), "test")
        .expect("legal");
    show.operator
        .save(&next, before.revision)
        .await
        .expect("saved");
    let received_at_ms = closes_at().as_millisecond() + 1;
    let outcome = poll
        .cast(VoteToCast {
            received_at_ms,
            ..vote(ANA)
        })
        .await;
    assert!(is_accepted(&outcome), "{outcome:?}");
    let audit = show.audit().await;
    assert_eq!((audit.total, audit.late), (1, 0));
}
