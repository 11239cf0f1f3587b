//! Two writers over bad connections to a Redis that forgets, in random order: in the end each vote
//! that was answered is in the tally, once. The protocol step by step is in `commit/model`.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use redis::aio::MultiplexedConnection;
use vote_store::Outcome;
use vote_testkit::{FaultProxy, RandomFaults, eventually};

use crate::support::{ANA, BIA, DEADLINE, Show, Voting, is_accepted, keyed, lane_config};

#[derive(Debug, Clone)]
enum Step {
    /// So many votes at both writers at once, and how bad the connections are meanwhile.
    Votes { count: usize, faults: RandomFaults },
    /// What Redis holds now survives.
    Backup,
    /// Redis comes back with the last backup.
    Restore,
    /// All connections of one writer end.
    Cut { writer: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let faults = (any::<u64>(), 0.0..0.1_f64).prop_map(|(seed, probability)| RandomFaults {
        seed,
        cut_before_request: probability,
        cut_mid_request: probability,
        cut_before_reply: probability,
        cut_mid_reply: probability,
        ..RandomFaults::default()
    });
    prop_oneof![
        4 => (1..40_usize, faults).prop_map(|(count, faults)| Step::Votes { count, faults }),
        1 => Just(Step::Backup),
        2 => Just(Step::Restore),
        1 => (0..2_usize).prop_map(|writer| Step::Cut { writer }),
    ]
}

/// Everything that Redis holds, taken in one step.
struct Backup(Vec<(String, Vec<u8>)>);

impl Backup {
    async fn take(mut redis: MultiplexedConnection) -> Self {
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg("*")
            .query_async(&mut redis)
            .await
            .expect("keys");
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for key in &keys {
            pipeline.cmd("DUMP").arg(key);
        }
        let values: Vec<Vec<u8>> = pipeline.query_async(&mut redis).await.expect("values");
        Self(keys.into_iter().zip(values).collect())
    }

    async fn restore(&self, mut redis: MultiplexedConnection) {
        let mut pipeline = redis::pipe();
        pipeline.atomic().cmd("FLUSHALL").ignore();
        for (key, value) in &self.0 {
            pipeline.cmd("RESTORE").arg(key).arg(0).arg(value).ignore();
        }
        pipeline.exec_async(&mut redis).await.expect("restored");
    }
}

/// Casts until it is known whether the vote counts, as a client would.
async fn cast(voting: &Voting, candidate: u8, key: &str) {
    for _ in 0..20 {
        let outcome = voting.cast(keyed(candidate, key)).await;
        if is_accepted(&outcome) || matches!(outcome, Outcome::Duplicate(_)) {
            return;
        }
        assert!(
            matches!(outcome, Outcome::Unknown | Outcome::NotRecorded),
            "{outcome:?}"
        );
    }
    panic!("{key} was never answered");
}

async fn run(steps: Vec<Step>) {
    let show = Show::open().await;
    let proxies = [
        FaultProxy::start(show.redis.port()).await,
        FaultProxy::start(show.redis.port()).await,
    ];
    let mut writers = Vec::new();
    for proxy in &proxies {
        proxy.only(["EVALSHA"]);
        writers.push(show.voting_with(&proxy.url(), lane_config()).await);
    }
    let mut backup = Backup::take(show.redis.connection().await).await;
    let mut votes: BTreeMap<String, u64> = BTreeMap::new();
    let mut number = 0_usize;
    for step in steps {
        match step {
            Step::Votes { count, faults } => {
                for proxy in &proxies {
                    proxy.random(faults);
                }
                let casts = (number..number + count).map(|n| {
                    let (candidate, writer) = ([ANA, BIA][n % 2], &writers[n / 2 % 2]);
                    let name = ["torcida/ana", "torcida/bia"][n % 2];
                    *votes.entry(name.to_owned()).or_default() += 1;
                    async move { cast(writer, candidate, &format!("k{n}")).await }
                });
                join_all(casts).await;
                number += count;
            }
            Step::Backup => backup = Backup::take(show.redis.connection().await).await,
            Step::Restore => backup.restore(show.redis.connection().await).await,
            Step::Cut { writer } => proxies[writer].cut_connections(),
        }
    }
    for proxy in &proxies {
        proxy.pass();
    }
    eventually(DEADLINE, || async { show.tally().await == votes }).await;
    for n in 0..number {
        let writer = &writers[n % 2];
        let outcome = writer
            .cast(keyed([ANA, BIA][n % 2], &format!("k{n}")))
            .await;
        assert!(
            matches!(outcome, Outcome::Duplicate(_)),
            "k{n}: {outcome:?}"
        );
    }
    assert_eq!(show.tally().await, votes);
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    for writer in &writers {
        assert!(writer.metric("vote_unrecoverable_votes_total") < 0.5);
    }
}

#[test]
fn every_answered_vote_is_in_the_tally_once() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config = Config {
        cases: 12,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        max_shrink_iters: 30,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&vec(step(), 3..16), |steps| {
            runtime.block_on(run(steps));
            Ok(())
        })
        .expect("every schedule ends well");
}
