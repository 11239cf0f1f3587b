//! What can go wrong between us and Redis.

use std::fmt::Display;

/// An operation on the store that could not be done.
///
/// "Not found" is never an error here: it is an `Option`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection could be had from the pool in time: Redis is away, or the pool is too small.
    #[error("no connection to Redis: {0}")]
    Connect(String),
    /// Redis answered with an error, or the connection failed on the way.
    #[error("Redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// What is stored is not what this version writes.
    #[error("{key} holds what this version can't read: {reason}")]
    Corrupt {
        /// The key.
        key: String,
        /// What was expected there.
        reason: String,
    },
    /// The address of Redis, or what TLS needs, can't be used.
    #[error("the address of Redis (redis.url) is not usable: {0}")]
    Address(String),
    /// The server has no memory left for what takes more of it.
    #[error(
        "the Redis server {server} is full: {used} of {max} bytes (maxmemory) are used, and it refuses what takes more, votes \
         among them; raise its maxmemory, or remove what is not ours from it. Polls that are there can still be paused, closed, \
         changed and sealed"
    )]
    Full {
        /// The server.
        server: String,
        /// Bytes in use.
        used: u64,
        /// The most that it may use.
        max: u64,
    },
    /// The server can't do what is asked of it.
    #[error("this Redis can't do that: {0}")]
    Unsupported(String),
}

impl StoreError {
    pub(crate) fn corrupt(key: &str, reason: &(impl Display + ?Sized)) -> Self {
        Self::Corrupt {
            key: key.to_owned(),
            reason: reason.to_string(),
        }
    }
}
