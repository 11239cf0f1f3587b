//! Says in log and metrics what is wrong with the servers, for as long as it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio_util::sync::CancellationToken;
use vote_domain::Clock;

use super::clocks::{Clocks, Keeper};
use super::commands::{Program, try_commands};
use super::findings::{Finding, Problem};
use super::inspect::{Inspection, Measured, inspect};
use crate::commit::Durability;
use crate::store::Store;

/// How often the servers are looked at.
const INTERVAL: Duration = Duration::from_secs(15);

/// How often they are while the process waits for their time to be ready.
const FIRST_INTERVAL: Duration = Duration::from_millis(250);

/// How often the process looks whether its own clock was set, and whether it has connections that nobody uses.
const GLANCE: Duration = Duration::from_secs(1);

/// For how long a connection that nobody uses is kept.
const KEPT_UNUSED: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    server: String,
    problem: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Server {
    server: String,
}

/// What the servers are looked at for.
pub struct Watched {
    /// Whose rights are tried.
    pub program: Program,
    /// When votes count.
    pub durability: Durability,
    /// The process' clock.
    pub clock: Arc<dyn Clock>,
    /// How far it may be from Redis', if votes are taken by it.
    pub longest_apart: Option<Duration>,
}

/// Looks at the servers of `store` again and again on the current tokio runtime, until `cancel`. Gives what becomes known of
/// the process' clock.
pub fn watch(
    store: &Store,
    watched: Watched,
    registry: &mut Registry,
    cancel: CancellationToken,
) -> Arc<Clocks> {
    let gauges: Family<Labels, Gauge> = Family::default();
    registry.register(
        "vote_redis_findings",
        "1 while something is wrong with a Redis server; by server and problem",
        gauges.clone(),
    );
    let differences: Family<Server, Gauge<f64, AtomicU64>> = Family::default();
    registry.register_with_unit(
        "vote_clock_difference",
        "How far the clock of the process is ahead of a Redis server's; negative where it is behind",
        Unit::Seconds,
        differences.clone(),
    );
    let keeper = Keeper::register(Arc::clone(&watched.clock), watched.longest_apart, registry);
    let clocks = keeper.clocks();
    let watch = Watch {
        store: store.clone(),
        program: watched.program,
        durability: watched.durability,
        clock: watched.clock,
        keeper,
        gauges,
        differences,
        known: BTreeMap::new(),
    };
    tokio::spawn(cancel.run_until_cancelled_owned(watch.run()));
    clocks
}

struct Watch {
    store: Store,
    program: Program,
    durability: Durability,
    clock: Arc<dyn Clock>,
    keeper: Keeper,
    gauges: Family<Labels, Gauge>,
    differences: Family<Server, Gauge<f64, AtomicU64>>,
    /// What was last said of each server.
    known: BTreeMap<String, BTreeMap<Problem, Finding>>,
}

impl Watch {
    async fn run(mut self) {
        loop {
            match inspect(&self.store, self.durability, &*self.clock).await {
                Ok(mut inspections) => {
                    self.compare_clocks(&inspections);
                    self.try_commands(&mut inspections).await;
                    self.say(inspections);
                }
                // Sentinels or cluster nodes that are away are said by whoever needs them.
                Err(error) => {
                    self.compare_clocks(&[]);
                    tracing::debug!(%error, "the servers can't be looked at");
                }
            }
            self.rest().await;
        }
    }

    /// Until the servers are to be looked at again: sooner while nothing is known of the clock, or when it was set.
    async fn rest(&self) {
        if !self.keeper.knows() {
            return tokio::time::sleep(FIRST_INTERVAL).await;
        }
        let glances = INTERVAL.as_secs() / GLANCE.as_secs();
        for _ in 0..glances {
            tokio::time::sleep(GLANCE).await;
            if let Some(before) = Instant::now().checked_sub(KEPT_UNUSED) {
                self.store.nodes().let_go_of_unused(before);
            }
            if self.keeper.has_stepped() {
                return;
            }
        }
    }

    fn compare_clocks(&mut self, inspections: &[Inspection]) {
        self.keeper.judge(inspections);
        for one in inspections {
            let server = Server {
                server: one.server.clone(),
            };
            match one.clock {
                Measured::Apart(difference) => {
                    let gauge = self.differences.get_or_create(&server);
                    gauge.set(difference.seconds());
                }
                _ => {
                    self.differences.remove(&server);
                }
            }
        }
    }

    /// Tries the commands of the program, where that was not done yet, or one was forbidden: each is an entry in the
    /// server's statistics.
    async fn try_commands(&self, inspections: &mut [Inspection]) {
        let is_right = |server: &str| {
            let known = self.known.get(server);
            known.is_some_and(|known| !known.contains_key(&Problem::Forbidden))
        };
        if inspections.iter().all(|one| is_right(&one.server)) {
            return;
        }
        let Ok(rights) = try_commands(&self.store, self.program, self.durability).await else {
            return;
        };
        for one in rights {
            let inspection = inspections
                .iter_mut()
                .find(|other| other.server == one.server);
            if let (Some(inspection), Ok(Some(finding))) = (inspection, one.forbidden) {
                inspection.findings.push(finding);
            }
        }
    }

    fn say(&mut self, inspections: Vec<Inspection>) {
        let before = std::mem::take(&mut self.known);
        for Inspection {
            server,
            version,
            findings,
            ..
        } in inspections
        {
            let was = before.get(&server);
            if was.is_none() {
                tracing::info!(
                    server,
                    version,
                    findings = findings.len(),
                    "Redis looked at"
                );
            }
            let is: BTreeMap<Problem, Finding> = findings
                .into_iter()
                .map(|finding| (finding.problem, finding))
                .collect();
            for problem in Problem::ALL {
                let had = was.is_some_and(|was| was.contains_key(&problem));
                let has = is.get(&problem);
                self.gauge(&server, problem).set(i64::from(has.is_some()));
                match has {
                    Some(finding) if !had => tracing::warn!(
                        server,
                        problem = problem.as_str(),
                        seen = finding.seen,
                        remedy = finding.remedy,
                        "something is wrong with Redis"
                    ),
                    None if had => {
                        tracing::info!(
                            server,
                            problem = problem.as_str(),
                            "right again with Redis"
                        );
                    }
                    _ => {}
                }
            }
            self.known.insert(server, is);
        }
        // A server that is ours no more has no problems any more.
        for server in before
            .keys()
            .filter(|server| !self.known.contains_key(*server))
        {
            self.differences.remove(&Server {
                server: server.clone(),
            });
            for problem in Problem::ALL {
                self.gauges.remove(&labels(server, problem));
            }
        }
    }

    fn gauge(&self, server: &str, problem: Problem) -> impl std::ops::Deref<Target = Gauge> + '_ {
        self.gauges.get_or_create(&labels(server, problem))
    }
}

fn labels(server: &str, problem: Problem) -> Labels {
    Labels {
        server: server.to_owned(),
        problem: problem.as_str(),
    }
}
