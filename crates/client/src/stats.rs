//! What a load run has seen: counts, errors by type, latencies.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest latency that a histogram holds, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// How often which number of microseconds occurs.
pub type Micros = Histogram<u64>;

/// How a vote ended, for certain or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered as accepted, at the first attempt or a later one.
    Accepted,
    /// Its key was known before it was ever sent: it is in the tally, and not from this run.
    Repeated,
    /// It was sent and is certainly not in the tally.
    Refused,
    /// No attempt got a connection: it was never sent, and nobody has refused it.
    NoConnection,
    /// It may be in the tally: an attempt's outcome is unknown, and no later one has told.
    Unknown,
}

/// How often one error was answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErrorCount {
    /// Attempts that ended so.
    pub attempts: u64,
    /// Votes whose last attempt ended so.
    pub votes: u64,
}

/// How votes have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Votes that were sent at least once.
    pub sent: u64,
    /// See [`Verdict::Accepted`].
    pub accepted: u64,
    /// See [`Verdict::Repeated`].
    pub repeated: u64,
    /// See [`Verdict::Refused`].
    pub refused: u64,
    /// See [`Verdict::NoConnection`].
    pub no_connection: u64,
    /// See [`Verdict::Unknown`].
    pub unknown: u64,
    /// Attempts, first ones and repeated ones, with a connection or without.
    pub attempts: u64,
}

/// Figures of a run; one for each thread, merged at the end.
#[derive(Debug, Clone)]
pub struct Stats {
    /// How its votes have ended.
    pub counts: Counts,
    /// By status and problem code, or by what happened to the connection.
    pub errors: BTreeMap<String, ErrorCount>,
    /// Microseconds from the intended time of an accepted vote to its answer.
    pub latency: Micros,
    /// Microseconds from the intended time of a vote to when it was first sent: the generator's own delay.
    pub start_delay: Micros,
}

impl Stats {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            counts: Counts::default(),
            errors: BTreeMap::new(),
            latency: histogram(),
            start_delay: histogram(),
        }
    }

    /// Counts a vote's end after so many attempts.
    pub fn finish(&mut self, verdict: Verdict, attempts: u32, latency: Duration) {
        self.counts.sent += u64::from(verdict != Verdict::NoConnection);
        self.counts.attempts += u64::from(attempts);
        match verdict {
            Verdict::Accepted => {
                self.counts.accepted += 1;
                self.latency.saturating_record(micros(latency));
            }
            Verdict::Repeated => self.counts.repeated += 1,
            Verdict::Refused => self.counts.refused += 1,
            Verdict::NoConnection => self.counts.no_connection += 1,
            Verdict::Unknown => self.counts.unknown += 1,
        }
    }

    /// Votes that had their turn, sent or not.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.counts.sent + self.counts.no_connection
    }

    /// Counts an attempt that ended in `error`, and whether it was the vote's last.
    pub fn error(&mut self, error: &str, last: bool) {
        if !self.errors.contains_key(error) {
            self.errors.insert(error.to_owned(), ErrorCount::default());
        }
        if let Some(count) = self.errors.get_mut(error) {
            count.attempts += 1;
            count.votes += u64::from(last);
        }
    }

    /// Adds another thread's figures.
    pub fn merge(&mut self, other: &Self) {
        self.counts.sent += other.counts.sent;
        self.counts.accepted += other.counts.accepted;
        self.counts.repeated += other.counts.repeated;
        self.counts.refused += other.counts.refused;
        self.counts.no_connection += other.counts.no_connection;
        self.counts.unknown += other.counts.unknown;
        self.counts.attempts += other.counts.attempts;
        for (error, count) in &other.errors {
            let sum = self.errors.entry(error.clone()).or_default();
            sum.attempts += count.attempts;
            sum.votes += count.votes;
        }
        // Both have the same bounds, so neither can fail.
        let _latency = self.latency.add(&other.latency);
        let _start_delay = self.start_delay.add(&other.start_delay);
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(
    clippy::expect_used,
    reason = "the bounds are constants that the library takes"
)]
fn histogram() -> Micros {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("legal bounds")
}

/// Whole microseconds, at least 1.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros())
        .unwrap_or(u64::MAX)
        .max(1)
}

/// Figures of the running load for the progress bar; approximate while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Votes that have ended.
    pub done: AtomicU64,
    /// Those of them that were accepted.
    pub accepted: AtomicU64,
    /// Attempts that failed.
    pub failures: AtomicU64,
    /// Votes that are due and not sent yet.
    pub backlog: AtomicU64,
    /// Attempts in a row, up to now, that were answered as if there were no such poll, or none any more (404, 405, 410).
    pub gone: AtomicU64,
}

impl Progress {
    /// One value, as it is now.
    #[must_use]
    pub fn read(value: &AtomicU64) -> u64 {
        value.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorCount, Stats, Verdict};
    use std::time::Duration;

    #[test]
    fn merged_figures_are_the_sums() {
        let mut first = Stats::new();
        first.finish(Verdict::Accepted, 1, Duration::from_millis(2));
        first.error("503 overloaded", false);
        let mut second = Stats::new();
        second.finish(Verdict::Accepted, 1, Duration::from_millis(4));
        second.finish(Verdict::Unknown, 1, Duration::from_secs(1));
        second.finish(Verdict::NoConnection, 2, Duration::from_secs(1));
        second.error("503 overloaded", true);
        second.error("connection cut", true);
        first.merge(&second);
        assert_eq!(
            (
                first.counts.sent,
                first.counts.accepted,
                first.counts.unknown
            ),
            (3, 2, 1)
        );
        assert_eq!(
            (
                first.counts.no_connection,
                first.begun(),
                first.counts.attempts
            ),
            (1, 4, 5)
        );
        assert_eq!(
            first.errors["503 overloaded"],
            ErrorCount {
                attempts: 2,
                votes: 1
            }
        );
        assert_eq!(first.latency.len(), 2);
        assert!(first.latency.max().abs_diff(4_000) < 10);
    }
}
