//! Idempotency keys.

use vote_runtime::entropy::{EntropyError, random_bytes};

/// The first part of the keys of one run: no other run has the same.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn fresh(name: &str) -> Result<String, EntropyError> {
    let bytes: [u8; 8] = random_bytes()?;
    Ok(format!("{name}-{}", data_encoding::HEXLOWER.encode(&bytes)))
}
