//! What a load run prints: rates, latency figures, a plot of their distribution, errors, the reconciliation.

use super::engine::Outcome;
use super::plan::Plan;
use super::reconcile::{NotRead, Reconciliation};
use super::stats::Stats;
use crate::failure::Failure;
use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};
use std::io::{self, Write};
use std::time::Duration;

/// Width of the longest bar of the plot, in characters.
const BAR: u64 = 40;

/// Figures of a histogram, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// How many values there are.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Half of the values are at most this.
    pub p50: u64,
    /// 90 % are at most this.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    #[serde(rename = "p99.9")]
    pub p999: u64,
    /// The largest.
    pub max: u64,
}

impl Latency {
    /// Of this histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            count: histogram.len(),
            mean: histogram.mean(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

/// One kind of error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorLine {
    /// Status and problem code, or what happened to the connection.
    pub error: String,
    /// Attempts that ended so.
    pub attempts: u64,
    /// Votes whose last attempt ended so; the others were sent again.
    pub votes: u64,
}

/// The whole report; its JSON form is what `--output json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The poll.
    pub poll: String,
    /// The service's base URL.
    pub url: String,
    /// First part of the idempotency keys; absent when the votes had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// Seed of the candidates.
    pub seed: u64,
    /// Votes a second that were asked for.
    pub rate: u32,
    /// Votes that were asked for.
    pub votes: u64,
    /// How many could be in flight.
    pub connections: usize,
    /// Whether the run was stopped early.
    pub stopped: bool,
    /// Seconds from the first vote's time to the last answer.
    pub elapsed_s: f64,
    /// Accepted votes a second.
    pub accepted_per_second: f64,
    /// Votes sent at least once.
    pub sent: u64,
    /// Votes answered as accepted.
    pub accepted: u64,
    /// Votes whose key was known before the run.
    pub repeated: u64,
    /// Votes sent and certainly not recorded.
    pub refused: u64,
    /// Votes that were never sent, for want of a connection; they are not among those sent.
    pub no_connection: u64,
    /// Votes of unknown outcome.
    pub unknown: u64,
    /// Attempts to send a vote, first ones and repeated ones.
    pub attempts: u64,
    /// Errors by type, the most frequent first.
    pub errors: Vec<ErrorLine>,
    /// From the intended send time to the answer, of accepted votes, in microseconds.
    pub latency_us: Latency,
    /// From the intended to the real send time, in microseconds.
    pub start_delay_us: Latency,
    /// Tally against answers, if it could be read.
    #[serde(serialize_with = "whichever")]
    pub reconciliation: Result<Reconciliation, NotRead>,
    #[serde(skip)]
    plot: Vec<(String, u64)>,
}

/// Where a report is about, see [`Report::new`].
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The poll.
    pub poll: &'a str,
    /// The service's base URL.
    pub url: &'a str,
}

impl Report {
    /// Puts the figures together.
    #[must_use]
    pub fn new(
        subject: Subject<'_>,
        plan: &Plan,
        outcome: &Outcome,
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
        } = outcome.stats;
        let elapsed_s = outcome.elapsed.as_secs_f64();
        let mut errors: Vec<ErrorLine> = outcome
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
            rate: plan.rate,
            votes: plan.votes,
            connections: plan.connections,
            stopped: outcome.stopped,
            elapsed_s,
            accepted_per_second: per_second(accepted, outcome.elapsed),
            sent,
            accepted,
            repeated,
            refused,
            no_connection,
            unknown,
            attempts,
            errors,
            latency_us: Latency::of(&outcome.stats.latency),
            start_delay_us: Latency::of(&outcome.stats.start_delay),
            reconciliation,
            plot: plot(&outcome.stats.latency),
        }
    }

    /// Why the run has failed, if it has.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
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

    /// Writes the report for people.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let early = if self.stopped { ", stopped early" } else { "" };
        writeln!(out, "poll        {} at {}{early}", self.poll, self.url)?;
        writeln!(
            out,
            "votes       {} of {} sent in {:.1} s; {:.0} a second accepted, {} asked for",
            self.sent, self.votes, self.elapsed_s, self.accepted_per_second, self.rate
        )?;
        writeln!(
            out,
            "answers     {} accepted, {} refused, {} unknown, {} already known; {} attempts",
            self.accepted, self.refused, self.unknown, self.repeated, self.attempts
        )?;
        if self.no_connection > 0 {
            writeln!(
                out,
                "not sent    {} votes got no connection",
                self.no_connection
            )?;
        }
        let latency = self.latency_us;
        if latency.count > 0 {
            writeln!(
                out,
                "\nlatency of accepted votes, from the intended send time"
            )?;
            for (name, value) in [
                ("p50", latency.p50),
                ("p90", latency.p90),
                ("p99", latency.p99),
                ("p99.9", latency.p999),
                ("max", latency.max),
            ] {
                writeln!(out, "  {name:<8}{:>12}", human(value))?;
            }
            writeln!(
                out,
                "  (of it until sent: p99 {}, max {}; grows when {} connections are too few)",
                human(self.start_delay_us.p99),
                human(self.start_delay_us.max),
                self.connections
            )?;
            writeln!(out)?;
            self.write_plot(out)?;
        }
        if !self.errors.is_empty() {
            writeln!(
                out,
                "\nerrors                                  attempts  given up"
            )?;
            for line in &self.errors {
                writeln!(
                    out,
                    "  {:<36}{:>10}{:>10}",
                    line.error, line.attempts, line.votes
                )?;
            }
        }
        match &self.reconciliation {
            Ok(found) => writeln!(out, "\n{found}"),
            Err(unread) => writeln!(out, "\n{unread}"),
        }
    }

    fn write_plot(&self, out: &mut dyn Write) -> io::Result<()> {
        let most = self
            .plot
            .iter()
            .map(|(_, count)| *count)
            .max()
            .unwrap_or(1)
            .max(1);
        let all: u64 = self.plot.iter().map(|(_, count)| count).sum();
        for (upto, count) in &self.plot {
            // At least one character for a bucket that isn't empty: the tail is what is looked for.
            let bar = (count * BAR).div_ceil(most);
            let bar: String = (0..bar).map(|_| '█').collect();
            let share = hundredths(*count, all);
            writeln!(out, "  ≤ {upto:>9} {bar:<40} {share:>7} %")?;
        }
        Ok(())
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

/// `count` of `all` in percent with two decimals, rounded down.
fn hundredths(count: u64, all: u64) -> String {
    let share = u128::from(count) * 10_000 / u128::from(all.max(1));
    format!("{}.{:02}", share / 100, share % 100)
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    let micros = u128::from(super::stats::micros(elapsed));
    let tenths = u128::from(count) * 10_000_000 / micros;
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}

/// Counts by powers of two of microseconds, from the smallest to the largest that occurs.
fn plot(histogram: &Histogram<u64>) -> Vec<(String, u64)> {
    let mut buckets = Vec::new();
    if histogram.is_empty() {
        return buckets;
    }
    let mut from = 0;
    let mut upto = histogram.min().next_power_of_two().max(1);
    loop {
        buckets.push((
            human(upto),
            histogram.count_between(from, upto.saturating_sub(1)),
        ));
        if upto > histogram.max() {
            return buckets;
        }
        from = upto;
        upto = upto.saturating_mul(2);
    }
}

/// Microseconds for people: three significant digits and a unit.
fn human(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", digits(micros, 1_000)),
        _ => format!("{} s", digits(micros, 1_000_000)),
    }
}

fn digits(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    match whole {
        0..10 => format!("{whole}.{:02}", rest * 100 / unit),
        10..100 => format!("{whole}.{}", rest * 10 / unit),
        _ => whole.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::Outcome;
    use super::super::plan::{Ballot, Plan};
    use super::super::reconcile::{NotRead, Reconciliation};
    use super::super::stats::{Stats, Verdict};
    use super::{Report, Subject, human, hundredths};
    use std::time::Duration;

    /// `after` is the tally at the end, or why it could not be read.
    fn report(after: Result<u128, &str>) -> Report {
        let target = "http://127.0.0.1:8080".parse().unwrap();
        let ballot = Ballot {
            target: &target,
            poll: "paredao-01",
            channel: None,
            candidates: &["ana", "bia"],
        };
        let mut plan = Plan::new(
            ([127, 0, 0, 1], 8080).into(),
            ballot,
            Some("load-7".to_owned()),
        );
        (plan.rate, plan.votes, plan.connections) = (1_000, 1_001, 64);
        let mut stats = Stats::new();
        for vote in 0..1_000 {
            stats.finish(Verdict::Accepted, 1, Duration::from_micros(900 + vote * 4));
            stats.start_delay.saturating_record(120);
        }
        stats.finish(Verdict::Refused, 3, Duration::from_millis(1));
        stats.error("503 overloaded", false);
        stats.error("503 overloaded", false);
        stats.error("503 overloaded", true);
        let reconciliation = match after {
            Ok(after) => Ok(Reconciliation::new(
                10,
                after,
                stats.accepted,
                stats.unknown,
            )),
            Err(reason) => Err(NotRead::new(10, &stats, reason.to_owned())),
        };
        let outcome = Outcome {
            stats,
            elapsed: Duration::from_millis(1_000),
            stopped: false,
        };
        Report::new(
            Subject {
                poll: "paredao-01",
                url: "http://127.0.0.1:8080",
            },
            &plan,
            &outcome,
            reconciliation,
        )
    }

    #[test]
    fn the_text_shows_rates_latencies_errors_and_the_reconciliation() {
        let mut text = Vec::new();
        report(Ok(1_010)).write_text(&mut text).unwrap();
        insta::assert_snapshot!(String::from_utf8(text).unwrap());
    }

    #[test]
    fn the_json_form_has_the_figures_and_fails_only_on_a_difference() {
        let json = serde_json::to_value(report(Ok(1_010))).unwrap();
        assert_eq!(json["latency_us"]["count"], 1_000);
        assert_eq!(json["reconciliation"]["finding"], "reconciled");
        assert_eq!(json["errors"][0]["attempts"], 3);
        assert!(report(Ok(1_010)).failure().is_none());
        assert_eq!(report(Ok(1_009)).failure().unwrap().code(), 1);
    }

    #[test]
    fn a_tally_that_could_not_be_read_is_said_and_takes_nothing_from_the_report() {
        let unread = report(Err("connection refused"));
        let (mut text, mut read) = (Vec::new(), Vec::new());
        unread.write_text(&mut text).unwrap();
        report(Ok(1_010)).write_text(&mut read).unwrap();
        let (text, read) = (
            String::from_utf8(text).unwrap(),
            String::from_utf8(read).unwrap(),
        );
        let figures = read.find("tally").unwrap();
        assert_eq!(text[..figures], read[..figures]);
        assert_eq!(
            text[figures..],
            *"tally       10 before, unknown after\n\
              answers     1000 accepted, 0 of unknown outcome\n\
              UNKNOWN     the tally could not be read: connection refused\n"
        );
        let json = serde_json::to_value(&unread).unwrap();
        let reconciliation = &json["reconciliation"];
        assert_eq!(
            reconciliation,
            &serde_json::json!({
                "before": 10, "after": null, "accepted": 1_000, "unknown": 0, "difference": null,
                "finding": "not_read", "reason": "connection refused",
            })
        );
        assert_eq!(unread.failure().unwrap().code(), 3);
    }

    #[test]
    fn numbers_for_people() {
        for (micros, text) in [
            (7, "7 µs"),
            (1_234, "1.23 ms"),
            (45_670, "45.6 ms"),
            (999_999, "999 ms"),
            (61_000_000, "61.0 s"),
        ] {
            assert_eq!(human(micros), text);
        }
        assert_eq!(hundredths(1, 3), "33.33");
    }
}
