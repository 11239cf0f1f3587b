//! What a scenario has found.

use serde::Serialize;

/// One scenario's figures.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Findings {
    pub(crate) scenario: String,
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
    /// Keys that were found recorded.
    pub(crate) recorded: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) longest_stall_ms: u64,
    /// Absent where the store never was away.
    pub(crate) after_back_ms: Option<u64>,
    /// What shows that the fault was felt.
    pub(crate) details: Vec<String>,
    /// Every promise that does not hold.
    pub(crate) failures: Vec<String>,
    pub(crate) seconds: u64,
}
