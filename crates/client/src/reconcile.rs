//! The end of every load: what was answered against what the tally has gained.

use crate::stats::Stats;
use serde::Serialize;
use std::fmt;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// Where the total of a poll's tally is read from.
pub trait TallySource {
    /// All votes in the tally, straight from where they are counted.
    fn total(&self) -> impl Future<Output = anyhow::Result<u128>> + Send;
}

/// Whether the tally gained what was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Exactly.
    Reconciled,
    /// Up to votes whose outcome is unknown: no fewer than the accepted, no more than those and the unknown.
    WithinUnknown,
    /// Accepted votes are missing.
    Missing,
    /// The tally gained votes that nobody was told of.
    Surplus,
}

/// The comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// The tally before the first vote.
    pub before: u128,
    /// The tally at the end.
    pub after: u128,
    /// Votes answered as accepted.
    pub accepted: u64,
    /// Votes that may have been recorded.
    pub unknown: u64,
    /// What the tally gained less what was accepted.
    pub difference: i128,
    /// What that means.
    pub finding: Finding,
}

impl Reconciliation {
    /// Compares.
    #[must_use]
    pub fn new(before: u128, after: u128, accepted: u64, unknown: u64) -> Self {
        let signed = |value: u128| i128::try_from(value).unwrap_or(i128::MAX);
        let difference = signed(after) - signed(before) - i128::from(accepted);
        let finding = match difference {
            0 if unknown == 0 => Finding::Reconciled,
            difference if difference < 0 => Finding::Missing,
            difference if difference <= i128::from(unknown) => Finding::WithinUnknown,
            _ => Finding::Surplus,
        };
        Self {
            before,
            after,
            accepted,
            unknown,
            difference,
            finding,
        }
    }

    /// Whether the tally gained exactly what was answered as accepted.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.difference == 0
    }
}

impl fmt::Display for Reconciliation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            before,
            after,
            accepted,
            unknown,
            difference,
            ..
        } = self;
        let gained = difference + i128::from(*accepted);
        writeln!(
            f,
            "tally       {before} before, {after} after: gained {gained}"
        )?;
        writeln!(
            f,
            "answers     {accepted} accepted, {unknown} of unknown outcome"
        )?;
        match self.finding {
            Finding::Reconciled if *accepted == 0 => {
                write!(
                    f,
                    "reconciled  no vote was accepted, and the tally gained none"
                )
            }
            Finding::Reconciled => write!(f, "reconciled  to the vote"),
            Finding::WithinUnknown if *difference == 0 => {
                write!(
                    f,
                    "reconciled  to the vote: none of the unknown is in the tally"
                )
            }
            Finding::WithinUnknown => write!(
                f,
                "DIFFERENCE  the tally holds {difference} of the {unknown} votes of unknown outcome"
            ),
            Finding::Missing => write!(
                f,
                "DIFFERENCE  {} accepted votes are not in the tally",
                -difference
            ),
            Finding::Surplus => write!(
                f,
                "OTHERS      the tally gained {difference} more than the accepted votes; at most {unknown} could be of unknown \
                 outcome: others voted in this poll meanwhile (`load merge` joins several generators)"
            ),
        }
    }
}

/// What is left of a comparison where the tally could not be read at the end. Its JSON form has the names of
/// [`Reconciliation`], so that a reader finds `null` where a figure would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotRead {
    /// The tally before the first vote.
    pub before: u128,
    after: (),
    /// Votes answered as accepted.
    pub accepted: u64,
    /// Votes that may have been recorded.
    pub unknown: u64,
    difference: (),
    finding: &'static str,
    /// Why it could not be read.
    pub reason: String,
}

impl NotRead {
    /// For this reason.
    #[must_use]
    pub fn new(before: u128, stats: &Stats, reason: String) -> Self {
        Self {
            before,
            after: (),
            accepted: stats.counts.accepted,
            unknown: stats.counts.unknown,
            difference: (),
            finding: "not_read",
            reason,
        }
    }
}

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            before,
            accepted,
            unknown,
            reason,
            ..
        } = self;
        writeln!(f, "tally       {before} before, unknown after")?;
        writeln!(
            f,
            "answers     {accepted} accepted, {unknown} of unknown outcome"
        )?;
        write!(f, "UNKNOWN     the tally could not be read: {reason}")
    }
}

/// Reads the tally until it agrees exactly with the answers, at most for `patience` or until `enough` ends, and compares.
///
/// # Errors
/// [`NotRead`] when the tally can't be read at the end.
pub async fn reconcile(
    source: &impl TallySource,
    before: u128,
    stats: &Stats,
    patience: Duration,
    enough: impl Future<Output = ()>,
) -> Result<Reconciliation, NotRead> {
    let mut last = Err("it was not waited for".to_owned());
    let reading = async {
        let until = Instant::now() + patience;
        loop {
            last = match source.total().await {
                Ok(after) => Ok(Reconciliation::new(
                    before,
                    after,
                    stats.counts.accepted,
                    stats.counts.unknown,
                )),
                Err(error) => Err(format!("{error:#}")),
            };
            // Unknown votes may still be on their way into the tally until their time is over.
            if matches!(&last, Ok(found) if found.finding == Finding::Reconciled)
                || Instant::now() >= until
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        biased;
        () = reading => {}
        () = enough => {}
    }
    last.map_err(|reason| NotRead::new(before, stats, reason))
}

#[cfg(test)]
mod tests {
    use super::{Finding, Reconciliation};

    #[test]
    fn every_case_is_told_apart() {
        for (before, after, accepted, unknown, difference, finding) in [
            (10, 15, 5, 0, 0, Finding::Reconciled),
            (10, 15, 5, 2, 0, Finding::WithinUnknown),
            (10, 17, 5, 2, 2, Finding::WithinUnknown),
            (10, 18, 5, 2, 3, Finding::Surplus),
            (10, 16, 5, 0, 1, Finding::Surplus),
            (10, 14, 5, 2, -1, Finding::Missing),
            (10, 9, 0, 0, -1, Finding::Missing),
            (0, 0, 0, 0, 0, Finding::Reconciled),
        ] {
            let found = Reconciliation::new(before, after, accepted, unknown);
            assert_eq!(
                (found.difference, found.finding),
                (difference, finding),
                "{found:?}"
            );
            assert_eq!(found.holds(), difference == 0);
        }
    }

    #[test]
    fn the_text_names_the_number_that_differs() {
        assert!(
            Reconciliation::new(0, 3, 5, 0)
                .to_string()
                .ends_with("2 accepted votes are not in the tally")
        );
        assert!(
            Reconciliation::new(0, 5, 5, 0)
                .to_string()
                .ends_with("reconciled  to the vote")
        );
        assert!(
            Reconciliation::new(0, 6, 5, 2)
                .to_string()
                .ends_with("the tally holds 1 of the 2 votes of unknown outcome")
        );
        assert!(
            Reconciliation::new(5, 5, 0, 0)
                .to_string()
                .ends_with("no vote was accepted, and the tally gained none")
        );
    }
}
