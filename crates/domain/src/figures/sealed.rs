//! The final result: every figure of a poll, under one digest.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::figures::canonical::canonical_json;
use crate::figures::quarantine::Quarantine;
use crate::figures::recorded::RecordedVotes;
use crate::figures::standing::{Standing, standing};
use crate::figures::tally::{Tally, TallyOverflow};
use crate::poll::Poll;
use crate::poll::phase::Status;
use crate::poll::state::PollState;
use crate::vote::writer::WriterId;
use crate::wire_time;

/// The version of the sealed form that is written here.
const VERSION: u32 = 1;

/// The final result of a poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedPoll {
    /// The version of this form: 1.
    pub version: u32,
    /// The poll, in the state `sealed`.
    pub poll: Poll,
    /// The final standing.
    pub standing: Standing,
    /// Votes per channel and candidate, over all shards.
    pub tally: Tally,
    /// The figures of each shard, in order.
    pub shards: Vec<ShardTotals>,
    /// Writers that were not waited for, in order: they were gone, and may have accepted votes that are not
    /// in the figures. Not there where it is empty, as in results that were sealed before there was such a thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub abandoned: Vec<WriterId>,
    /// Votes that had been accepted, and that are in no figure: Redis had forgotten them, and they could not be recorded
    /// again. Those that the writers have counted, over all shards. Not there where there are none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub lost: u64,
    /// When it was sealed.
    #[serde(with = "wire_time")]
    pub sealed_at: Timestamp,
    /// By whom.
    pub sealed_by: String,
    /// SHA-256 in lower-case hexadecimal over the canonical JSON ([`canonical_json`]) of all of the
    /// above.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
}

/// The final figures of one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardTotals {
    /// Which shard, from 0.
    pub shard: u16,
    /// Its votes per channel and candidate.
    pub tally: Tally,
    /// The votes it refused because they came too late, per channel and candidate.
    pub late: Tally,
    /// The votes of its tally that are annulled, per channel and candidate. Not there where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annulled: Option<Tally>,
    /// Its ledger, in the order of the writers' ids.
    pub writers: Vec<WriterTotals>,
    /// The votes that were set aside as suspect. Those that were released are in the tally, the others are not. Not there
    /// where there were none.
    #[serde(default, skip_serializing_if = "Quarantine::is_empty")]
    pub quarantine: Quarantine,
}

/// What one writer wrote to one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriterTotals {
    /// Which writer.
    pub writer: WriterId,
    /// The last of its batches that was recorded.
    pub last_sequence: u64,
    /// The votes that its batches added to the tally, or to the quarantine.
    pub votes: u64,
    /// The votes that its process had accepted for this shard, under this name and later ones, and has counted as lost.
    /// Not there where there are none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub lost: u64,
}

const fn is_none(votes: &u64) -> bool {
    *votes == 0
}

/// Why figures can't be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FiguresError {
    /// The poll isn't in the state `sealed`.
    #[error("can't write the final result of a poll that is {state}")]
    State {
        /// Its state.
        state: PollState,
    },
    /// Not every shard is there, once and in order.
    #[error("the poll has {expected} shards, their figures are of {given}, or not in order")]
    Shards {
        /// How many shards the poll has.
        expected: u16,
        /// How many were given.
        given: usize,
    },
    /// A shard's tally has other channels or candidates than the poll.
    #[error("shard {shard}: the tally's channels and candidates aren't the poll's")]
    Shape {
        /// Which shard.
        shard: u16,
    },
    /// A shard has more annulled votes than votes.
    #[error("shard {shard}: more votes are annulled than its tally has")]
    Annulled {
        /// Which shard.
        shard: u16,
    },
    /// A writer was abandoned that has written nothing.
    #[error("the writer {writer} was abandoned, but isn't in any ledger, or not in order")]
    Abandoned {
        /// Which writer.
        writer: WriterId,
    },
    /// The shards' votes don't add up in 64 bits.
    #[error(transparent)]
    Overflow(#[from] TallyOverflow),
}

/// Why a sealed poll can't be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealedPollError {
    /// It is of a version that isn't known here.
    #[error("version: must be {VERSION}, is {0}")]
    Version(u32),
    /// Its digest isn't that of its content.
    #[error("sha256: the content's is {actual}, the record says {recorded}")]
    Digest {
        /// The digest of its content.
        actual: String,
        /// The digest that it holds.
        recorded: String,
    },
    /// Its content can't be sealed.
    #[error("shards: {0}")]
    Content(#[from] FiguresError),
    /// Its figures don't follow from its shards', though its digest is right.
    #[error("{field}: isn't what the shards' figures make")]
    Figures {
        /// Which figures: `tally`, `standing` or `lost`.
        field: &'static str,
    },
}

impl SealedPoll {
    /// Seals the figures of all shards of a poll that is in the state `sealed`.
    ///
    /// `revision` is the standing's. Writers are put in order; shards must be. `abandoned` are writers that were
    /// not waited for.
    ///
    /// # Errors
    /// Where the poll isn't sealed, or the shards aren't all there, or their figures aren't the poll's, or an
    /// abandoned writer isn't in any ledger.
    pub fn new(
        poll: Poll,
        mut shards: Vec<ShardTotals>,
        abandoned: &BTreeSet<WriterId>,
        revision: u64,
        sealed_at: Timestamp,
        sealed_by: &str,
    ) -> Result<Self, FiguresError> {
        for shard in &mut shards {
            shard.writers.sort_by_key(|entry| entry.writer);
        }
        let sealed_at = wire_time::floor(sealed_at);
        let (tally, standing) = figures(&poll, &shards, revision, sealed_at)?;
        let abandoned: Vec<WriterId> = abandoned.iter().copied().collect();
        check_abandoned(&abandoned, &shards)?;
        let lost = lost(&shards);
        let mut sealed = Self {
            version: VERSION,
            poll,
            standing,
            tally,
            shards,
            abandoned,
            lost,
            sealed_at,
            sealed_by: sealed_by.to_owned(),
            sha256: String::new(),
        };
        sealed.sha256 = sealed.digest();
        Ok(sealed)
    }

    /// The digest of all of it but the digest it holds: SHA-256 in lower-case hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut content = self.clone();
        content.sha256.clear();
        #[expect(
            clippy::expect_used,
            reason = "writing to a String can't fail, and all maps here have text for keys"
        )]
        let canonical = canonical_json(&content).expect("a sealed poll is JSON");
        data_encoding::HEXLOWER.encode(&Sha256::digest(canonical))
    }

    /// Proves that it is unchanged since it was sealed, and that its figures follow from its shards'.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> Result<(), SealedPollError> {
        if self.version != VERSION {
            return Err(SealedPollError::Version(self.version));
        }
        let actual = self.digest();
        if actual != self.sha256 {
            return Err(SealedPollError::Digest {
                actual,
                recorded: self.sha256.clone(),
            });
        }
        let (tally, standing) = figures(
            &self.poll,
            &self.shards,
            // A final standing has a revision: one without differs from what is made here, whatever the number.
            self.standing.revision.unwrap_or_default(),
            self.standing.as_of,
        )?;
        if tally != self.tally {
            return Err(SealedPollError::Figures { field: "tally" });
        }
        if standing != self.standing {
            return Err(SealedPollError::Figures { field: "standing" });
        }
        if self.lost != lost(&self.shards) {
            return Err(SealedPollError::Figures { field: "lost" });
        }
        check_abandoned(&self.abandoned, &self.shards)?;
        Ok(())
    }

    /// The votes that count, per channel and candidate, over all shards: those of its standing.
    #[must_use]
    pub fn net_tally(&self) -> Tally {
        let annulled = self
            .shards
            .iter()
            .filter_map(|totals| totals.annulled.as_ref());
        // It has proven to be right: none has more than its tally.
        annulled.fold(self.tally.clone(), |net, annulled| {
            net.clone().without(annulled).unwrap_or(net)
        })
    }

    /// The sequence of a writer's last batch in a shard, if that is in the result.
    #[must_use]
    pub fn last_sequence(&self, shard: u16, writer: &WriterId) -> Option<u64> {
        let shards = self.shards.iter().filter(|totals| totals.shard == shard);
        let mut writers = shards.flat_map(|totals| &totals.writers);
        let entry = writers.find(|entry| entry.writer == *writer)?;
        Some(entry.last_sequence)
    }
}

/// Abandoned writers are in order, once each, and have written something.
fn check_abandoned(abandoned: &[WriterId], shards: &[ShardTotals]) -> Result<(), FiguresError> {
    let mut before = None;
    for writer in abandoned {
        let mut ledgers = shards.iter().flat_map(|totals| &totals.writers);
        if before >= Some(writer) || !ledgers.any(|entry| entry.writer == *writer) {
            return Err(FiguresError::Abandoned { writer: *writer });
        }
        before = Some(writer);
    }
    Ok(())
}

impl ShardTotals {
    /// The votes that the ledger's writers added; what the tally's total, and what of the quarantine is outside of it, must
    /// equal.
    #[must_use]
    pub fn ledger_total(&self) -> u128 {
        self.writers
            .iter()
            .map(|entry| u128::from(entry.votes))
            .sum()
    }
}

/// The votes that all writers have counted as lost.
fn lost(shards: &[ShardTotals]) -> u64 {
    let writers = shards.iter().flat_map(|totals| &totals.writers);
    writers.fold(0, |lost, writer| writer.lost.saturating_add(lost))
}

/// The tally and the standing that the shards' figures make.
fn figures(
    poll: &Poll,
    shards: &[ShardTotals],
    revision: u64,
    as_of: Timestamp,
) -> Result<(Tally, Standing), FiguresError> {
    if poll.state != PollState::Sealed {
        return Err(FiguresError::State { state: poll.state });
    }
    let expected = poll.definition.shards();
    if !shards.iter().map(|totals| totals.shard).eq(0..expected) {
        return Err(FiguresError::Shards {
            expected,
            given: shards.len(),
        });
    }
    let mut tally = Tally::empty(&poll.definition);
    let mut annulled = tally.clone();
    for totals in shards {
        if !tally.same_shape(&totals.tally)
            || !tally.same_shape(&totals.late)
            || !totals.quarantine.has_shape_of(&tally)
        {
            let shard = totals.shard;
            return Err(FiguresError::Shape { shard });
        }
        tally.merge(&totals.tally)?;
        if let Some(of_shard) = &totals.annulled {
            let shard = totals.shard;
            let net = totals.tally.clone().without(of_shard);
            net.ok_or(FiguresError::Annulled { shard })?;
            annulled.merge(of_shard)?;
        }
    }
    // No shard has more annulled votes than votes, so that their sums have not.
    let net = tally.clone().without(&annulled);
    let net = net.ok_or(FiguresError::Annulled { shard: 0 })?;
    let mut standing = standing(poll, &net, as_of, revision, Status::Final);
    standing.recorded = RecordedVotes::of(&poll.definition, &tally, &annulled);
    Ok((tally, standing))
}

#[cfg(test)]
mod tests;
