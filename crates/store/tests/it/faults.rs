//! Connections that break at the worst moment: a batch whose reply is lost is counted once.

use std::time::Duration;

use futures_util::future::join_all;
use vote_store::Outcome;
use vote_testkit::{Fault, FaultProxy, RandomFaults, eventually};

use crate::support::{ANA, BIA, DEADLINE, Show, is_accepted, keyed, lane_config, tally_of, vote};

const CUTS: [Fault; 4] = [
    Fault::CutBeforeRequest,
    Fault::CutMidRequest,
    Fault::CutBeforeReply,
    Fault::CutMidReply,
];

#[tokio::test]
async fn a_vote_survives_each_cut_in_each_order() {
    let show = Show::open().await;
    let proxy = FaultProxy::start(show.redis.port()).await;
    proxy.only(["EVALSHA"]);
    let voting = show.voting_with(&proxy.url(), lane_config()).await;
    let mut votes = 0;
    for first in CUTS {
        for second in CUTS {
            for third in [Fault::Pass, Fault::CutBeforeReply] {
                proxy.schedule([first, second, third]);
                let outcome = voting.cast(vote(ANA)).await;
                assert!(
                    is_accepted(&outcome),
                    "{first:?}, {second:?}, {third:?}: {outcome:?}"
                );
                votes += 1;
                assert_eq!(
                    show.tally().await,
                    tally_of(&[("torcida/ana", votes)]),
                    "after {first:?}, {second:?}, {third:?}"
                );
            }
        }
    }
    assert!(proxy.counts().cuts() >= 64, "{:?}", proxy.counts());
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
}

#[tokio::test]
async fn outcomes_of_keyed_votes_survive_a_lost_reply() {
    let show = Show::open().await;
    let proxy = FaultProxy::start(show.redis.port()).await;
    proxy.only(["EVALSHA"]);
    let voting = show.voting_with(&proxy.url(), lane_config()).await;
    assert!(is_accepted(&voting.cast(keyed(ANA, "k1")).await));
    for _ in 0..3 {
        proxy.schedule([Fault::CutBeforeReply]);
        assert!(matches!(
            voting.cast(keyed(ANA, "k1")).await,
            Outcome::Duplicate(_)
        ));
        proxy.schedule([Fault::CutMidReply, Fault::CutBeforeReply]);
        assert!(matches!(
            voting.cast(keyed(BIA, "k1")).await,
            Outcome::Mismatch
        ));
    }
    // A plain reply after one that was not: the stored one must not be taken for it.
    proxy.schedule([Fault::CutBeforeReply]);
    assert!(is_accepted(&voting.cast(keyed(BIA, "k2")).await));
    assert_eq!(
        show.tally().await,
        tally_of(&[("torcida/ana", 1), ("torcida/bia", 1)])
    );
}

#[tokio::test]
async fn under_load_and_random_cuts_every_vote_is_counted_once() {
    let show = Show::open().await;
    let proxy = FaultProxy::start(show.redis.port()).await;
    proxy.only(["EVALSHA"]);
    let (one, other) = (
        show.voting_with(&proxy.url(), lane_config()).await,
        show.voting_with(&proxy.url(), lane_config()).await,
    );
    proxy.random(RandomFaults {
        seed: 20_261_124,
        cut_before_request: 0.05,
        cut_mid_request: 0.05,
        cut_before_reply: 0.1,
        cut_mid_reply: 0.05,
        delay_reply: 0.05,
        delay: Duration::from_millis(2),
    });
    // 64 clients at each of two processes; every tenth vote is sent again to the other process.
    let clients = (0..128).map(|client| {
        let (mine, others) = if client % 2 == 0 {
            (one.poll(), other.poll())
        } else {
            (other.poll(), one.poll())
        };
        async move {
            let mut accepted = 0_u64;
            for n in 0..100 {
                let candidate = if n % 3 == 0 { BIA } else { ANA };
                if n % 10 == 0 {
                    let vote = keyed(candidate, &format!("c{client}-{n}"));
                    assert!(is_accepted(&mine.cast(vote.clone()).await));
                    assert!(matches!(others.cast(vote).await, Outcome::Duplicate(_)));
                } else {
                    assert!(is_accepted(&mine.cast(vote(candidate)).await));
                }
                accepted += 1;
            }
            accepted
        }
    });
    let accepted: u64 = join_all(clients).await.into_iter().sum();
    proxy.pass();
    let counts = proxy.counts();
    assert!(
        counts.cuts() > 50,
        "too few faults to prove anything: {counts:?}"
    );
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    assert_eq!(audit.total, u128::from(accepted));
    assert!(
        one.metric("vote_batch_replays_total") + other.metric("vote_batch_replays_total") > 0.0
    );
}

/// Keys are forgotten after a while; a batch that carries them must have been settled before.
#[tokio::test]
async fn a_keyed_batch_that_was_out_too_long_is_ended_and_not_recorded_late() {
    for (fault, recorded) in [(Fault::CutBeforeReply, 1), (Fault::CutBeforeRequest, 0)] {
        let show = Show::open().await;
        let proxy = FaultProxy::start(show.redis.port()).await;
        proxy.only(["EVALSHA"]);
        let config = vote_store::LaneConfig {
            idempotency_window: Duration::from_secs(1),
            accept_timeout: Duration::from_millis(100),
            ..lane_config()
        };
        let voting = show.voting_with(&proxy.url(), config).await;
        // The script is known to the server, so that the next EVALSHA is the vote's own.
        assert!(is_accepted(&voting.cast(vote(BIA)).await));
        // And no attempt after that one gets through.
        proxy.schedule(std::iter::once(fault).chain([Fault::CutBeforeRequest; 1_000]));
        let outcome = voting.cast(keyed(ANA, "k1")).await;
        assert!(
            matches!(outcome, Outcome::Unknown),
            "{fault:?}: {outcome:?}"
        );
        // Longer than half of the window, which is when the lane gives the batch up.
        let began = std::time::Instant::now();
        eventually(DEADLINE, || async {
            began.elapsed() > Duration::from_millis(700)
        })
        .await;
        proxy.pass();
        eventually(DEADLINE, || async {
            is_accepted(&voting.cast(vote(BIA)).await)
        })
        .await;
        let tally = show.tally().await;
        assert_eq!(
            tally.get("torcida/ana").copied().unwrap_or(0),
            recorded,
            "{fault:?}: {tally:?}"
        );
        assert!(show.audit().await.passed);
    }
}
