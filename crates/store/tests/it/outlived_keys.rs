//! Votes that Redis gets only after it has forgotten their keys: a repeat may have been recorded elsewhere meanwhile.

use std::time::Duration;

use tokio::task::JoinHandle;
use vote_store::{LaneConfig, Outcome};
use vote_testkit::{Fault, FaultProxy, eventually};

use crate::forgetting::Backup;
use crate::support::{
    ANA, BIA, DEADLINE, Show, Voting, is_accepted, keyed, lane_config, tally_of, vote,
};

/// A process that is cut off from Redis, and another one; both remember keys for a moment.
struct CutOff {
    show: Show,
    proxy: FaultProxy,
    cut_off: Voting,
    other: Voting,
    /// A vote of the first one, which waits.
    first: JoinHandle<Outcome>,
}

impl CutOff {
    async fn with_a_vote() -> Self {
        let show = Show::open().await;
        let proxy = FaultProxy::start(show.redis.port()).await;
        let cut_off = show.voting_with(&proxy.url(), forgetful()).await;
        let other = show.voting_with(&show.url, forgetful()).await;
        proxy.down().await;
        let poll = cut_off.poll();
        let first = tokio::spawn(async move { poll.cast(keyed(ANA, "k")).await });
        eventually(DEADLINE, || async {
            cut_off.metric("vote_commit_retries_total") > 0.0
        })
        .await;
        Self {
            show,
            proxy,
            cut_off,
            other,
            first,
        }
    }

    /// The client repeats its vote at the other process, and only then is Redis back for the first.
    async fn back_after_a_repeat(&self) {
        assert!(is_accepted(&self.other.cast(keyed(ANA, "k")).await));
        keys_are_forgotten(&self.show).await;
        self.proxy.up().await;
    }
}

fn forgetful() -> LaneConfig {
    LaneConfig {
        idempotency_window: Duration::from_secs(1),
        ..lane_config()
    }
}

/// Until Redis remembers no key any more.
async fn keys_are_forgotten(show: &Show) {
    let redis = show.redis.connection().await;
    eventually(DEADLINE, || {
        let mut redis = redis.clone();
        async move {
            let seen: Vec<String> = redis::cmd("KEYS")
                .arg("*:seen")
                .query_async(&mut redis)
                .await
                .expect("keys");
            seen.is_empty()
        }
    })
    .await;
}

/// A process that is cut off can't know what its clients do meanwhile.
#[tokio::test]
async fn a_keyed_vote_that_waits_until_its_key_is_forgotten_is_not_recorded() {
    let mut trial = CutOff::with_a_vote().await;
    trial.back_after_a_repeat().await;
    let first = (&mut trial.first).await.expect("an outcome");
    assert!(matches!(first, Outcome::NotRecorded), "{first:?}");
    assert_eq!(trial.show.tally().await, tally_of(&[("torcida/ana", 1)]));
}

/// As when the client's connection is cut: nobody recalls its vote.
#[tokio::test]
async fn a_keyed_vote_whose_request_is_gone_counts_once() {
    let mut trial = CutOff::with_a_vote().await;
    trial.first.abort();
    let first = (&mut trial.first).await;
    assert!(first.is_err_and(|error| error.is_cancelled()));
    trial.back_after_a_repeat().await;
    assert!(is_accepted(&trial.cut_off.cast(vote(BIA)).await));
    assert_eq!(
        trial.show.tally().await,
        tally_of(&[("torcida/ana", 1), ("torcida/bia", 1)])
    );
}

/// The batch that found a gap was not applied: its votes can be recalled until the gap is repaired.
#[tokio::test]
async fn a_keyed_vote_behind_a_gap_that_is_long_in_repair_counts_once() {
    let show = Show::open().await;
    let proxy = FaultProxy::start(show.redis.port()).await;
    proxy.only(["EVALSHA"]);
    let config = LaneConfig {
        accept_timeout: Duration::from_millis(500),
        ..forgetful()
    };
    let repairing = show.voting_with(&proxy.url(), config.clone()).await;
    let other = show.voting_with(&show.url, config).await;
    assert!(is_accepted(&repairing.cast(vote(BIA)).await));
    let backup = Backup::take(show.redis.connection().await).await;
    assert!(is_accepted(&repairing.cast(vote(BIA)).await));
    // The next attempt learns of the gap, and none gets through after it.
    proxy.schedule(std::iter::once(Fault::Pass).chain([Fault::CutBeforeRequest; 1_000]));
    backup.restore(show.redis.connection().await).await;
    let first = repairing.cast(keyed(ANA, "k")).await;
    assert!(matches!(first, Outcome::NotRecorded), "{first:?}");
    assert!(is_accepted(&other.cast(keyed(ANA, "k")).await));
    keys_are_forgotten(&show).await;
    proxy.pass();
    eventually(DEADLINE, || async {
        is_accepted(&repairing.cast(vote(BIA)).await)
    })
    .await;
    let tally = show.tally().await;
    assert_eq!(tally.get("torcida/ana"), Some(&1), "{tally:?}");
    assert!(show.audit().await.passed);
}
