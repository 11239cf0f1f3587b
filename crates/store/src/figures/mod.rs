//! The figures of a poll, shard by shard: what they are, and how they are read.

pub(crate) mod by_name;
pub(crate) mod ended;
mod ended_sums;
mod known_ledger;
pub(crate) mod minutes;
mod parse;
pub(crate) mod quarantine;
pub(crate) mod read;
mod shard;
pub(crate) mod whole;

pub use ended_sums::EndedSums;
pub(crate) use ended_sums::EndedWriter;
pub(crate) use known_ledger::KnownLedger;
pub use shard::{Drained, ShardFigures, WriterLedger};
pub use whole::Progress;
