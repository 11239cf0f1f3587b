//! What is wrong with a poll file, said all at once: each violation names a field and a rule.

use std::fmt;

use crate::definition::MAX_FILE_BYTES;

/// The longest piece of someone else's text that a message repeats, in characters.
const SHOWN_CHARS: usize = 40;

/// The most violations that a message lists; the rest are counted.
const LISTED: usize = 50;

/// Text from outside, made fit for a message: escaped, and cut to forty characters.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref().take(SHOWN_CHARS) {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

/// One rule that one field breaks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// Where: a path such as `channels[1].weight`.
    pub field: String,
    /// What the field must be, and what it is.
    pub rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.rule)
    }
}

/// Every rule that a poll's definition breaks; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// A single one.
    pub(crate) fn one(field: &str, rule: &str) -> Self {
        Self(vec![Violation {
            field: field.to_owned(),
            rule: rule.to_owned(),
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

    /// The violations, in the order of a poll's fields.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Violations {
    type Item = &'a Violation;
    type IntoIter = std::slice::Iter<'a, Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
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

/// Why a text isn't a poll's definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// The file is too long to be one; it wasn't read.
    #[error("poll file: must have at most {MAX_FILE_BYTES} bytes, has {bytes}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// There is nothing in it.
    #[error("poll file: must not be empty")]
    Empty,
    /// It isn't text.
    #[error("poll file: must be UTF-8 text, isn't from byte {valid_up_to} on")]
    NotUtf8 {
        /// How many bytes at its beginning are UTF-8.
        valid_up_to: usize,
    },
    /// It isn't YAML, or isn't JSON.
    #[error("{field}: must be {format}: {message}")]
    Syntax {
        /// The field that was being read, or `poll file`.
        field: String,
        /// `YAML` or `JSON`.
        format: &'static str,
        /// What the parser says, with line and column.
        message: String,
    },
    /// It was read, and breaks rules: all that it breaks.
    #[error(transparent)]
    Invalid(#[from] Violations),
}

impl DefinitionError {
    /// All that is wrong, as fields and rules, whichever kind of error it is; never empty.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let (field, rule) = match self {
            Self::Invalid(violations) => return violations.0.clone(),
            Self::TooLarge { bytes } => (
                FILE,
                format!("must have at most {MAX_FILE_BYTES} bytes, has {bytes}"),
            ),
            Self::Empty => (FILE, "must not be empty".to_owned()),
            Self::NotUtf8 { valid_up_to } => (
                FILE,
                format!("must be UTF-8 text, isn't from byte {valid_up_to} on"),
            ),
            Self::Syntax {
                field,
                format,
                message,
            } => (field.as_str(), format!("must be {format}: {message}")),
        };
        vec![Violation {
            field: field.to_owned(),
            rule,
        }]
    }
}

/// The name of the file as a whole in a violation.
pub(crate) const FILE: &str = "poll file";
