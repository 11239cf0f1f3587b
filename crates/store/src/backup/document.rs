//! The form of a backup on paper: one JSON document. README.md says what is in it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use vote_domain::{
    Minute, MinuteSeries, Poll, PollDefinition, Quarantine, SealedPoll, Tally, WriterId,
    canonical_json, wire_time,
};

use super::totals::Totals;
use crate::fence::Fence;
use crate::figures::{Drained, EndedSums, ShardFigures, WriterLedger};

/// What says that a document is a backup.
pub(super) const FORMAT: &str = "vote-backup";
/// The version of the form that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;

/// What a document says of itself, whatever else it holds.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u64,
}

/// The whole document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) software: String,
    #[serde(with = "wire_time")]
    pub(super) taken_at: Timestamp,
    pub(super) taken_by: String,
    pub(super) poll: Poll,
    pub(super) totals: Totals,
    pub(super) shards: Vec<ShardDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<SealedPoll>,
    /// SHA-256 in lower-case hexadecimal over the canonical JSON of all of the above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
}

/// One shard.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShardDocument {
    pub(super) shard: u16,
    pub(super) fence: Fence,
    pub(super) tally: Tally,
    pub(super) late: Tally,
    /// By minutes since the Unix epoch; only minutes with votes.
    pub(super) minutes: BTreeMap<i64, Tally>,
    /// Votes that were set aside as suspect, by minutes as well. Not there where there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) quarantine: BTreeMap<i64, Quarantine>,
    pub(super) writers: Vec<WriterDocument>,
}

/// What the ledger has of one writer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WriterDocument {
    pub(super) writer: WriterId,
    pub(super) last_sequence: u64,
    pub(super) votes: u64,
    /// `"ended"`, or the closing time that it has nothing left to send for, in milliseconds since the
    /// Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) drained: Option<Mark>,
    /// Not there where it is nothing.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub(super) lost: u64,
}

const fn is_nothing(votes: &u64) -> bool {
    *votes == 0
}

/// A writer's mark.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Mark {
    At(i64),
    Word(Word),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    Ended,
}

impl Document {
    /// The digest of all of it but the digest that it holds.
    pub(super) fn digest(&mut self) -> serde_json::Result<String> {
        let recorded = self.sha256.take();
        let canonical = canonical_json(self);
        self.sha256 = recorded;
        Ok(data_encoding::HEXLOWER.encode(&Sha256::digest(canonical?)))
    }
}

impl ShardDocument {
    /// `None` where the shard has no fence.
    pub(super) fn of(shard: &ShardFigures) -> Option<Self> {
        let minutes = shard.minutes.iter();
        Some(Self {
            shard: shard.shard,
            fence: shard.fence?,
            tally: shard.tally.clone(),
            late: shard.late.clone(),
            minutes: minutes
                .map(|(minute, votes)| (minute.since_epoch(), votes.clone()))
                .collect(),
            quarantine: shard.quarantine_minutes.clone(),
            writers: shard.writers.iter().map(WriterDocument::of).collect(),
        })
    }

    /// The shard's figures, for so many channels and candidates.
    ///
    /// # Errors
    /// What is wrong with them, without the shard's number.
    pub(super) fn figures(&self, poll: &PollDefinition) -> Result<ShardFigures, String> {
        let shape = Tally::empty(poll);
        for (name, tally) in [("tally", &self.tally), ("late", &self.late)] {
            if !tally.same_shape(&shape) {
                return Err(format!(
                    "{name}: its channels and candidates are not the poll's"
                ));
            }
        }
        let mut minutes = MinuteSeries::empty(poll);
        for (&since_epoch, votes) in &self.minutes {
            let minute = Minute::from_since_epoch(since_epoch)
                .ok_or_else(|| format!("minutes: there is no minute {since_epoch}"))?;
            if !votes.same_shape(&shape) {
                return Err(format!(
                    "minutes.{since_epoch}: its channels and candidates are not the poll's"
                ));
            }
            minutes
                .add_minute(minute, votes)
                .map_err(|overflow| format!("minutes.{since_epoch}: {overflow}"))?;
        }
        let quarantine = self.set_aside(&shape)?;
        let mut writers = BTreeMap::new();
        for document in &self.writers {
            if writers.insert(document.writer, document.ledger()).is_some() {
                return Err(format!("writers: {} is there twice", document.writer));
            }
        }
        Ok(ShardFigures {
            received_at_ms: None,
            shard: self.shard,
            fence: Some(self.fence),
            tally: self.tally.clone(),
            minutes,
            late: self.late.clone(),
            quarantine,
            quarantine_minutes: self.quarantine.clone(),
            writers,
            unlisted: EndedSums::default(),
        })
    }

    /// The sum of the votes that were set aside.
    fn set_aside(&self, shape: &Tally) -> Result<Quarantine, String> {
        let mut sum = Quarantine::default();
        for (&since_epoch, aside) in &self.quarantine {
            Minute::from_since_epoch(since_epoch)
                .ok_or_else(|| format!("quarantine: there is no minute {since_epoch}"))?;
            if aside.is_empty() || !aside.has_shape_of(shape) {
                return Err(format!(
                    "quarantine.{since_epoch}: its channels and candidates are not the poll's"
                ));
            }
            sum.merge(aside)
                .map_err(|overflow| format!("quarantine.{since_epoch}: {overflow}"))?;
        }
        Ok(sum)
    }
}

impl WriterDocument {
    fn of((writer, ledger): (&WriterId, &WriterLedger)) -> Self {
        Self {
            writer: *writer,
            last_sequence: ledger.last_sequence,
            votes: ledger.votes,
            drained: match ledger.drained {
                Drained::No => None,
                Drained::At(ms) => Some(Mark::At(ms)),
                Drained::Ended => Some(Mark::Word(Word::Ended)),
            },
            lost: ledger.lost,
        }
    }

    fn ledger(&self) -> WriterLedger {
        WriterLedger {
            last_sequence: self.last_sequence,
            votes: self.votes,
            drained: match self.drained {
                None => Drained::No,
                Some(Mark::At(ms)) => Drained::At(ms),
                Some(Mark::Word(Word::Ended)) => Drained::Ended,
            },
            lost: self.lost,
        }
    }
}
