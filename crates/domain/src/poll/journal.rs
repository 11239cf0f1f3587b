//! A poll's journal: who did what to it, when and why. Entries are only ever added.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::wire_time;

/// The longest reason, in characters.
const REASON_CHARS: usize = 500;

/// One thing that was done to a poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// When.
    #[serde(with = "wire_time")]
    pub at: Timestamp,
    /// What: `apply`, `extend`, `import`, or the name of a transition.
    pub action: String,
    /// By whom.
    pub by: String,
    /// What changed.
    pub detail: String,
    /// Why, in the operator's words. Entries from before there were reasons have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Why an operator did something: one line, in their own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Reason(String);

/// Why a text is no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// It says nothing, or is too long.
    #[error("a reason must have 1 to {REASON_CHARS} characters, not all blank; has {chars}")]
    Length {
        /// Its characters.
        chars: usize,
    },
    /// It is not one line of text.
    #[error("a reason must be one line, without control characters")]
    Characters,
}

impl Reason {
    /// Reads a reason; blanks around it are left out.
    ///
    /// # Errors
    /// [`ReasonError`] where it is blank, longer than 500 characters, or not one line.
    pub fn parse(text: &str) -> Result<Self, ReasonError> {
        let text = text.trim();
        let chars = text.chars().count();
        if chars == 0 || chars > REASON_CHARS {
            return Err(ReasonError::Length { chars });
        }
        let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if text.chars().any(breaks) {
            return Err(ReasonError::Characters);
        }
        Ok(Self(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reason {
    type Error = ReasonError;

    fn try_from(text: String) -> Result<Self, ReasonError> {
        Self::parse(&text)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        let reason = Reason::parse("  a luz caiu no estúdio ").expect("a reason");
        assert_eq!(reason.as_str(), "a luz caiu no estúdio");
        assert!(Reason::parse(&"é".repeat(500)).is_ok());
        for text in ["", "  ", "\u{3000}", &"x".repeat(501)] {
            assert!(
                matches!(Reason::parse(text), Err(ReasonError::Length { .. })),
                "{text}"
            );
        }
        for text in ["a\nb", "a\tb", "a\u{2028}b", "\u{1b}[31mred"] {
            assert_eq!(Reason::parse(text), Err(ReasonError::Characters), "{text}");
        }
    }

    #[test]
    fn an_entry_without_a_reason_is_what_it_was_before_there_were_any() {
        let text = r#"{"at":"2026-11-24T00:00:00.000Z","action":"pause","by":"ines","detail":"open to paused"}"#;
        let entry: AuditEntry = serde_json::from_str(text).expect("an entry");
        assert_eq!(entry.reason, None);
        assert_eq!(serde_json::to_string(&entry).expect("JSON"), text);
    }
}
