//! Snapshots: the figures as the results service publishes them, read at a fixed cadence.
//!
//! The cost to Redis depends on polls, shards and cadence, never on readers.

mod assemble;
mod awaited_replays;
mod cadence;
mod config;
mod ended;
mod kept;
mod ledgers;
mod metrics;
mod minutes;
mod reader;
mod search;
mod snapshots;
mod snapshotter;
mod ticks;

pub use config::SnapshotConfig;
pub use ended::EndedWriters;
pub use snapshots::{Confirmed, PollSnapshot, Snapshots, UnreadPoll};
pub use snapshotter::Snapshotter;
