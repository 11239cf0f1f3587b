//! Everything that knows Redis: keys, scripts, commit lanes, snapshots.
//!
//! What a process may do is a type: a [`VoteWriter`] can't read a tally, a [`Snapshotter`] can't write
//! one, and a [`PollOperator`] is for the operator's command line alone. Each is made from a [`Store`].
#![forbid(unsafe_code)]

mod address;
mod audit;
mod backup;
mod changes;
mod commit;
mod config;
mod decision;
mod error;
mod fence;
mod fields;
mod figures;
mod forbidden;
mod keys;
mod nodes;
mod operator;
mod poll_labels;
mod polls;
mod script;
mod server;
mod snapshot;
mod store;
pub mod units;

pub use address::{Address, AddressError};
pub use audit::{AuditReport, Lost, ShardAudit, Undrained};
pub use backup::{Backup, BackupError, MAX_BACKUP_BYTES, Taken, Totals};
pub use commit::metric_names;
pub use commit::{
    Acceptance, Durability, DurabilityError, Ended, LaneConfig, MAX_SPILL_BYTES, NoVoterKey,
    OpenPoll, Outcome, Place, ReplayError, ReplayReport, ReplicasMissing, SentVote, Spill,
    SpillError, SpillHead, SpillPart, SpilledLane, VoteToCast, VoteWriter, VoteWriterConfig,
    WrittenSpill, enough_votes, fields_of_a_shard, holds_back,
};
pub use config::RedisConfig;
pub use error::StoreError;
pub use fence::Fence;
pub use figures::{Drained, EndedSums, Progress, ShardFigures, WriterLedger};
pub use nodes::Unconfirmed;
pub use operator::{
    Counted, DecideError, ListedPoll, OtherAnnulments, PollOperator, RestoreError, Restored,
    SaveError, SealingError, TakeError, Written,
};
pub use server::{
    Clocks, Difference, Finding, Inspection, Measured, Problem, Program, Rights, Watched,
    ask_for_user, inspect, longest_apart, try_commands, watch,
};
pub use snapshot::{
    Confirmed, EndedWriters, PollSnapshot, SnapshotConfig, Snapshots, Snapshotter, UnreadPoll,
};
pub use store::Store;
