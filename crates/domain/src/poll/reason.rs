//! Why something was done to a poll.

use serde::{Deserialize, Serialize};

use crate::line::belongs_into_a_line;

/// The longest reason, in characters.
const MOST_CHARS: usize = 500;

/// Why an operator did something to a poll: one line of 1 to 500 characters, without blanks at its ends. It is read on
/// terminals and in reports, so that nothing in it moves a cursor or turns the direction of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, derive_more::Display)]
#[serde(try_from = "String")]
pub struct Reason(String);

/// Why a text is no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// It has too few or too many characters.
    #[error("must have 1 to {MOST_CHARS} characters, not all blank; has {chars}")]
    Length {
        /// How many it has.
        chars: usize,
    },
    /// It isn't one line of plain text.
    #[error("must be one line, without control characters and marks of text direction; has U+{:04X}", u32::from(*found))]
    Character {
        /// The first character that it must not have.
        found: char,
    },
}

impl Reason {
    /// Takes a text as a reason, without the blanks around it.
    ///
    /// # Errors
    /// Where it is blank, longer than 500 characters, or has characters that don't belong into one line.
    pub fn parse(text: &str) -> Result<Self, ReasonError> {
        let text = text.trim();
        let chars = text.chars().count();
        if text.is_empty() || chars > MOST_CHARS {
            return Err(ReasonError::Length { chars });
        }
        if let Some(found) = text.chars().find(|c| !belongs_into_a_line(*c)) {
            return Err(ReasonError::Character { found });
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reason {
    type Error = ReasonError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Reason, ReasonError};

    #[test]
    fn a_reason_is_one_line_of_plain_text() {
        let reason =
            Reason::parse("  Ana saiu do programa – decisão médica 🩺 ").expect("it is one");
        assert_eq!(reason.as_str(), "Ana saiu do programa – decisão médica 🩺");
        for longest in ["x".repeat(500), "é".repeat(500)] {
            Reason::parse(&longest).expect("it is one");
        }
        for (text, chars) in [("", 0), (" \t ", 0)] {
            assert_eq!(Reason::parse(text), Err(ReasonError::Length { chars }));
        }
        let huge = "x".repeat(1_000_000);
        assert_eq!(
            Reason::parse(&huge).expect_err("too long").to_string(),
            "must have 1 to 500 characters, not all blank; has 1000000"
        );
        for found in [
            '\n', '\r', '\t', '\0', '\u{1b}', '\u{85}', '\u{9b}', '\u{2028}', '\u{2029}',
            '\u{202e}', '\u{2066}', '\u{200f}',
        ] {
            let text = format!("a{found}b");
            assert_eq!(
                Reason::parse(&text),
                Err(ReasonError::Character { found }),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_is_no_reason_is_not_read_as_one() {
        let reason: Reason = serde_json::from_str(r#""rain""#).expect("it is one");
        assert_eq!(
            serde_json::to_string(&reason).expect("serialises"),
            r#""rain""#
        );
        let wrong = serde_json::from_str::<Reason>(r#""a\nb""#).expect_err("two lines");
        assert!(wrong.to_string().contains("U+000A"), "{wrong}");
    }
}
