//! Says in log and metrics what is wrong with the servers, for as long as it is.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::commands::{Program, try_commands};
use super::findings::{Finding, Problem};
use super::inspect::{Inspection, inspect};
use crate::commit::Durability;
use crate::store::Store;

/// How often the servers are looked at.
const INTERVAL: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    server: String,
    problem: &'static str,
}

/// Looks at the servers of `store`, for what `program` needs, again and again on the current tokio runtime, until `cancel`.
pub fn watch(
    store: &Store,
    program: Program,
    durability: Durability,
    registry: &mut Registry,
    cancel: CancellationToken,
) {
    let gauges: Family<Labels, Gauge> = Family::default();
    registry.register(
        "vote_redis_findings",
        "1 while something is wrong with a Redis server; by server and problem",
        gauges.clone(),
    );
    let watch = Watch {
        store: store.clone(),
        program,
        durability,
        gauges,
        known: BTreeMap::new(),
    };
    tokio::spawn(cancel.run_until_cancelled_owned(watch.run()));
}

struct Watch {
    store: Store,
    program: Program,
    durability: Durability,
    gauges: Family<Labels, Gauge>,
    /// What was last said of each server.
    known: BTreeMap<String, BTreeMap<Problem, Finding>>,
}

impl Watch {
    async fn run(mut self) {
        loop {
            match inspect(&self.store, self.durability).await {
                Ok(mut inspections) => {
                    self.try_commands(&mut inspections).await;
                    self.say(inspections);
                }
                // Sentinels or cluster nodes that are away are said by whoever needs them.
                Err(error) => tracing::debug!(%error, "the servers can't be looked at"),
            }
            tokio::time::sleep(INTERVAL).await;
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
