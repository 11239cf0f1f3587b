//! The figures of one shard.

use std::collections::BTreeMap;

use vote_domain::{
    MinuteSeries, Poll, Quarantine, ShardTotals, Tally, TallyOverflow, WriterId, WriterTotals,
};

use super::ended_sums::{EndedSums, EndedWriter};
use crate::fence::Fence;

/// What the ledger of a shard has of one writer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriterLedger {
    /// The sequence of its last batch.
    pub last_sequence: u64,
    /// All votes that it has recorded.
    pub votes: u64,
    /// Whether it has said that all it had accepted is here.
    pub drained: Drained,
    /// The votes that the lane which began as this writer had accepted, and has counted as lost.
    pub lost: u64,
}

/// A writer's word that all votes that it has accepted are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Drained {
    /// Not given.
    #[default]
    No,
    /// For a poll that closes at this time, in milliseconds since the Unix epoch.
    At(i64),
    /// Whenever the poll closes: it has ended.
    Ended,
}

impl WriterLedger {
    /// Whether the writer has nothing left to send to a poll that has closed at this time. One without a batch has sent
    /// nothing under that name: there is only what its lane has lost.
    #[must_use]
    pub const fn is_drained(&self, closes_at_ms: i64) -> bool {
        match self.drained {
            Drained::No => self.last_sequence == 0,
            Drained::At(ms) => ms == closes_at_ms,
            Drained::Ended => true,
        }
    }
}

impl From<&WriterLedger> for EndedWriter {
    fn from(entry: &WriterLedger) -> Self {
        Self {
            last_sequence: entry.last_sequence,
            votes: entry.votes,
        }
    }
}

/// All figures of one shard, as of one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardFigures {
    /// The shard's number, from 0.
    pub shard: u16,
    /// The fence; `None` where the shard has none.
    pub fence: Option<Fence>,
    /// When the latest vote of all batches was received, in milliseconds since the Unix epoch; `None` before the first
    /// batch, and of a shard that was written by an older version or restored from a backup.
    pub received_at_ms: Option<i64>,
    /// Votes by channel and candidate.
    pub tally: Tally,
    /// The same votes by minute.
    pub minutes: MinuteSeries,
    /// Votes that came too late, and are not in the tally.
    pub late: Tally,
    /// Votes that were set aside as suspect. Those that were released are in the tally, the others are not.
    pub quarantine: Quarantine,
    /// The same by minutes since the Unix epoch, where they were looked up.
    pub quarantine_minutes: BTreeMap<i64, Quarantine>,
    /// The ledger: the votes of the tally, and those of the quarantine that are outside of it, by writer. Writers that have ended are among them where they were
    /// looked up.
    pub writers: BTreeMap<WriterId, WriterLedger>,
    /// What the ledger's sums of ended writers have beyond those that are among `writers`: nothing where all of them were
    /// looked up, and the ledger agrees with itself.
    pub unlisted: EndedSums,
}

impl ShardFigures {
    /// All votes of the ledger.
    pub(crate) fn ledger_total(&self) -> u128 {
        let listed: i128 = self
            .writers
            .values()
            .map(|writer| i128::from(writer.votes))
            .sum();
        u128::try_from(listed + self.unlisted.votes).unwrap_or(0)
    }

    /// All votes that the ledger is to have: those of the tally, and what of the quarantine is outside of it.
    pub(crate) fn recorded_total(&self) -> u128 {
        self.tally.total() + self.quarantine.outside()
    }

    /// The sum of all writers' last sequences: grows with each batch.
    #[must_use]
    pub fn sequences(&self) -> u64 {
        let listed: i128 = self
            .writers
            .values()
            .map(|writer| i128::from(writer.last_sequence))
            .sum();
        u64::try_from(listed + self.unlisted.batches).unwrap_or(0)
    }

    /// The figures in the form in which they are sealed, with what of them is annulled in that poll.
    ///
    /// # Errors
    /// Where a sum overflows.
    pub(crate) fn totals(&self, poll: &Poll) -> Result<ShardTotals, TallyOverflow> {
        let annulled = poll.annulled(&self.minutes)?;
        let writers = self.writers.iter().map(|(writer, ledger)| WriterTotals {
            writer: *writer,
            last_sequence: ledger.last_sequence,
            votes: ledger.votes,
            lost: ledger.lost,
        });
        Ok(ShardTotals {
            shard: self.shard,
            tally: self.tally.clone(),
            late: self.late.clone(),
            annulled: (!annulled.is_zero()).then_some(annulled),
            writers: writers.collect(),
            quarantine: self.quarantine.clone(),
        })
    }
}
