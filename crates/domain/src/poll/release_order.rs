//! What production has said of a poll's figures, as it is kept with the poll.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definition::slug::CandidateId;
use crate::figures::percent::Percent;
use crate::names::wire_enum;
use crate::poll::phase::Status;
use crate::wire_time;

/// What `Poll::release` is called in the log.
pub(super) const RELEASE: &str = "release";

/// What `Poll::hold` is called there.
pub(super) const HOLD: &str = "hold";

wire_enum! {
    /// What production has said of the figures that graphics show.
    #[cfg_attr(feature = "openapi", schema(examples("released")))]
    pub enum Release as "release" {
        /// Nothing yet, of a poll whose figures have to be released: graphics get names and no figures.
        Unreleased = "unreleased",
        /// They may go on air.
        Released = "released",
        /// They are frozen, and are not to go on air.
        Held = "held",
    }
}

/// The last of the commands by which production says what may go on air; it outlives the rule of the poll's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseOrder {
    /// The figures may go on air.
    Released,
    /// They are frozen at these; `None`: graphics show none until they are released.
    Held(Option<HeldFigures>),
}

/// The figures that all graphics show while a poll is held. They are kept with the poll, so that every process shows
/// the same ones, whenever it has started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldFigures {
    /// The revision of the figures.
    pub revision: u64,
    /// When they were read.
    #[serde(with = "wire_time")]
    pub as_of: Timestamp,
    /// How far they can be relied on.
    pub status: Status,
    /// All votes.
    pub total_votes: u128,
    /// How each candidate stood.
    pub candidates: Vec<HeldCandidate>,
}

/// How a candidate stood when a poll was held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldCandidate {
    /// Which candidate.
    pub candidate: CandidateId,
    /// Its votes, through all channels.
    pub votes: u128,
    /// Its share; absent where it was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<Percent>,
    /// Its rank; absent where it was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
}
