//! Whom a token names.

use std::sync::Arc;

/// Whom a token names. No log and no error can show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Voter {
    subject: Arc<str>,
    issued_at: Option<i64>,
}

impl Voter {
    pub(crate) fn new(subject: String, issued_at: Option<i64>) -> Self {
        Self {
            subject: subject.into(),
            issued_at,
        }
    }

    /// Who it is (`sub`), for the one place that makes the digest of it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// When the token was made (`iat`), in seconds since 1970, if it says so.
    #[must_use]
    pub fn issued_at(&self) -> Option<i64> {
        self.issued_at
    }
}

impl std::fmt::Debug for Voter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[voter]")
    }
}
