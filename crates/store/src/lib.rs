//! Everything that knows Redis: keys, scripts, commit lanes, snapshots.
//!
//! Capabilities are types: [`VoteWriter`] can't read a tally, [`ResultsReader`] can't write one,
//! [`PollReader`] only reads what polls there are, and [`PollOperator`] is for the operator's
//! command line alone. A [`Store`] hands them out.
#![forbid(unsafe_code)]

mod address;
mod backup;
mod commit;
mod config;
mod directory;
mod error;
mod fence;
mod fields;
mod figures;
mod keys;
mod metrics;
mod nodes;
mod operator;
mod reader;
mod receipt_key;
mod script;
mod snapshot;
mod store;
pub mod units;

pub use address::{Address, AddressError};
pub use backup::{Backup, BackupError, MAX_BACKUP_BYTES, Taken, Totals};
pub use commit::{
    Durability, DurabilityError, LaneConfig, OpenPoll, Outcome, Place, ReplicasMissing, VoteToCast,
    VoteWriter, VoteWriterConfig,
};
pub use config::RedisConfig;
pub use directory::PollReader;
pub use error::StoreError;
pub use fence::Fence;
pub use figures::{Drained, ShardFigures, WriterLedger};
pub use metrics::VoteOutcome;
pub use operator::{
    AuditReport, PollOperator, RestoreError, Restored, SaveError, SealError, ShardAudit, TakeError,
    Undrained,
};
pub use reader::ResultsReader;
pub use snapshot::{Confirmed, PollSnapshot, SnapshotConfig, Snapshots, Snapshotter};
pub use store::Store;
