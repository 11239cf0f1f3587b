//! Randomness of the operating system: the only place that draws it.

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness: {0}")]
pub struct EntropyError(String);

/// `N` bytes that nobody can predict.
///
/// # Errors
/// The operating system has no randomness to give, which is as good as never, and final.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that draws randomness"
)]
pub fn random_bytes<const N: usize>() -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| EntropyError(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_draws_differ() {
        let first: [u8; 16] = super::random_bytes().expect("randomness");
        let second: [u8; 16] = super::random_bytes().expect("randomness");
        assert_ne!(first, second);
    }
}
