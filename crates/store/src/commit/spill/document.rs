//! The lines of a spill as they are written: JSON, one object a line.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vote_domain::{PollId, QuarantineReason, WriterId, wire_time};

/// What says that a file is a spill.
pub(super) const FORMAT: &str = "vote-spill";
/// The version of the form that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;
/// The largest spill that is read, in bytes. A window of 48 MiB is a file of about 60 MB.
pub const MAX_SPILL_BYTES: usize = 512 * 1024 * 1024;

/// What the first line says of the file, whatever else it holds.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u64,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeadLine {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) software: String,
    #[serde(with = "wire_time")]
    pub(super) written_at: Timestamp,
    pub(super) key_window_ms: i64,
}

/// Each line after it: a lane, then its batches; the end comes last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Lane(LaneLine),
    Batch(BatchLine),
    End(EndLine),
}

/// A writer on a shard.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LaneLine {
    pub(super) poll: PollId,
    pub(super) shard: u16,
    pub(super) writer: WriterId,
    pub(super) last_sequence: u64,
    pub(super) redis_last: Option<u64>,
    pub(super) votes: u64,
    pub(super) predecessors: Vec<WriterId>,
    pub(super) fields: Vec<String>,
}

/// A batch of the lane of the last such line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchLine {
    pub(super) sequence: u64,
    pub(super) earliest_ms: i64,
    pub(super) latest_ms: i64,
    pub(super) counted: u64,
    /// Writers and sequences.
    pub(super) before: Vec<(WriterId, u64)>,
    /// Places in the lane's `fields`, and votes.
    pub(super) plain: Vec<(usize, u64)>,
    pub(super) checked: Vec<CheckedEntry>,
    /// Places in `checked`, in order, of votes that are set aside as suspect, and why. Not there where none is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) quarantined: Vec<(usize, QuarantineReason)>,
}

/// A place in the lane's `fields`, and the digests of key and voter, as 32 hexadecimal digits.
pub(super) type CheckedEntry = (usize, Option<String>, Option<String>);

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndLine {
    pub(super) lanes: usize,
    pub(super) batches: usize,
    pub(super) votes: u64,
    /// SHA-256 in lower-case hexadecimal over all bytes of the lines before.
    pub(super) sha256: String,
}
