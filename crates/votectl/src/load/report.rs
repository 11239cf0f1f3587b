//! What a load run has come to: rates, latency figures and their distribution, errors, the reconciliation.

use crate::failure::Failure;
use crate::load::ending::Ending;
use crate::load::limits::{Limits, Measured};
use serde::{Serialize, Serializer};
use std::time::Duration;
use vote_client::latency::{Distribution, Latency};
use vote_client::plan::Plan;
use vote_client::reconcile::{Finding, NotRead, Reconciliation};
use vote_client::stats::{Counts, Stats, micros};

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
    /// What was asked for.
    #[serde(flatten)]
    pub(super) asked: Asked,
    /// Whether the run was stopped early.
    pub(super) stopped: bool,
    /// Why it has ended.
    pub(super) ended: Ending,
    /// Limits that were not kept, a sentence each.
    pub(super) breaches: Vec<String>,
    /// Seconds from the first vote's time to the last answer.
    pub(super) elapsed_s: f64,
    /// Accepted votes per second.
    pub(super) accepted_per_second: f64,
    /// How the votes have ended.
    #[serde(flatten)]
    pub(super) counts: Counts,
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

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Asked {
    /// The poll.
    pub(super) poll: String,
    /// The service's base URL.
    pub(super) url: String,
    /// How many parts of several generators were joined; absent for a single run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parts: Option<usize>,
    /// First part of the idempotency keys; absent when the votes had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keys: Option<String>,
    /// Seed of the candidates; absent where parts were joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u64>,
    /// Votes per second that were asked for, the mean of all stages.
    pub(super) rate: u32,
    /// Votes that were asked for.
    pub(super) votes: u64,
    /// How many could be in flight.
    pub(super) connections: usize,
}

impl Asked {
    /// By this plan.
    pub(super) fn of(poll: &str, url: &str, plan: &Plan) -> Self {
        Self {
            poll: poll.to_owned(),
            url: url.to_owned(),
            parts: None,
            keys: plan.keys.clone(),
            seed: Some(plan.seed),
            rate: plan.pace.mean_rate(),
            votes: plan.pace.votes(),
            connections: plan.connections,
        }
    }
}

impl Report {
    /// Puts the figures together. How it has ended, and what was to be kept to, is for [`Report::judge`].
    pub(super) fn of(
        asked: Asked,
        stats: &Stats,
        elapsed: Duration,
        reconciliation: Result<Reconciliation, NotRead>,
    ) -> Self {
        let elapsed_s = elapsed.as_secs_f64();
        let mut errors: Vec<ErrorLine> = stats
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
            stopped: stats.begun() < asked.votes,
            asked,
            ended: Ending::Whole,
            breaches: Vec::new(),
            elapsed_s,
            accepted_per_second: per_second(stats.counts.accepted, elapsed),
            counts: stats.counts,
            errors,
            latency_us: Latency::of(&stats.latency),
            start_delay_us: Latency::of(&stats.start_delay),
            reconciliation,
            distribution: Distribution::of(&stats.latency),
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
            Ok(_) if self.counts.sent == 0 && self.counts.no_connection > 0 => {
                Some(Failure::Broken(anyhow::anyhow!(
                    "no vote got a connection to {}; is the ingest service where --url says?",
                    self.asked.url
                )))
            }
            Ok(found) if !self.agrees(found) => {
                Some(Failure::refused("the tally differs from the answers"))
            }
            Ok(_) if self.ended == Ending::Gone => Some(Failure::refused(format!(
                "stopped, for every vote is answered {}: does the poll take votes there, and is --url right?",
                self.gone_error()
            ))),
            Ok(_) if self.counts.accepted == 0 && self.counts.sent > 0 => {
                Some(Failure::refused("no vote was accepted"))
            }
            Ok(_) if !self.breaches.is_empty() => Some(Failure::refused(self.breaches.join("; "))),
            Ok(_) if self.ended == Ending::TimeUp && self.stopped => {
                Some(Failure::refused(format!(
                    "{} of {} votes were not sent in time: the service, or {} connections, did not keep up",
                    self.asked.votes - self.begun(),
                    self.asked.votes,
                    self.asked.connections
                )))
            }
            Ok(_) => None,
        }
    }

    /// Says how the run has ended, and which limits it has not kept.
    pub(super) fn judge(&mut self, limits: &Limits, ended: Ending) {
        self.ended = ended;
        // Whoever ends a run early knows that the rest was not sent.
        let votes = match ended {
            Ending::Asked | Ending::AtOnce => self.begun(),
            _ => self.asked.votes,
        };
        self.breaches = limits.breaches(Measured {
            rate: self.accepted_per_second,
            p99: self.latency_us.p99,
            votes,
            errors: votes.saturating_sub(self.counts.accepted),
        });
    }

    /// Whether the rate that was asked for was missed by a tenth or more. A run of less than a second says nothing: its
    /// last answer counts too much.
    pub(super) fn has_missed_its_rate(&self) -> bool {
        self.accepted_per_second < f64::from(self.asked.rate) * 0.9
            && self.asked.votes >= u64::from(self.asked.rate)
            && self.asked.parts.is_none()
    }

    /// Votes that had their turn.
    fn begun(&self) -> u64 {
        self.counts.sent + self.counts.no_connection
    }

    /// Whether the tally has what was answered. A single run can't know of the votes of others: more is no failure of
    /// its own. All parts together have to account for every vote.
    fn agrees(&self, found: &Reconciliation) -> bool {
        found.holds() || (self.asked.parts.is_none() && found.finding == Finding::Surplus)
    }

    /// The most frequent of the errors that say that votes have no place there.
    fn gone_error(&self) -> &str {
        let gone =
            |line: &&ErrorLine| ["404", "405", "410"].contains(&line.error.get(..3).unwrap_or(""));
        self.errors
            .iter()
            .find(gone)
            .map_or("404", |line| &line.error)
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
