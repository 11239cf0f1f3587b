//! Restoring a backup: shard by shard, without fences, and the poll itself last. See ARCHITECTURE.md,
//! "Backup and restore".

mod error;
mod hashes;
mod poll;
mod shard;

pub use error::RestoreError;
pub use poll::Restored;
