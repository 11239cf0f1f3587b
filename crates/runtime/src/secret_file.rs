//! Secrets from files, as they are mounted into containers.

use std::path::Path;

use vote_domain::Secret;

/// Why a file gives no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file can't be read.
    #[error("can't be read: {0}")]
    Unreadable(std::io::Error),
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
}

/// Reads the secret in that file. Newlines at its end are no part of it.
///
/// # Errors
/// The file can't be read, or holds nothing.
pub fn read(path: &Path) -> Result<Secret, SecretFileError> {
    let text = std::fs::read_to_string(path).map_err(SecretFileError::Unreadable)?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(SecretFileError::Empty),
        secret => Ok(Secret::new(secret)),
    }
}
