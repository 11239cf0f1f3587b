//! Why a backup was not restored.

use crate::error::StoreError;
use crate::operator::save::SaveError;

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Redis holds something of that poll. Nothing was written.
    #[error("Redis already holds something of that poll ({}); a backup neither replaces nor adds to what is there", .0.join(", "))]
    Taken(Vec<String>),
    /// It could not even be begun.
    #[error("{0}; nothing was written")]
    NotBegun(StoreError),
    /// Another backup of that poll is half restored. Nothing was written.
    #[error("another backup of that poll (sha256 {0}) is half restored: complete that one first")]
    Other(String),
    /// Somebody else writes to the poll at the same time.
    #[error("{0}")]
    Disturbed(String),
    /// What was written reads back differently.
    #[error("shard {shard} reads back differently: {difference}")]
    ReadBack {
        /// The shard.
        shard: u16,
        /// What differs.
        difference: String,
    },
    /// The poll itself could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
}
