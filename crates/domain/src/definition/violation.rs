//! What is wrong with a poll file, said all at once: each violation names a field and a rule.

use std::fmt;

/// The name of the file as a whole in a violation.
pub(crate) const FILE: &str = "poll file";

/// The most violations that a message lists; the rest are counted.
const LISTED: usize = 50;

/// One rule that one field breaks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, derive_more::Display)]
#[display("{field}: {rule}")]
pub struct Violation {
    /// Where: a path such as `channels[1].weight`.
    pub field: String,
    /// What the field must be, and what it is.
    pub rule: String,
}

/// All that is wrong with a poll file; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// A single one.
    pub(crate) fn one(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self(vec![Violation {
            field: field.into(),
            rule: rule.into(),
        }])
    }

    /// `Ok` where nothing was found.
    pub(crate) fn check(found: Vec<Violation>) -> Result<(), Self> {
        if found.is_empty() {
            Ok(())
        } else {
            Err(Self(found))
        }
    }

    /// The violations, in the order of a poll's fields.
    #[must_use]
    pub fn as_slice(&self) -> &[Violation] {
        &self.0
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, violation) in self.0.iter().take(LISTED).enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            violation.fmt(f)?;
        }
        if self.0.len() > LISTED {
            write!(f, "; and {} more", self.0.len() - LISTED)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}
