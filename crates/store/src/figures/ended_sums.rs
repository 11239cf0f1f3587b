//! What is kept of writers that have ended: of each, and added up.

use crate::fields;

/// Writers that have ended, added up. Differences of sums are of this type as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, derive_more::Display)]
#[display("{writers} writers, {batches} batches and {votes} votes")]
pub struct EndedSums {
    /// How many they are.
    pub writers: i128,
    /// Their last sequences.
    pub batches: i128,
    /// Their votes.
    pub votes: i128,
}

/// What is kept of a writer that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndedWriter {
    /// The sequence of its last batch.
    pub(crate) last_sequence: u64,
    /// All votes that it has recorded.
    pub(crate) votes: u64,
}

impl EndedSums {
    /// The sum that a field of the ledger has.
    pub(super) fn field(&mut self, field: &[u8]) -> Option<&mut i128> {
        match std::str::from_utf8(field).ok()? {
            fields::ENDED_WRITERS => Some(&mut self.writers),
            fields::ENDED_BATCHES => Some(&mut self.batches),
            fields::ENDED_VOTES => Some(&mut self.votes),
            _ => None,
        }
    }

    /// With one writer more.
    pub(crate) fn add(&mut self, writer: EndedWriter) {
        self.writers += 1;
        self.batches += i128::from(writer.last_sequence);
        self.votes += i128::from(writer.votes);
    }

    /// With one writer less.
    pub(crate) fn subtract(&mut self, writer: EndedWriter) {
        self.writers -= 1;
        self.batches -= i128::from(writer.last_sequence);
        self.votes -= i128::from(writer.votes);
    }
}
