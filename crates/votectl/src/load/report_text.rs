//! The report of a load for people.

use crate::load::report::Report;
use std::io::{self, Write};

/// Width of the longest bar of the plot, in characters.
const BAR: u64 = 40;

/// Writes the report.
///
/// # Errors
/// Those of `out`.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    write_counts(report, out)?;
    if report.latency_us.count > 0 {
        write_latency(report, out)?;
        write_plot(report, out)?;
    }
    if !report.errors.is_empty() {
        writeln!(
            out,
            "\nerrors                                  attempts  given up"
        )?;
        for line in &report.errors {
            let (error, attempts, votes) = (&line.error, line.attempts, line.votes);
            writeln!(out, "  {error:<36}{attempts:>10}{votes:>10}")?;
        }
    }
    match &report.reconciliation {
        Ok(found) => writeln!(out, "\n{found}"),
        Err(unread) => writeln!(out, "\n{unread}"),
    }
}

fn write_counts(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let early = if report.stopped {
        ", stopped early"
    } else {
        ""
    };
    writeln!(
        out,
        "poll        {} at {}{early}",
        report.asked.poll, report.asked.url
    )?;
    if let Some(parts) = report.asked.parts {
        writeln!(out, "parts       {parts}, joined")?;
    }
    writeln!(
        out,
        "votes       {} of {} sent in {:.1} s; {:.0} per second accepted, {} asked for",
        report.counts.sent,
        report.asked.votes,
        report.elapsed_s,
        report.accepted_per_second,
        report.asked.rate
    )?;
    writeln!(
        out,
        "answers     {} accepted, {} refused, {} unknown, {} already known; {} attempts",
        report.counts.accepted,
        report.counts.refused,
        report.counts.unknown,
        report.counts.repeated,
        report.counts.attempts
    )?;
    if report.has_missed_its_rate() {
        writeln!(
            out,
            "MISSED      {:.0} votes per second were accepted, {} were asked for",
            report.accepted_per_second, report.asked.rate
        )?;
    }
    for breach in &report.breaches {
        writeln!(out, "BREACH      {breach}")?;
    }
    if report.counts.no_connection > 0 {
        writeln!(
            out,
            "not sent    {} votes got no connection",
            report.counts.no_connection
        )?;
    }
    Ok(())
}

fn write_latency(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let latency = report.latency_us;
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
        "  (of it until sent: p99 {}, max {}; grows when {} connections are too few)\n",
        human(report.start_delay_us.p99),
        human(report.start_delay_us.max),
        report.asked.connections
    )
}

fn write_plot(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let buckets = report.distribution.buckets();
    let most = buckets.iter().map(|bucket| bucket.count).max();
    let all: u64 = buckets.iter().map(|bucket| bucket.count).sum();
    for bucket in buckets {
        // At least one character for a bucket that isn't empty: the tail is what is looked for.
        let length = (bucket.count * BAR).div_ceil(most.unwrap_or(1).max(1));
        let bar: String = (0..length).map(|_| '█').collect();
        let share = hundredths(bucket.count, all);
        writeln!(out, "  ≤ {:>9} {bar:<40} {share:>7} %", human(bucket.up_to))?;
    }
    Ok(())
}

/// `count` of `all` in percent with two decimals, rounded down.
fn hundredths(count: u64, all: u64) -> String {
    let share = u128::from(count) * 10_000 / u128::from(all.max(1));
    format!("{}.{:02}", share / 100, share % 100)
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
    use super::{human, hundredths};

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
