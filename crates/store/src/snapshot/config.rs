//! The cadence of snapshots.

use std::time::Duration;

/// A poll that no longer takes votes is read once in so many ticks, and an open one that has not changed for long at most as
/// seldom.
pub(super) const QUIET_EVERY: u32 = 4;

/// The cadence of a [`Snapshotter`](super::snapshotter::Snapshotter).
#[derive(Debug, Clone, Copy)]
pub struct SnapshotConfig {
    /// How often open polls are read.
    pub interval: Duration,
    /// How often the list of polls is read.
    pub polls_interval: Duration,
    /// Age from which figures of an open poll are not shown as fresh ones any more.
    pub stale_after: Duration,
}

impl SnapshotConfig {
    /// An open poll that has not changed for long is read once in so many ticks: twice before its figures are stale.
    pub(super) fn rest_every(&self) -> u32 {
        let ticks = self.stale_after.as_millis() / 2 / self.interval.as_millis().max(1);
        u32::try_from(ticks)
            .unwrap_or(QUIET_EVERY)
            .clamp(1, QUIET_EVERY)
    }

    /// The longest time between two confirmations of a poll that takes no votes: it is read more
    /// seldom than an open one, or confirmed by the list of polls alone.
    #[must_use]
    pub fn slowest_confirmation(&self) -> Duration {
        (self.interval * QUIET_EVERY).max(self.polls_interval)
    }
}
