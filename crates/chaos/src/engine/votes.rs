//! What a load sends: each vote's bytes and its client's manner follow from its index.

use std::fmt::Debug;
use vote_client::plan::{Plan, mix};

/// One vote in so many of the usual load is sent once only.
const IMPATIENT: u64 = 10;

/// The votes of a load, by their index.
pub(crate) trait Votes: Debug + Send + Sync {
    /// The candidate that a vote is for, by its place.
    fn candidate(&self, index: u64) -> usize;

    /// Renders the request of a vote into `buffer`: the same vote each time.
    fn render(&self, index: u64, buffer: &mut Vec<u8>);

    /// The same for looking its key up: nothing about it may keep the service from looking.
    fn render_look_up(&self, index: u64, buffer: &mut Vec<u8>) {
        self.render(index, buffer);
    }

    /// How its client goes about it.
    fn manner(&self, index: u64) -> Manner;
}

/// How a client goes about its vote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Whether it is sent again where it was not recorded, or its outcome is open.
    pub(crate) is_patient: bool,
    /// Whether its connection is cut right after it was sent first.
    pub(crate) is_cut: bool,
    /// Whether it is sent once more although it was accepted.
    pub(crate) is_doubled: bool,
}

impl Votes for Plan {
    fn candidate(&self, index: u64) -> usize {
        Self::candidate(self, index)
    }

    fn render(&self, index: u64, buffer: &mut Vec<u8>) {
        Self::render(self, index, buffer);
    }

    /// Every tenth is not sent again, so that refused and unknown ones remain.
    fn manner(&self, index: u64) -> Manner {
        Manner {
            is_patient: !mix(index).is_multiple_of(IMPATIENT),
            ..Manner::default()
        }
    }
}
