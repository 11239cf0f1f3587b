//! How far a command is that goes through a poll shard by shard, or through a file.

use crate::context::Context;
use indicatif::ProgressBar;

/// A bar of the shards, or other parts, that are done; on a terminal alone, gone when dropped.
pub(super) struct Shards(ProgressBar);

impl Shards {
    /// For that many shards.
    pub(super) fn new(shards: u64, context: &Context<'_>) -> Self {
        if context.terminal.is_live() && shards > 1 {
            Self(ProgressBar::new(shards))
        } else {
            Self(ProgressBar::hidden())
        }
    }

    /// Tells that one more is done.
    pub(super) fn advance(&self) {
        self.0.inc(1);
    }

    /// Tells how many are done.
    pub(super) fn set(&self, shards: u16) {
        self.0.set_position(u64::from(shards));
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
