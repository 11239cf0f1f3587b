//! How many votes each voter has in a poll's channels, as all lanes of the poll know it.

use std::sync::atomic::{AtomicU32, Ordering};

use vote_domain::PollDefinition;

/// The limits of a poll's channels, in their order. A channel may get its first one while the poll is open, and lanes outlive that.
#[derive(Debug)]
pub(super) struct VoterLimits(Vec<AtomicU32>);

impl VoterLimits {
    pub(super) fn new(poll: &PollDefinition) -> Self {
        let channels = poll.channels().iter();
        let limits = Self(channels.map(|_| AtomicU32::new(0)).collect());
        limits.follow(poll);
        limits
    }

    /// Takes over what the poll says now. Before its votes have voters: one that has is counted from the first on.
    pub(super) fn follow(&self, poll: &PollDefinition) {
        for (limit, channel) in self.0.iter().zip(poll.channels()) {
            limit.store(channel.votes_per_voter.unwrap_or(0), Ordering::Release);
        }
    }

    /// The votes that a voter has in the channel; 0 for no limit.
    pub(super) fn of(&self, channel: u8) -> u32 {
        let limit = self.0.get(usize::from(channel));
        limit.map_or(0, |limit| limit.load(Ordering::Acquire))
    }
}
