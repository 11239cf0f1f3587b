//! A poll's journal: who did what to it, when and why. Entries are only ever added.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::poll::reason::Reason;
use crate::wire_time;

/// One thing that was done to a poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// When.
    #[serde(with = "wire_time")]
    pub at: Timestamp,
    /// What: `apply`, `extend`, `reschedule`, `visibility`, `withdraw`, `readmit`, `annul`, `take-back`, `release`, `hold`, `import`, `delete`,
    /// `quarantine-release`, `quarantine-annul`, or the name of a transition.
    pub action: String,
    /// By whom.
    pub by: String,
    /// What changed.
    pub detail: String,
    /// Why, in the operator's words. Entries from before there were reasons have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_a_reason_is_what_it_was_before_there_were_any() {
        let text = r#"{"at":"2026-11-24T00:00:00.000Z","action":"pause","by":"ines","detail":"open to paused"}"#;
        let entry: AuditEntry = serde_json::from_str(text).expect("an entry");
        assert_eq!(entry.reason, None);
        assert_eq!(serde_json::to_string(&entry).expect("JSON"), text);
    }
}
