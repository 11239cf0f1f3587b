//! The figures of a poll, shard by shard: what they are, and how they are read.

pub(crate) mod read;
mod shard;

pub use shard::{Drained, ShardFigures, WriterLedger};
