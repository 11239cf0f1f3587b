//! The commit lane: one vote's way to Redis.

mod backoff;
mod batch;
mod books;
mod call;
mod config;
mod copies;
mod durability;
mod gather;
mod heartbeats;
mod in_making;
mod incarnations;
mod lane;
pub mod metric_names;
mod metrics;
#[cfg(test)]
mod model;
mod outcome;
#[cfg(test)]
mod pieces;
mod queue;
mod recorder;
mod remembered;
mod reply;
mod sender;
mod shared;
mod spill;
mod target;
mod ticket;
mod traffic;
mod vote;
mod voter_limits;
mod voter_places;
mod wakes;
mod writer;

pub use config::LaneConfig;
pub(crate) use copies::check_fsync;
pub use durability::{Durability, DurabilityError, ReplicasMissing};
pub use outcome::{Acceptance, Outcome, Place};
pub use remembered::fields_of_a_shard;
pub(crate) use spill::LaneReplay;
pub use spill::{
    MAX_SPILL_BYTES, ReplayError, ReplayReport, Spill, SpillError, SpillHead, SpillPart,
    SpilledLane, WrittenSpill,
};
pub use traffic::{enough_votes, holds_back};
pub use vote::VoteToCast;
pub use writer::{Ended, NoVoterKey, OpenPoll, SentVote, VoteWriter, VoteWriterConfig};
