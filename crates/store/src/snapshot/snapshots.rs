//! What is published: the snapshot of each poll, and how fresh it is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use vote_domain::{
    MinuteSeries, Poll, PollId, Quarantine, ReceiptKey, SealedPoll, Tally, WriterId,
};

use super::ended::EndedWriters;
use crate::figures::WriterLedger;

/// What is known of one poll, as of one instant.
#[derive(Debug, Clone)]
pub struct PollSnapshot {
    /// The poll.
    pub poll: Poll,
    /// Votes of all shards, by channel and candidate, those that are annulled among them.
    pub tally: Tally,
    /// The votes of the tally that are annulled.
    pub annulled: Tally,
    /// The votes of the tally by minute.
    pub minutes: MinuteSeries,
    /// Votes that came too late.
    pub late: Tally,
    /// Votes that were set aside as suspect: nobody's but staff's.
    pub quarantine: Quarantine,
    /// The ledger, a map per shard, without the writers that have ended.
    pub ledger: Vec<BTreeMap<WriterId, WriterLedger>>,
    /// The writers that have ended, shard by shard.
    pub ended: Vec<EndedWriters>,
    /// Grows with every batch that was committed and every change of the poll; the same number in
    /// every process that reads the same figures.
    pub revision: u64,
    /// When the latest vote of these figures was received; of old and of restored data the beginning of its minute.
    /// The same in every process at the same revision. `None` without votes.
    pub received_at: Option<Timestamp>,
    /// The sealed result, once there is one.
    pub sealed: Option<Arc<SealedPoll>>,
}

impl PollSnapshot {
    /// The votes that count: all but those that are annulled.
    #[must_use]
    pub fn net_tally(&self) -> Cow<'_, Tally> {
        if self.annulled.is_zero() {
            return Cow::Borrowed(&self.tally);
        }
        // More can't be annulled than there is while tally and minutes agree. Where they don't, nothing of it may count.
        let net = self.tally.clone().without(&self.annulled);
        Cow::Owned(net.unwrap_or_else(|| Tally::empty(&self.poll.definition)))
    }

    /// The same by the minute.
    #[must_use]
    pub fn net_minutes(&self) -> Cow<'_, MinuteSeries> {
        if self.poll.has_annulments() {
            Cow::Owned(self.poll.net_minutes(&self.minutes))
        } else {
            Cow::Borrowed(&self.minutes)
        }
    }

    /// Whether the ledger has the batch that a receipt names; `None` where the writer may have ended, and not all of
    /// those were read yet.
    #[must_use]
    pub fn has_batch(&self, shard: u16, writer: &WriterId, sequence: u64) -> Option<bool> {
        let writers = self.ledger.get(usize::from(shard));
        match writers.and_then(|writers| writers.get(writer)) {
            Some(entry) if entry.last_sequence > 0 => Some(sequence <= entry.last_sequence),
            _ => match self.ended.get(usize::from(shard)) {
                Some(ended) => ended.has_batch(writer, sequence),
                None => Some(false),
            },
        }
    }

    /// Whether each writer that has ended was read.
    #[must_use]
    pub fn has_all_writers(&self) -> bool {
        !self.ended.iter().any(EndedWriters::is_partial)
    }

    /// The votes of the ledger.
    #[must_use]
    pub fn ledger_total(&self) -> u128 {
        let writers = self.ledger.iter().flat_map(BTreeMap::values);
        let writers: i128 = writers.map(|writer| i128::from(writer.votes)).sum();
        let ended: i128 = self.ended.iter().map(|ended| ended.sums().votes).sum();
        u128::try_from(writers + ended).unwrap_or(0)
    }

    /// The writers of each shard that have not ended: those that have may have left a note of what their lanes have lost.
    pub fn writers(&self) -> impl Iterator<Item = (&WriterId, &WriterLedger)> {
        let shards = self.ledger.iter().enumerate();
        shards.flat_map(move |(shard, writers)| {
            let has_ended = move |writer| self.ended.get(shard).is_some_and(|all| all.has(writer));
            writers
                .iter()
                .filter(move |(writer, entry)| entry.last_sequence > 0 || !has_ended(*writer))
        })
    }

    /// How many writers have ended, over all shards.
    #[must_use]
    pub fn ended_writers(&self) -> usize {
        let ended = self.ended.iter().map(|ended| ended.sums().writers);
        usize::try_from(ended.sum::<i128>()).unwrap_or(0)
    }

    /// The votes that writers have noted as lost: those of the sealed result once there is one, as the figures are.
    /// 0 says that none are noted, not that there are none: a process that was killed notes nothing.
    #[must_use]
    pub fn lost(&self) -> u64 {
        if let Some(sealed) = &self.sealed {
            return sealed.lost;
        }
        let writers = self.ledger.iter().flat_map(BTreeMap::values);
        writers.fold(0, |lost, writer| writer.lost.saturating_add(lost))
    }
}

/// A snapshot, and when Redis last confirmed it.
#[derive(Debug, Clone)]
pub struct Confirmed {
    /// The figures.
    pub snapshot: Arc<PollSnapshot>,
    /// When they were last read and found unchanged.
    pub confirmed_at: Timestamp,
}

/// A poll of which nothing could be read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadPoll {
    /// When this process first tried.
    pub since: Timestamp,
    /// Whether it takes votes, or is paused, and so has an audience. It may be, where the server of its document is away; it is
    /// taken for none where the document says nothing to this version.
    pub is_open: bool,
}

/// All that was read so far. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Snapshots {
    /// By poll.
    pub polls: Arc<BTreeMap<PollId, Confirmed>>,
    /// Polls that are on the list, or were, and whose figures could not be read even once.
    pub unread: Arc<BTreeMap<PollId, UnreadPoll>>,
    /// Whether the list lacks something: a poll is unread, its document can't be read any more, or
    /// Redis has forgotten it.
    pub is_incomplete: bool,
    /// When the list of polls was last read; `None` before it was for the first time.
    pub polls_read_at: Option<Timestamp>,
    /// The key of receipts, where the services share it through Redis.
    pub receipt_key: Option<Arc<ReceiptKey>>,
}
