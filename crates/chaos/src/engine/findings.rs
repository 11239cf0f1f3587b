//! What a scenario has found.

use serde::Serialize;
use std::collections::BTreeMap;

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
    /// How those who voted were treated, where they are of several kinds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) treated: Vec<Treated>,
    /// Every promise that does not hold.
    pub(crate) failures: Vec<String>,
    pub(crate) seconds: u64,
}

/// How one kind of those who voted was treated.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Treated {
    pub(crate) who: &'static str,
    pub(crate) sent: u64,
    /// What their clients were told.
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
    /// Of those that were recorded: in the tally.
    pub(crate) counted: u64,
    /// In the quarantine, by reason.
    pub(crate) set_aside: BTreeMap<&'static str, u64>,
}
