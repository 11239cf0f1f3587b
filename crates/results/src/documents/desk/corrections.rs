//! What of a poll's votes was set aside or annulled, as the desk shows it.

use serde::Serialize;
use utoipa::ToSchema;
use vote_domain::{Annulled, Annulment, Fate, Poll, Quarantine, QuarantineReason, wire_time};

/// Votes that were set aside as suspect, for one reason.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DeskQuarantine {
    /// Why they were set aside.
    pub(crate) reason: QuarantineReason,
    /// Those of which nobody has decided: they are in no figure, and sealing waits for it.
    #[schema(value_type = u64, example = 12)]
    pub(crate) undecided: u128,
    /// Those that were released: they count, and are in all figures.
    #[schema(value_type = u64, example = 0)]
    pub(crate) released: u128,
    /// Those that were annulled: they are in no figure.
    #[schema(value_type = u64, example = 0)]
    pub(crate) annulled: u128,
}

impl DeskQuarantine {
    /// The reasons for which any was, in the order in which signals are asked.
    pub(super) fn of(quarantine: &Quarantine) -> Vec<Self> {
        let reasons = QuarantineReason::ALL.iter().map(|&reason| {
            let votes = |fate| quarantine.total_of(fate, reason);
            Self {
                reason,
                undecided: votes(Fate::Undecided),
                released: votes(Fate::Released),
                annulled: votes(Fate::Annulled),
            }
        });
        let has_votes = |one: &Self| one.undecided + one.released + one.annulled > 0;
        reasons.filter(has_votes).collect()
    }
}

/// A window of minutes whose votes were taken out of the result.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DeskAnnulment<'d> {
    /// Its number, by which it is taken back.
    #[schema(minimum = 1, example = 1)]
    pub(crate) number: u32,
    /// Which votes.
    pub(crate) votes: &'d Annulled,
    /// Why, in the operator's words.
    #[schema(example = "a wave of robots")]
    pub(crate) reason: &'d str,
    /// When it was said.
    #[schema(format = DateTime, example = "2026-11-24T01:30:00.000Z")]
    pub(crate) at: String,
    /// By whom.
    #[schema(example = "ines")]
    pub(crate) by: &'d str,
}

impl<'d> DeskAnnulment<'d> {
    /// Those that stand, newest first. What was taken back is in the journal.
    pub(super) fn of(poll: &'d Poll) -> Vec<Self> {
        let mut standing: Vec<&Annulment> = poll.standing_annulments().collect();
        standing.reverse();
        let annulments = standing.into_iter().map(|one| Self {
            number: one.number,
            votes: &one.votes,
            reason: one.reason.as_str(),
            at: wire_time::format(one.at),
            by: &one.by,
        });
        annulments.collect()
    }
}
