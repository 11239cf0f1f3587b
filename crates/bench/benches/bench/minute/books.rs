//! What was sent, what was answered, and what is recorded and shown: whether it agrees to the vote.

use serde::Serialize;

/// Votes.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Books {
    pub(super) asked: u64,
    pub(super) sent: u64,
    pub(super) accepted: u64,
    /// Sent, and certainly not recorded.
    pub(super) refused: u64,
    /// Sent, and never answered: recorded or not.
    pub(super) unknown: u64,
    /// Never sent, since no connection was to be had.
    pub(super) no_connection: u64,
    /// Answered as repeats, though nobody had sent them before.
    pub(super) repeated: u64,
    /// What the tally has gained, as `votectl load` found: `reconciled`, or `within_unknown`.
    pub(super) finding: String,
    /// In the tally, which agrees with minutes and ledger: `votectl audit` fails otherwise.
    pub(super) audited: u64,
    /// In the figures that results shows.
    pub(super) shown: u64,
    /// What does not agree, a sentence each.
    pub(super) wrong: Vec<String>,
}

impl Books {
    /// The same, with what does not agree.
    pub(super) fn compared(self) -> Self {
        let wrong = self.wrong();
        Self { wrong, ..self }
    }

    fn wrong(&self) -> Vec<String> {
        let ended = self.accepted + self.refused + self.unknown + self.repeated;
        let most = self.accepted + self.unknown;
        let mut wrong = Vec::new();
        if self.sent != ended {
            wrong.push(format!("{} votes were sent, and {ended} ended", self.sent));
        }
        if self.repeated > 0 {
            wrong.push(format!(
                "{} votes were answered as repeats, and none was",
                self.repeated
            ));
        }
        if !(self.accepted..=most).contains(&self.audited) {
            wrong.push(format!(
                "{} votes were accepted and {} are unknown, and the tally has {}",
                self.accepted, self.unknown, self.audited
            ));
        }
        if !["reconciled", "within_unknown"].contains(&self.finding.as_str()) {
            wrong.push(format!("the load found: {}", self.finding));
        }
        if self.shown != self.audited {
            wrong.push(format!(
                "results shows {} votes, and the tally has {}",
                self.shown, self.audited
            ));
        }
        wrong
    }
}
