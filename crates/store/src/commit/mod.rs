//! The commit lane: one vote's way to Redis.

mod attempt;
mod batch;
mod config;
mod copies;
mod durability;
mod gather;
mod inquiry;
mod lane;
mod load;
#[cfg(test)]
mod model;
mod queue;
mod repair;
mod reply;
mod settle;
mod ticket;
mod window;
mod writer;

use opentelemetry::trace::SpanContext;
use vote_domain::{KeyDigest, Refusal, VoterDigest, WriterId};

pub use config::LaneConfig;
pub use durability::{Durability, DurabilityError, ReplicasMissing};
pub use writer::{OpenPoll, VoteWriter, VoteWriterConfig};

/// One vote, parsed and admitted, on its way to its lane.
#[derive(Debug, Clone)]
pub struct VoteToCast {
    /// Index of the channel in the poll's definition.
    pub channel: u8,
    /// Index of the candidate in the poll's definition.
    pub candidate: u8,
    /// When the vote was received, in milliseconds since the Unix epoch. It decides whether the
    /// vote came in time, and the minute it counts in.
    pub received_at_ms: i64,
    /// Digest of the client's idempotency key.
    pub key: Option<KeyDigest>,
    /// Digest of the voter, where the channel knows one.
    pub voter: Option<VoterDigest>,
    /// The span of the request, where it is traced.
    pub span: Option<Box<SpanContext>>,
}

/// Where a recorded vote stands: what its receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The writer of the batch.
    pub writer: WriterId,
    /// The shard it went to.
    pub shard: u16,
    /// The batch's sequence. In the tally as soon as the ledger's last is not lower.
    pub sequence: u64,
    /// The vote's place in the batch, from 0.
    pub place: u32,
}

/// How a vote ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Recorded, and acknowledged by Redis.
    Accepted {
        /// Its place in the ledger.
        place: Place,
        /// The span of its batch, where the vote is traced.
        batch: Option<Box<SpanContext>>,
    },
    /// Its key had been recorded before, for the same channel and candidate.
    Duplicate,
    /// Its key had been recorded before, for another vote.
    Mismatch,
    /// The voter has used all votes of this channel.
    LimitReached,
    /// The poll does not take votes now; nothing was recorded (a late one is counted as late).
    Refused(Refusal),
    /// The lane's queue is full. Not recorded.
    QueueFull,
    /// Waited the accept timeout without being sent, and was withdrawn. Not recorded.
    NotRecorded,
    /// Sent, but the answer is still out: it may be recorded or not.
    Unknown,
}
