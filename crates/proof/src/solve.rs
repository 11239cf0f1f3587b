//! What a client does: for tools and tests. Pages have the official widget for it.

use altcha::{Challenge, Payload, SolveChallengeOptions, solve_challenge};
use data_encoding::BASE64;

use crate::LEAST_COUNTER;

/// A challenge could not be solved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolveError {
    /// It is no challenge.
    #[error("this is no challenge: {0}")]
    Unreadable(String),
    /// It took longer than 90 seconds.
    #[error("no solution was found within 90 seconds")]
    TimedOut,
}

/// Solves a challenge, given as JSON: the payload to send as a vote's `proof`. Takes as long as it was made to.
///
/// # Errors
/// [`SolveError`]
pub fn solve(challenge: &[u8]) -> Result<String, SolveError> {
    let unreadable = |error: &dyn std::fmt::Display| SolveError::Unreadable(error.to_string());
    let challenge: Challenge =
        serde_json::from_slice(challenge).map_err(|error| unreadable(&error))?;
    let mut options = SolveChallengeOptions::new(&challenge);
    options.counter_start = LEAST_COUNTER;
    let solved = solve_challenge(options);
    let solution = solved
        .map_err(|error| unreadable(&error))?
        .ok_or(SolveError::TimedOut)?;
    let payload = Payload {
        challenge,
        solution,
    };
    let json = serde_json::to_vec(&payload).map_err(|error| unreadable(&error))?;
    Ok(BASE64.encode(&json))
}
