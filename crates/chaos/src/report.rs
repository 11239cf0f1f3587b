//! The table of all scenarios, and what does not hold in them.

use crate::engine::findings::{Findings, Treated};
use serde::Serialize;

/// A scenario that came to its end, or did not.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum ScenarioResult {
    /// All figures are there.
    Done(Findings),
    /// It could not be carried through, which counts as a failure.
    Broken {
        scenario: String,
        why: String,
        seconds: u64,
    },
    /// A server that it needs was not found, which fails nothing, and is said.
    LeftOut { scenario: String, why: String },
}

impl ScenarioResult {
    pub(crate) fn failures(&self) -> Vec<&str> {
        match self {
            Self::Done(findings) => findings.failures.iter().map(String::as_str).collect(),
            Self::Broken { why, .. } => vec![why],
            Self::LeftOut { .. } => Vec::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Done(findings) => &findings.scenario,
            Self::Broken { scenario, .. } | Self::LeftOut { scenario, .. } => scenario,
        }
    }

    fn cells(&self) -> Vec<String> {
        let Self::Done(found) = self else {
            let dashes = std::iter::repeat_n("-".to_owned(), COLUMNS.len() - 1);
            return std::iter::once(self.name().to_owned())
                .chain(dashes)
                .collect();
        };
        vec![
            found.scenario.clone(),
            grouped(found.sent),
            grouped(found.accepted),
            grouped(found.refused),
            grouped(found.unknown),
            grouped(found.recorded),
            grouped(found.lost),
            grouped(found.doubled),
            seconds(found.longest_stall_ms),
            found.after_back_ms.map_or_else(|| "-".to_owned(), seconds),
        ]
    }
}

const COLUMNS: [&str; 10] = [
    "scenario",
    "sent",
    "accepted",
    "refused",
    "unknown",
    "recorded",
    "lost",
    "doubled",
    "longest stall",
    "after back",
];

/// The table, what each scenario adds to it, and what does not hold.
pub(crate) fn text(results: &[ScenarioResult]) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(results.iter().map(ScenarioResult::cells));
    let mut text = aligned(&rows);
    text.push('\n');
    for result in results {
        if let ScenarioResult::Done(found) = result {
            if !found.treated.is_empty() {
                text.push_str(&aligned(&treated_rows(&found.treated)));
                text.push('\n');
            }
            for detail in &found.details {
                text.push_str(&format!("{}: {detail}\n", found.scenario));
            }
        }
    }
    text.push_str(&verdict(results));
    text
}

/// The rows with their columns aligned: names to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            text.push_str(&match column {
                0 => format!("{cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            });
        }
        text.push('\n');
    }
    text
}

/// How each kind of those who voted was treated: numbers, and shares of what it has sent.
fn treated_rows(treated: &[Treated]) -> Vec<Vec<String>> {
    let share = |votes: u64, of: u64| {
        let thousandths = (votes * 100_000).checked_div(of).unwrap_or(0);
        let (whole, rest) = (thousandths / 1_000, thousandths % 1_000 / 10);
        format!("{} ({whole}.{rest:02} %)", grouped(votes))
    };
    let head = [
        "who",
        "sent",
        "told accepted",
        "counted",
        "set aside",
        "refused",
        "unknown",
        "reasons",
    ];
    let rows = treated.iter().map(|of| {
        let set_aside: u64 = of.set_aside.values().sum();
        let reasons = of.set_aside.iter();
        let reasons: Vec<String> = reasons
            .map(|(reason, votes)| format!("{reason} {}", grouped(*votes)))
            .collect();
        vec![
            of.who.to_owned(),
            grouped(of.sent),
            share(of.accepted, of.sent),
            share(of.counted, of.sent),
            share(set_aside, of.sent),
            share(of.refused, of.sent),
            grouped(of.unknown),
            reasons.join(", "),
        ]
    });
    std::iter::once(head.map(str::to_owned).to_vec())
        .chain(rows)
        .collect()
}

/// The table for a document, and what does not hold below it.
pub(crate) fn markdown(results: &[ScenarioResult]) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(results.iter().map(ScenarioResult::cells));
    let mut text = table(&rows);
    text.push('\n');
    for result in results {
        if let ScenarioResult::Done(found) = result
            && !found.treated.is_empty()
        {
            text.push_str(&table(&treated_rows(&found.treated)));
            text.push('\n');
        }
    }
    text.push_str(&verdict(results));
    text
}

/// Rows as a table of Markdown: names to the left, numbers to the right.
fn table(rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        text.push_str(&line(row));
        if number == 0 {
            let rule = |column| if column == 0 { "---" } else { "---:" }.to_owned();
            let rules: Vec<String> = (0..row.len()).map(rule).collect();
            text.push_str(&line(&rules));
        }
    }
    text
}

/// The last lines: what failed, or that nothing did.
fn verdict(results: &[ScenarioResult]) -> String {
    let mut text = String::new();
    let mut failed = 0;
    let mut carried_out = results.len();
    for result in results {
        if let ScenarioResult::LeftOut { scenario, why } = result {
            carried_out -= 1;
            text.push_str(&format!("left out {scenario}: {why}\n"));
        }
        failed += usize::from(!result.failures().is_empty());
        for failure in result.failures() {
            text.push_str(&format!("FAILED {}: {failure}\n", result.name()));
        }
    }
    text.push_str(&match failed {
        0 => format!("all promises hold in {carried_out} scenarios"),
        failed => format!("promises do not hold in {failed} of {carried_out} scenarios"),
    });
    text
}

/// 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn seconds(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        _ => format!("{}.{:02} s", millis / 1_000, millis % 1_000 / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::{Findings, ScenarioResult, Treated, grouped, markdown, seconds, text};

    fn results() -> Vec<ScenarioResult> {
        vec![
            ScenarioResult::Done(Findings {
                scenario: "redis-kill".to_owned(),
                sent: 201_000,
                accepted: 200_900,
                refused: 90,
                unknown: 10,
                recorded: 200_905,
                longest_stall_ms: 1_234,
                after_back_ms: Some(56),
                details: vec!["gaps 0".to_owned()],
                treated: vec![Treated {
                    who: "people",
                    sent: 8_000,
                    refused: 3,
                    counted: 7_990,
                    set_aside: [("deny_list", 7)].into(),
                    ..Treated::default()
                }],
                ..Findings::default()
            }),
            ScenarioResult::Done(Findings {
                scenario: "ingest-kill".to_owned(),
                lost: 1,
                failures: vec!["1 accepted votes are lost".to_owned()],
                ..Findings::default()
            }),
            ScenarioResult::Broken {
                scenario: "redis-oom".to_owned(),
                why: "it did not end within 90 s".to_owned(),
                seconds: 90,
            },
            ScenarioResult::LeftOut {
                scenario: "cluster-migration".to_owned(),
                why: "no such server".to_owned(),
            },
        ]
    }

    #[test]
    fn numbers_are_readable() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(
            (seconds(999), seconds(1_050)),
            ("999 ms".to_owned(), "1.05 s".to_owned())
        );
    }

    #[test]
    fn the_table_names_every_scenario_and_what_failed() {
        let text = text(&results());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("redis-kill"), "{text}");
        assert!(
            lines[1].contains("200,905") && lines[1].ends_with("56 ms"),
            "{text}"
        );
        assert!(lines[3].contains('-'), "{text}");
        assert!(text.contains("redis-kill: gaps 0"));
        assert!(
            text.contains("7 (0.08 %)") && text.contains("deny_list 7\n"),
            "{text}"
        );
        assert!(text.contains("FAILED ingest-kill: 1 accepted votes are lost\n"));
        assert!(text.contains("FAILED redis-oom: it did not end within 90 s\n"));
        assert!(text.contains("left out cluster-migration: no such server\n"));
        assert!(text.ends_with("promises do not hold in 2 of 3 scenarios"));
        assert!(super::text(&results()[..1]).ends_with("all promises hold in 1 scenarios"));
    }

    #[test]
    fn markdown_has_a_row_for_each_scenario() {
        let text = markdown(&results());
        assert!(text.starts_with("| scenario | sent |"));
        assert_eq!(
            text.lines().filter(|line| line.starts_with("| ")).count(),
            6 + 3
        );
        let people = "| people | 8,000 | 0 (0.00 %) | 7,990 (99.87 %) | 7 (0.08 %) | 3 (0.03 %) | 0 | deny_list 7 |";
        assert!(text.contains(people), "{text}");
    }
}
