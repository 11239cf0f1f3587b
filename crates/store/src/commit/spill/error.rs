//! Why a file is no spill.

use super::document::{FORMAT, MAX_SPILL_BYTES, VERSION};

/// Why a file is no spill that can be sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpillError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is larger than any spill.
    #[error("it is larger than {MAX_SPILL_BYTES} bytes, the most that is read")]
    TooLarge,
    /// Parts of it in a log do not make a whole.
    #[error("its parts in the log: {0}")]
    Parts(String),
    /// A line is not what it should be.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// It says that it is something else.
    #[error("line 1: format: must be {FORMAT:?}, is {0:?}")]
    Format(String),
    /// It is of another version.
    #[error(
        "line 1: version: must be {VERSION}, is {0}: it was written by another version of vote-ingest"
    )]
    Version(u64),
    /// Its last line is missing.
    #[error("it ends without its last line (`{{\"end\":…}}`): it was cut off")]
    CutOff,
    /// Its digest is not that of its content.
    #[error(
        "line {line}: sha256: the lines before have {actual}, it says {recorded}: the file is damaged, or was changed by hand"
    )]
    Digest {
        /// The line that says it.
        line: usize,
        /// The digest of its content.
        actual: String,
        /// The digest that it holds.
        recorded: String,
    },
}

impl SpillError {
    pub(super) fn line(line: usize, reason: impl Into<String>) -> Self {
        Self::Line {
            line,
            reason: reason.into(),
        }
    }
}
