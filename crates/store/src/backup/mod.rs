//! A backup of one poll: everything of it that Redis holds for good, in one document that proves itself.

mod checks;
mod document;
mod error;
mod poll_backup;
mod totals;

pub use error::{BackupError, MAX_BACKUP_BYTES};
pub use poll_backup::{Backup, Taken};
pub use totals::Totals;
