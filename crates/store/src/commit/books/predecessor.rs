//! A writer that a lane has started over from.

use std::time::Instant;

use vote_domain::WriterId;

/// It sends nothing any more, but what Redis has of it can still be forgotten.
#[derive(Debug, Clone)]
pub(in crate::commit) struct Predecessor {
    pub(in crate::commit) writer: WriterId,
    /// As the ledger had it last.
    pub(in crate::commit) sequence: u64,
    pub(in crate::commit) votes: u64,
    /// Asked for until then at least.
    pub(in crate::commit) until: Instant,
    /// The ledger says that it has ended.
    pub(in crate::commit) ended: bool,
}

impl Predecessor {
    /// The same as the ledger has it now.
    pub(in crate::commit) fn found(&self, sequence: u64, votes: u64, ended: bool) -> Self {
        Self {
            sequence,
            votes,
            ended,
            ..self.clone()
        }
    }
}
