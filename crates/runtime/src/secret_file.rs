//! Secrets from files, as they are mounted into containers.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use vote_domain::Secret;

/// The longest file, in bytes: no secret is as long, and a path to something else is not read to its end.
const MAX_BYTES: u64 = 64 * 1024;

/// Why a file gives no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file can't be read.
    #[error("can't be read: {0}")]
    Unreadable(std::io::Error),
    /// It is longer than any secret.
    #[error("the file has more than {MAX_BYTES} bytes: it is no secret's")]
    TooLong,
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
}

/// Reads the secret in that file. Newlines at its end are no part of it, nor is a byte-order mark, as some editors write it.
///
/// # Errors
/// The file can't be read, is too long, or holds nothing.
pub fn read(path: &Path) -> Result<Secret, SecretFileError> {
    let file = File::open(path).map_err(SecretFileError::Unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(SecretFileError::Unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SecretFileError::TooLong);
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| SecretFileError::Unreadable(std::io::ErrorKind::InvalidData.into()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(SecretFileError::Empty),
        secret => Ok(Secret::new(secret)),
    }
}
