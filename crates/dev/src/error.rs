//! Why everything was stopped.

use vote_store::StoreError;

/// Why everything was stopped. Its text says what was wrong, where, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// An option, or what is installed, is to blame.
    #[error("{0}")]
    Usage(String),
    /// A part was not ready in time, or ended by itself.
    #[error("{0}")]
    Ended(String),
    /// Redis can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine would not do it.
    #[error("{0:#}")]
    Broken(#[from] anyhow::Error),
}

impl From<std::io::Error> for DevError {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.into())
    }
}
