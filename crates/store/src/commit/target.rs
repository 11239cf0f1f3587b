//! What a lane's batches are written to.

use std::sync::Arc;

use vote_domain::{Poll, PollId};

use super::remembered::Remembered;
use super::voter_limits::VoterLimits;
use super::voter_places::VoterPlaces;
use crate::keys::ShardKeys;

/// The shard's keys and the poll's fields.
#[derive(Debug)]
pub(crate) struct Target {
    pub(super) poll: PollId,
    pub(super) shard: u16,
    pub(super) keys: ShardKeys,
    /// Where and for how long keys are remembered.
    pub(super) remembered: Remembered,
    /// Where voters are counted.
    pub(super) voter_places: VoterPlaces,
    channels: Vec<String>,
    limits: Arc<VoterLimits>,
    fields: Vec<String>,
    candidates: usize,
}

impl Target {
    /// Of a lane that ends before the poll's definition changes.
    pub(crate) fn new(poll: &Poll, shard: u16, key_window_ms: i64) -> Self {
        let limits = VoterLimits::new(&poll.definition);
        Self::sharing(Arc::new(limits), poll, shard, key_window_ms)
    }

    /// With the limits that all lanes of the poll have.
    pub(super) fn sharing(
        limits: Arc<VoterLimits>,
        poll: &Poll,
        shard: u16,
        key_window_ms: i64,
    ) -> Self {
        let remembered = Remembered::new(poll, key_window_ms);
        let poll = &poll.definition;
        let fields = poll
            .channels()
            .iter()
            .flat_map(|channel| {
                poll.candidates()
                    .iter()
                    .map(move |candidate| crate::fields::pair(&channel.id, &candidate.id))
            })
            .collect();
        Self {
            poll: poll.id().clone(),
            shard,
            keys: ShardKeys::new(poll.id(), shard),
            remembered,
            voter_places: VoterPlaces::new(poll.shards()),
            channels: poll
                .channels()
                .iter()
                .map(|channel| channel.id.to_string())
                .collect(),
            limits,
            fields,
            candidates: poll.candidates().len(),
        }
    }

    /// The field of a channel's candidate, in the tally and its like.
    pub(super) fn field(&self, channel: u8, candidate: u8) -> &str {
        &self.fields[usize::from(channel) * self.candidates + usize::from(candidate)]
    }

    /// The fields of all channels' candidates, channel by channel.
    pub(super) fn fields(&self) -> &[String] {
        &self.fields
    }

    /// How many of them a channel has.
    pub(super) const fn candidates(&self) -> usize {
        self.candidates
    }

    /// The channel's id.
    pub(super) fn channel(&self, channel: u8) -> &str {
        &self.channels[usize::from(channel)]
    }

    /// The votes that a voter has in the channel; 0 for no limit.
    pub(super) fn limit(&self, channel: u8) -> u32 {
        self.limits.of(channel)
    }
}
