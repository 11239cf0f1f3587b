//! What a load run has come to: rates, latency figures and their distribution, errors, the reconciliation.

use crate::failure::Failure;
use serde::{Serialize, Serializer};
use std::time::Duration;
use vote_client::engine::Completed;
use vote_client::latency::{Distribution, Latency};
use vote_client::plan::Plan;
use vote_client::reconcile::{NotRead, Reconciliation};
use vote_client::stats::{Stats, micros};

/// One kind of error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ErrorLine {
    /// Status and problem code, or what happened to the connection.
    pub(super) error: String,
    /// Attempts that ended so.
    pub(super) attempts: u64,
    /// Votes whose last attempt ended so; the others were sent again.
    pub(super) votes: u64,
}

/// The whole report; its JSON form is what `--output json` prints.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    /// The poll.
    pub(super) poll: String,
    /// The service's base URL.
    pub(super) url: String,
    /// First part of the idempotency keys; absent when the votes had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keys: Option<String>,
    /// Seed of the candidates.
    pub(super) seed: u64,
    /// Votes per second that were asked for.
    pub(super) rate: u32,
    /// Votes that were asked for.
    pub(super) votes: u64,
    /// How many could be in flight.
    pub(super) connections: usize,
    /// Whether the run was stopped early.
    pub(super) stopped: bool,
    /// Seconds from the first vote's time to the last answer.
    pub(super) elapsed_s: f64,
    /// Accepted votes per second.
    pub(super) accepted_per_second: f64,
    /// Votes sent at least once.
    pub(super) sent: u64,
    /// Votes answered as accepted.
    pub(super) accepted: u64,
    /// Votes whose key was known before the run.
    pub(super) repeated: u64,
    /// Votes sent and certainly not recorded.
    pub(super) refused: u64,
    /// Votes that were never sent, for want of a connection; they are not among those sent.
    pub(super) no_connection: u64,
    /// Votes of unknown completed.
    pub(super) unknown: u64,
    /// Attempts to send a vote, first ones and repeated ones.
    pub(super) attempts: u64,
    /// Errors by type, the most frequent first.
    pub(super) errors: Vec<ErrorLine>,
    /// From the intended send time to the answer, of accepted votes, in microseconds.
    pub(super) latency_us: Latency,
    /// From the intended to the real send time, in microseconds.
    pub(super) start_delay_us: Latency,
    /// Tally against answers, if it could be read.
    #[serde(serialize_with = "whichever")]
    pub(super) reconciliation: Result<Reconciliation, NotRead>,
    #[serde(skip)]
    pub(super) distribution: Distribution,
}

/// Where a report is about, see [`Report::new`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The poll.
    pub(super) poll: &'a str,
    /// The service's base URL.
    pub(super) url: &'a str,
}

impl Report {
    /// Puts the figures together.
    pub(super) fn new(
        subject: Subject<'_>,
        plan: &Plan,
        completed: &Completed,
        reconciliation: Result<Reconciliation, NotRead>,
    ) -> Self {
        let Stats {
            sent,
            accepted,
            repeated,
            refused,
            no_connection,
            unknown,
            attempts,
            ..
        } = completed.stats;
        let elapsed_s = completed.elapsed.as_secs_f64();
        let mut errors: Vec<ErrorLine> = completed
            .stats
            .errors
            .iter()
            .map(|(error, count)| ErrorLine {
                error: error.clone(),
                attempts: count.attempts,
                votes: count.votes,
            })
            .collect();
        errors.sort_by_key(|line| std::cmp::Reverse(line.attempts));
        Self {
            poll: subject.poll.to_owned(),
            url: subject.url.to_owned(),
            keys: plan.keys.clone(),
            seed: plan.seed,
            rate: plan.pace.rate,
            votes: plan.pace.votes,
            connections: plan.connections,
            stopped: completed.stopped,
            elapsed_s,
            accepted_per_second: per_second(accepted, completed.elapsed),
            sent,
            accepted,
            repeated,
            refused,
            no_connection,
            unknown,
            attempts,
            errors,
            latency_us: Latency::of(&completed.stats.latency),
            start_delay_us: Latency::of(&completed.stats.start_delay),
            reconciliation,
            distribution: Distribution::of(&completed.stats.latency),
        }
    }

    /// Why the run has failed, if it has.
    pub(super) fn failure(&self) -> Option<Failure> {
        match &self.reconciliation {
            Err(unread) => Some(Failure::Broken(anyhow::anyhow!(
                "can't read the tally after the load: it is not reconciled: {}",
                unread.reason
            ))),
            // Whatever the tally says: nothing of this run can be in it.
            Ok(_) if self.sent == 0 && self.no_connection > 0 => {
                Some(Failure::Broken(anyhow::anyhow!(
                    "no vote got a connection to {}; is the ingest service where --url says?",
                    self.url
                )))
            }
            Ok(found) if !found.holds() => {
                Some(Failure::refused("the tally differs from the answers"))
            }
            Ok(_) if self.accepted == 0 && self.sent > 0 => {
                Some(Failure::refused("no vote was accepted"))
            }
            Ok(_) => None,
        }
    }
}

/// Both are one object with the same names; serde would wrap them in `Ok` and `Err`.
fn whichever<S: Serializer>(
    reconciliation: &Result<Reconciliation, NotRead>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match reconciliation {
        Ok(found) => found.serialize(serializer),
        Err(unread) => unread.serialize(serializer),
    }
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    let micros = u128::from(micros(elapsed));
    let tenths = u128::from(count) * 10_000_000 / micros;
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}
