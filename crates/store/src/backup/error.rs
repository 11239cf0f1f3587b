//! Why something is no backup.

use super::document::{FORMAT, VERSION};

/// The largest backup that is read, in bytes. The series of 48 hours for 4 candidates in 2 channels on 64
/// shards takes 10 MB.
pub const MAX_BACKUP_BYTES: usize = 256 * 1024 * 1024;

/// Why something is no backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is larger than any backup.
    #[error("it is larger than {MAX_BACKUP_BYTES} bytes, the most that is read")]
    TooLarge,
    /// It is not the JSON of a backup.
    #[error("{0}")]
    Syntax(String),
    /// It says that it is something else.
    #[error("format: must be {FORMAT:?}, is {0:?}")]
    Format(String),
    /// It is of another version.
    #[error("version: must be {VERSION}, is {0}: it was written by another version of votectl")]
    Version(u64),
    /// Its digest is not that of its content.
    #[error(
        "sha256: its content has {actual}, it says {recorded}: it is damaged, or was changed by hand"
    )]
    Digest {
        /// The digest of its content.
        actual: String,
        /// The digest that it holds.
        recorded: String,
    },
    /// What it holds does not agree.
    #[error("its content does not agree:{}", listed(.0))]
    Content(Vec<String>),
}

/// The most mistakes that are told.
const TOLD: usize = 10;

fn listed(mistakes: &[String]) -> String {
    let mut text: String = mistakes
        .iter()
        .take(TOLD)
        .map(|mistake| format!("\n  {mistake}"))
        .collect();
    if let Some(more) = mistakes.len().checked_sub(TOLD).filter(|more| *more > 0) {
        text.push_str(&format!("\n  and {more} more"));
    }
    text
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn syntax(error: serde_json::Error) -> BackupError {
    let cut_off = if error.is_eof() {
        "it ends too early, it was cut off: "
    } else {
        ""
    };
    BackupError::Syntax(format!("{cut_off}{error}"))
}
