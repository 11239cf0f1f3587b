//! The proof of a poll's figures: tally = minutes = ledger = sealed, shard by shard. It compares what was
//! read, and knows no Redis.

pub(crate) mod compare;
mod report;
mod undrained;

pub(crate) use report::audit_report;
pub use report::{AuditReport, Lost, ShardAudit};
pub use undrained::Undrained;
pub(crate) use undrained::undrained;
