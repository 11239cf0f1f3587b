//! The fence of a shard: the copy of a poll's state that `commit.lua` checks in the same step in
//! which it counts.

use serde::{Deserialize, Serialize};
use vote_domain::{Poll, PollState};

use crate::error::StoreError;
use crate::keys::ShardKeys;
use crate::nodes::Nodes;
use crate::script::FENCE;

/// What a shard's fence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fence {
    /// The poll's state.
    pub state: PollState,
    /// Milliseconds since the Unix epoch.
    pub opens_at_ms: i64,
    /// Milliseconds since the Unix epoch.
    pub closes_at_ms: i64,
    /// The poll's revision that this was written from.
    pub revision: u64,
}

impl Fence {
    /// The fence that `poll` should have on each of its shards.
    #[must_use]
    pub fn of(poll: &Poll) -> Self {
        Self {
            state: poll.state,
            opens_at_ms: poll.definition.opens_at().as_millisecond(),
            closes_at_ms: poll.closes_at.as_millisecond(),
            revision: poll.revision,
        }
    }

    /// The fields as they are read by [`Fence::FIELDS`].
    pub(crate) fn parse(fields: &[Option<String>]) -> Option<Self> {
        let [state, opens_at, closes_at, revision] = fields else {
            return None;
        };
        Some(Self {
            state: state.as_deref()?.parse().ok()?,
            opens_at_ms: opens_at.as_deref()?.parse().ok()?,
            closes_at_ms: closes_at.as_deref()?.parse().ok()?,
            revision: revision.as_deref()?.parse().ok()?,
        })
    }

    /// The fields' values, in the order of [`Fence::FIELDS`].
    pub(crate) fn values(&self) -> [String; 4] {
        [
            self.state.to_string(),
            self.opens_at_ms.to_string(),
            self.closes_at_ms.to_string(),
            self.revision.to_string(),
        ]
    }

    /// The field beside the fence's own in which `commit.lua` keeps when the latest vote was received.
    pub(crate) const RECEIVED_AT: &str = "received_at";
    /// Another: how many batches the shard has had, which are the last sequences of all its writers added up.
    pub(crate) const BATCHES: &str = "batches";
    /// Another: the writers that came into the ledger last, the newest first, with spaces between them.
    pub(crate) const JOINED: &str = "joined";

    /// The hash's fields, in the order that [`Fence::parse`] takes.
    pub(crate) const FIELDS: [&str; 4] = ["state", "opens_at", "closes_at", "revision"];
}

/// What a shard said to a new fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FenceAnswer {
    /// Written.
    Done,
    /// Not written, for the shard has none to be replaced.
    Absent,
    /// The shard is over for good, as this state.
    Terminal(String),
    /// The shard has a newer revision.
    Newer(String),
}

/// What must be there for a fence to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FenceWrite {
    /// Whatever is there, or nothing.
    Always,
    /// Another fence: a shard without one may have been forgotten whole, and is not to be sealed so.
    Replace,
}

/// Writes a fence on one shard.
pub(crate) async fn write(
    nodes: &Nodes,
    keys: &ShardKeys,
    fence: &Fence,
    mode: FenceWrite,
) -> Result<FenceAnswer, StoreError> {
    let mut command = FENCE.command(1);
    command.arg(keys.state()).arg(&fence.values());
    if mode == FenceWrite::Replace {
        command.arg("replace");
    }
    let answer: String = nodes.run(&FENCE, &keys.state(), &command).await?;
    Ok(match answer.split_once(' ') {
        None if answer == "absent" => FenceAnswer::Absent,
        None => FenceAnswer::Done,
        Some(("terminal", state)) => FenceAnswer::Terminal(state.to_owned()),
        Some((_, revision)) => FenceAnswer::Newer(revision.to_owned()),
    })
}

/// Reads the fence of one shard.
pub(crate) async fn read(nodes: &Nodes, keys: &ShardKeys) -> Result<Option<Fence>, StoreError> {
    let mut command = redis::cmd("HMGET");
    command.arg(keys.state()).arg(&Fence::FIELDS);
    let fields: Vec<Option<String>> = nodes.query(&keys.state(), &command).await?;
    Ok(Fence::parse(&fields))
}
