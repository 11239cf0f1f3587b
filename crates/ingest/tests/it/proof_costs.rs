//! What a proof of work costs while many votes are suspect: more, within bounds, and less again when that is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::json;
use vote_domain::QuarantineReason;
use vote_testkit::eventually;

use crate::app::{Answer, App, DEADLINE, POLL, SetClock, Show};
use crate::suspicion::{proof_of, undecided};

/// The channel's own cost.
const COST: u64 = 1_000;
/// So many votes say something of the others.
const ENOUGH: usize = 50;

/// A service whose clock is the test's: what is suspect is gathered for ten seconds of it.
struct Trial {
    show: Show,
    app: App,
    clock: Arc<SetClock>,
    ahead: AtomicI64,
}

impl Trial {
    async fn with(settings: &[(&str, &str)]) -> Self {
        let show = Show::open().await;
        let clock = Arc::new(SetClock::ahead_by(0));
        // With that a clock may be two hours from Redis'.
        let mut all = vec![("VOTE__COMMIT__IDEMPOTENCY_WINDOW_S", "86400")];
        all.extend_from_slice(settings);
        let app = App::start_by(clock.clone(), &show.redis.url(), &all).await;
        eventually(DEADLINE, || async { app.ready().await.0.is_success() }).await;
        let trial = Self {
            show,
            app,
            clock,
            ahead: AtomicI64::new(0),
        };
        assert_eq!(trial.cost().await, COST);
        trial
    }

    /// What a challenge asks for now. The metric says the same.
    async fn cost(&self) -> u64 {
        let challenge = self.app.challenge("prova", None).await;
        let cost = challenge.body["parameters"]["cost"].as_u64();
        let cost = cost.unwrap_or_else(|| panic!("no cost: {challenge:?}"));
        let labels = format!("poll=\"{POLL}\",channel=\"prova\"");
        let line = format!("vote_proof_cost_iterations{{{labels}}} {cost}\n");
        let metrics = self.app.metrics().await;
        assert!(metrics.contains(&line), "{line}: {metrics}");
        cost
    }

    /// So many votes with proofs that are none.
    async fn bad(&self, votes: usize) {
        let votes = (0..votes).map(|_| self.app.prove("ana", None, "e30="));
        for answer in join_all(votes).await {
            assert_eq!(answer.code(), "proof-invalid", "{answer:?}");
        }
    }

    /// The cost a period later.
    async fn cost_later(&self) -> u64 {
        let ahead = self.ahead.fetch_add(10, Ordering::Relaxed) + 10;
        self.clock.set(ahead);
        self.cost().await
    }
}

#[tokio::test]
async fn the_cost_rises_with_what_is_suspect_to_its_bound_and_falls_again() {
    let trial = Trial::with(&[("VOTE__PROOF__MOST_COST", "3000")]).await;
    // Few say nothing.
    trial.bad(ENOUGH - 1).await;
    assert_eq!(trial.cost_later().await, COST);
    for risen in [2 * COST, 3 * COST, 3 * COST] {
        let before = trial.cost().await;
        trial.bad(ENOUGH).await;
        // Not before the time is over.
        assert_eq!(trial.cost().await, before);
        assert_eq!(trial.cost_later().await, risen);
    }
    // What was asked for counts, not what is asked for now: who has solved a cheaper one is not asked again.
    for fallen in [2 * COST, COST, COST] {
        assert_eq!(trial.cost_later().await, fallen);
    }
    assert_eq!(trial.show.total().await, 0);
}

#[tokio::test]
async fn votes_that_are_set_aside_raise_the_cost_although_their_proofs_are_good() {
    let (denied, secret) = (
        tempfile::NamedTempFile::new().expect("a file"),
        "ab".repeat(32),
    );
    std::fs::write(denied.path(), "203.0.113.0/24\n").expect("written");
    let trial = Trial::with(&[
        ("VOTE__RECEIPTS__KEY", &secret),
        ("VOTE__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
        ("VOTE__HTTP__CLIENT_ADDRESS", "x_forwarded_for"),
        ("VOTE__SUSPICION__THRESHOLD", "100"),
        (
            "VOTE__SUSPICION__DENY_LIST_FILE",
            denied.path().to_str().expect("text"),
        ),
        // How soon a proof came says nothing here.
        ("VOTE__SUSPICION__FAST_PROOF_POINTS", "0"),
    ])
    .await;
    let vote = async |channel: &str, from: &str, key: String| {
        let mut ballot = json!({ "candidate": "ana", "channel": channel });
        if channel == "prova" {
            ballot["proof"] = proof_of(SignedDuration::from_secs(20), &key, true).into();
        }
        let vote = trial.app.post(POLL).json(&ballot);
        let vote = vote
            .header("user-agent", "Mozilla/5.0")
            .header("x-forwarded-for", from)
            .header("idempotency-key", key);
        let answer = Answer::of(vote).await;
        assert!(answer.is_accepted(), "{answer:?}");
    };
    let votes = async |channel: &str, round: usize, suspect: usize| {
        for n in 0..ENOUGH {
            let from = if n < suspect {
                "203.0.113.7"
            } else {
                "198.51.100.1"
            };
            vote(channel, from, format!("{channel}-{round}-{n}")).await;
        }
    };
    // What comes through another channel is none of this one's.
    votes("torcida", 0, ENOUGH).await;
    assert_eq!(trial.cost_later().await, COST);
    // Less than a fifth.
    votes("prova", 1, 9).await;
    assert_eq!(trial.cost_later().await, COST);
    votes("prova", 2, 10).await;
    assert_eq!(trial.cost_later().await, 2 * COST);
    votes("prova", 3, 25).await;
    assert_eq!(trial.cost_later().await, 4 * COST);
    // People alone.
    votes("prova", 4, 0).await;
    assert_eq!(trial.cost_later().await, 2 * COST);
    assert_eq!(trial.cost_later().await, COST);
    let aside = undecided(&trial.show, QuarantineReason::DenyList).await;
    assert_eq!(aside, ENOUGH as u128 + 9 + 10 + 25);
}
