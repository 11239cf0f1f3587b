//! The cadence of snapshots.

use std::time::Duration;

/// A poll that no longer takes votes is read once in so many ticks.
pub(super) const QUIET_EVERY: u32 = 4;

/// The cadence of a [`Snapshotter`](super::snapshotter::Snapshotter).
#[derive(Debug, Clone, Copy)]
pub struct SnapshotConfig {
    /// How often open polls are read.
    pub interval: Duration,
    /// How often the list of polls is read.
    pub polls_interval: Duration,
}

impl SnapshotConfig {
    /// The longest time between two confirmations of a poll that takes no votes: it is read more
    /// seldom than an open one, or confirmed by the list of polls alone.
    #[must_use]
    pub fn slowest_confirmation(&self) -> Duration {
        (self.interval * QUIET_EVERY).max(self.polls_interval)
    }
}
