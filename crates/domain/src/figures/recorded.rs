//! What was recorded beside what counts of it: raw and annulled figures, for those who have to account for them.

use serde::{Deserialize, Serialize};

use crate::definition::poll_definition::PollDefinition;
use crate::definition::slug::{CandidateId, ChannelId};
use crate::figures::tally::Tally;

/// All votes that were recorded, and those of them that are annulled. What counts is the difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordedVotes {
    /// All of them, through all channels.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub total_votes: u128,
    /// Those of them that are annulled.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub annulled: u128,
    /// The channels in the poll's order.
    pub channels: Vec<RecordedChannel>,
}

/// What was recorded through one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordedChannel {
    /// Which channel.
    pub id: ChannelId,
    /// The candidates in the poll's order.
    pub candidates: Vec<RecordedCandidate>,
}

/// What was recorded for one candidate through one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordedCandidate {
    /// Which candidate.
    pub id: CandidateId,
    /// Its votes.
    pub votes: u64,
    /// Those of them that are annulled.
    pub annulled: u64,
}

impl RecordedVotes {
    /// Of a poll, where some of its votes are annulled.
    #[must_use]
    pub fn of(poll: &PollDefinition, recorded: &Tally, annulled: &Tally) -> Option<Self> {
        if annulled.is_zero() {
            return None;
        }
        let candidates = |channel: usize| {
            let candidates = poll.candidates().iter().enumerate();
            candidates.map(move |(place, candidate)| RecordedCandidate {
                id: candidate.id.clone(),
                votes: recorded.get(channel, place),
                annulled: annulled.get(channel, place),
            })
        };
        let channels = poll.channels().iter().enumerate();
        Some(Self {
            total_votes: recorded.total(),
            annulled: annulled.total(),
            channels: channels
                .map(|(place, channel)| RecordedChannel {
                    id: channel.id.clone(),
                    candidates: candidates(place).collect(),
                })
                .collect(),
        })
    }
}
