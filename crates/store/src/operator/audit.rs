//! The proof of a poll's figures: tally = minutes = ledger = sealed, shard by shard.

use serde::Serialize;
use vote_domain::{Poll, PollId, PollState, SealedPoll, WriterId};

use super::{PollOperator, Undrained, drained::undrained};
use crate::{error::StoreError, fence::Fence, figures::ShardFigures};

/// What an audit found.
#[derive(Debug, Clone, Serialize)]
pub struct AuditReport {
    /// The poll.
    pub poll: PollId,
    /// Its state.
    pub state: PollState,
    /// Each shard's sums.
    pub shards: Vec<ShardAudit>,
    /// All votes of all tallies.
    pub total: u128,
    /// All votes that came too late, which no tally has.
    pub late: u128,
    /// The writers of a closed poll that sealing waits for.
    pub waiting: Vec<Undrained>,
    /// The writers that it was sealed without waiting for.
    pub abandoned: Vec<WriterId>,
    /// The digest of the sealed result.
    pub sha256: Option<String>,
    /// What does not agree, in the order in which it was found.
    pub differences: Vec<String>,
    /// Whether everything agrees.
    pub passed: bool,
}

/// The sums of one shard, which must be equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShardAudit {
    /// The shard's number.
    pub shard: u16,
    /// Votes in the tally.
    pub tally: u128,
    /// Votes in the minute series.
    pub minutes: u128,
    /// Votes in the ledger.
    pub ledger: u128,
    /// Late votes.
    pub late: u128,
    /// Writers in the ledger.
    pub writers: usize,
    /// Those of them that have said that all they had accepted is recorded.
    pub drained: usize,
    /// Votes in the sealed result.
    pub sealed: Option<u128>,
}

impl PollOperator {
    /// Audits a poll; `None` where there is no such poll.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read. A difference is not an error: it is in the report.
    pub async fn audit(&self, id: &PollId) -> Result<Option<AuditReport>, StoreError> {
        let Some(poll) = self.get(id).await? else {
            return Ok(None);
        };
        let sealed = self.sealed(id).await?;
        let shards = self.figures(&poll).await?;
        Ok(Some(audit_report(&poll, &shards, sealed.as_ref())))
    }
}

/// Compares all figures of a poll with each other.
pub(crate) fn audit_report(
    poll: &Poll,
    shards: &[ShardFigures],
    sealed: Option<&SealedPoll>,
) -> AuditReport {
    let mut differences = Vec::new();
    for shard in shards {
        differences.extend(fence_difference(poll, shard));
        compare_figures(poll, shard, &mut differences);
    }
    match (poll.state, sealed) {
        (PollState::Sealed, None) => {
            differences.push("the poll is sealed, but its sealed result is missing".to_owned());
        }
        (_, Some(sealed)) => compare_sealed(shards, sealed, &mut differences),
        (_, None) => {}
    }
    AuditReport {
        poll: poll.definition.id().clone(),
        state: poll.state,
        shards: shards
            .iter()
            .map(|shard| ShardAudit {
                shard: shard.shard,
                tally: shard.tally.total(),
                minutes: shard.minutes.total(),
                ledger: shard.ledger_total(),
                late: shard.late.total(),
                writers: shard.writers.len(),
                drained: shard
                    .writers
                    .values()
                    .filter(|writer| writer.is_drained(poll.closes_at.as_millisecond()))
                    .count(),
                sealed: sealed.and_then(|sealed| sealed_total(sealed, shard.shard)),
            })
            .collect(),
        total: shards.iter().map(|shard| shard.tally.total()).sum(),
        late: shards.iter().map(|shard| shard.late.total()).sum(),
        waiting: match poll.state {
            PollState::Closed => undrained(poll, shards),
            _ => Vec::new(),
        },
        abandoned: sealed.map_or_else(Vec::new, |sealed| sealed.abandoned.clone()),
        sha256: sealed.map(|sealed| sealed.sha256.clone()),
        passed: differences.is_empty(),
        differences,
    }
}

/// What the fence of a shard has else than the poll; `None` where it is the poll's.
pub(super) fn fence_difference(poll: &Poll, shard: &ShardFigures) -> Option<String> {
    let number = shard.shard;
    let wanted = Fence::of(poll);
    match &shard.fence {
        // A draft's shards are fenced as well: `poll apply` writes them.
        Some(fence) if *fence == wanted => None,
        Some(fence) => Some(format!(
            "shard {number}: the fence says {} until {} (revision {}), the poll {} until {} (revision {})",
            fence.state,
            fence.closes_at_ms,
            fence.revision,
            wanted.state,
            wanted.closes_at_ms,
            wanted.revision
        )),
        None => Some(format!(
            "shard {number}: it has no fence, and so takes no votes"
        )),
    }
}

/// Compares the tally of a shard with its minutes, by channel and candidate, and with its ledger.
pub(super) fn compare_figures(poll: &Poll, shard: &ShardFigures, differences: &mut Vec<String>) {
    let number = shard.shard;
    let Ok(sums) = shard.minutes.sum() else {
        differences.push(format!(
            "shard {number}: the minutes add up to more than a figure holds"
        ));
        return;
    };
    for (channel_index, channel) in poll.definition.channels().iter().enumerate() {
        for (candidate_index, candidate) in poll.definition.candidates().iter().enumerate() {
            let tally = shard.tally.get(channel_index, candidate_index);
            let minutes = sums.get(channel_index, candidate_index);
            if tally != minutes {
                differences.push(format!(
                    "shard {number}, channel {}, candidate {}: tally {tally}, minutes {minutes}",
                    channel.id, candidate.id
                ));
            }
        }
    }
    let (tally, ledger) = (shard.tally.total(), shard.ledger_total());
    if tally != ledger {
        differences.push(format!("shard {number}: tally {tally}, ledger {ledger}"));
    }
}

fn compare_sealed(shards: &[ShardFigures], sealed: &SealedPoll, differences: &mut Vec<String>) {
    if let Err(error) = sealed.verify() {
        differences.push(format!("the sealed result: {error}"));
    }
    if sealed.shards.len() != shards.len() {
        differences.push(format!(
            "the sealed result has {} shards, the poll {}",
            sealed.shards.len(),
            shards.len()
        ));
    }
    for (shard, sealed) in shards.iter().zip(&sealed.shards) {
        if super::seal::shard_totals(shard) != *sealed {
            differences.push(format!(
                "shard {}: its figures are not those that were sealed",
                shard.shard
            ));
        }
    }
}

fn sealed_total(sealed: &SealedPoll, shard: u16) -> Option<u128> {
    let totals = sealed.shards.iter().find(|totals| totals.shard == shard)?;
    Some(totals.tally.total())
}
