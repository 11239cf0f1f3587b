//! Writers that have ended, one by one: for the proof of their receipts. The ledger has their sums, and these tell what is
//! known of them is still so.
//!
//! A writer that was in the ledger at the last reading and has left it is looked up by name, at the same tick. The others,
//! as when a process starts, are read in pieces, so many a tick, and kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{TryStreamExt as _, stream};
use vote_domain::{PollId, WriterId};

use crate::error::StoreError;
use crate::figures::{EndedSums, EndedWriter, ShardFigures, ended};
use crate::keys::ShardKeys;
use crate::nodes::Nodes;

/// The pieces of one poll that are read at a tick: some 2,000 writers. Votes wait behind each piece, and this process takes
/// as long to read it as Redis to give it; so where there are many, as at a start, it may take some seconds until all are known.
const PIECES: usize = 8;
/// Shards that are asked at the same time for writers that have just ended.
const SHARDS_AT_ONCE: usize = 8;

/// The ended writers of one shard. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct EndedWriters {
    sums: EndedSums,
    writers: Arc<BTreeMap<WriterId, EndedWriter>>,
    /// Whether some are not known yet.
    is_partial: bool,
}

impl EndedWriters {
    /// Of these writers, each with its last sequence and its votes; `is_partial` says that there are others.
    #[must_use]
    pub fn new(writers: &[(WriterId, u64, u64)], is_partial: bool) -> Self {
        let entry = |&(writer, last_sequence, votes)| {
            let entry = EndedWriter {
                last_sequence,
                votes,
            };
            (writer, entry)
        };
        let writers: BTreeMap<_, _> = writers.iter().map(entry).collect();
        Self {
            sums: sums_of(&writers),
            writers: Arc::new(writers),
            is_partial,
        }
    }

    /// How many they are, their last sequences and their votes, as the ledger has it.
    #[must_use]
    pub const fn sums(&self) -> EndedSums {
        self.sums
    }

    /// Whether some are still to be read.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Whether a writer is known to be one of them.
    #[must_use]
    pub fn has(&self, writer: &WriterId) -> bool {
        self.writers.contains_key(writer)
    }

    /// Whether one of them had recorded this batch; `None` where that is not known yet.
    #[must_use]
    pub fn has_batch(&self, writer: &WriterId, sequence: u64) -> Option<bool> {
        let known = self.writers.get(writer);
        match known.is_some_and(|known| sequence <= known.last_sequence) {
            false if self.is_partial => None,
            has => Some(has),
        }
    }
}

/// The ended writers of a poll's shards, as far as they were read.
#[derive(Debug)]
pub(super) struct KnownEnded(Vec<KnownShard>);

impl KnownEnded {
    pub(super) fn none(shards: u16) -> Self {
        Self((0..shards).map(|_| KnownShard::default()).collect())
    }

    /// Brings them up to what was just read of the shards.
    pub(super) async fn take(
        &mut self,
        nodes: &Nodes,
        poll: &PollId,
        shards: &[ShardFigures],
    ) -> Result<Vec<EndedWriters>, StoreError> {
        let keys = |shard: &ShardFigures| ShardKeys::new(poll, shard.shard);
        stream::iter(self.0.iter_mut().zip(shards).map(Ok))
            .try_for_each_concurrent(SHARDS_AT_ONCE, |(known, shard)| async move {
                known.follow(nodes, &keys(shard), shard).await
            })
            .await?;
        let mut left = PIECES;
        for (known, shard) in self.0.iter_mut().zip(shards) {
            while left > 0 && !known.is_settled(shard) {
                known.read_piece(nodes, &keys(shard), shard).await?;
                left -= 1;
            }
        }
        let shards = self.0.iter().zip(shards);
        Ok(shards.map(|(known, shard)| known.writers(shard)).collect())
    }
}

/// Those of one shard.
#[derive(Debug, Default)]
struct KnownShard {
    writers: Arc<BTreeMap<WriterId, EndedWriter>>,
    sums: EndedSums,
    /// The writers that were in the ledger when it was last read.
    in_ledger: Vec<WriterId>,
    /// All of them, while they are read.
    reading: Option<Reading>,
    /// The ledger's sums from when all of them began to be read until they were: there are no others, whatever the sums say.
    read_at: Option<EndedSums>,
}

/// Ended writers that were read so far.
#[derive(Debug)]
struct Reading {
    cursor: u64,
    found: BTreeMap<WriterId, EndedWriter>,
    /// The ledger's sums when it began.
    began_at: EndedSums,
}

impl KnownShard {
    /// Looks up the writers that have left the ledger.
    async fn follow(
        &mut self,
        nodes: &Nodes,
        keys: &ShardKeys,
        shard: &ShardFigures,
    ) -> Result<(), StoreError> {
        // Both are in order, and may be long.
        let mut there = in_ledger(shard).peekable();
        let mut left = self.in_ledger.clone();
        left.retain(|writer| {
            while there.next_if(|there| *there < writer).is_some() {}
            there.peek() != Some(&writer) && !self.writers.contains_key(writer)
        });
        if !left.is_empty() {
            let ended = ended::among(nodes, keys, &left).await?;
            for writer in ended.values() {
                self.sums.add(*writer);
            }
            if let Some(reading) = &mut self.reading {
                // They may have come behind what is read.
                reading.found.extend(&ended);
            }
            Arc::make_mut(&mut self.writers).extend(ended);
        }
        self.in_ledger.clear();
        self.in_ledger.extend(in_ledger(shard));
        Ok(())
    }

    /// Whether they are those of the sums, and none that the ledger has.
    fn agrees(&self, shard: &ShardFigures) -> bool {
        let mut in_ledger = self.in_ledger.iter();
        self.sums == shard.unlisted && !in_ledger.any(|writer| self.writers.contains_key(writer))
    }

    /// Whether there is nothing to be read.
    fn is_settled(&self, shard: &ShardFigures) -> bool {
        self.agrees(shard) || self.read_at == Some(shard.unlisted)
    }

    /// Reads on, or begins; what is known is replaced once all of them were read.
    async fn read_piece(
        &mut self,
        nodes: &Nodes,
        keys: &ShardKeys,
        shard: &ShardFigures,
    ) -> Result<(), StoreError> {
        let mut reading = self.reading.take().unwrap_or_else(|| Reading {
            cursor: 0,
            found: BTreeMap::new(),
            began_at: shard.unlisted,
        });
        let (next, ended) = ended::piece(nodes, keys, reading.cursor).await?;
        reading.found.extend(ended);
        if next > 0 {
            reading.cursor = next;
            self.reading = Some(reading);
            return Ok(());
        }
        self.sums = sums_of(&reading.found);
        self.writers = Arc::new(reading.found);
        // Otherwise some may have come behind what was read, and it begins anew where they are missing.
        self.read_at = (reading.began_at == shard.unlisted).then_some(shard.unlisted);
        Ok(())
    }

    fn writers(&self, shard: &ShardFigures) -> EndedWriters {
        EndedWriters {
            sums: shard.unlisted,
            writers: Arc::clone(&self.writers),
            is_partial: !self.is_settled(shard),
        }
    }
}

fn sums_of(writers: &BTreeMap<WriterId, EndedWriter>) -> EndedSums {
    let mut sums = EndedSums::default();
    for writer in writers.values() {
        sums.add(*writer);
    }
    sums
}

/// The writers that have entries of their own in the ledger, and not just a note of lost votes, in order.
fn in_ledger(shard: &ShardFigures) -> impl Iterator<Item = &WriterId> {
    let writers = shard.writers.iter();
    let writers = writers.filter(|(_, entry)| entry.last_sequence > 0);
    writers.map(|(writer, _)| writer)
}
