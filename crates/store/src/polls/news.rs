//! What a reading of the polls has found, and what it has shown.

use std::collections::BTreeSet;

use vote_domain::{Poll, PollId};

use super::documents::says_what_is_there;
use crate::error::StoreError;

/// What a reading has found of a poll that is on the list.
#[expect(
    clippy::large_enum_variant,
    reason = "each is taken apart within the reading"
)]
#[derive(Debug)]
pub(super) enum Found {
    /// Its document is the one that is known.
    Same,
    /// It was read.
    Read(Result<Option<Poll>, StoreError>),
}

impl Found {
    /// Whether what is there is known, be it nothing.
    pub(super) const fn is_known(&self) -> bool {
        match self {
            Self::Same | Self::Read(Ok(_)) => true,
            Self::Read(Err(error)) => says_what_is_there(error),
        }
    }
}

/// What Redis turned out to have forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Regression {
    /// The whole poll.
    Poll {
        id: PollId,
        /// The revision that it was last read at.
        was: Option<u64>,
    },
    /// A change: the poll is there at an older revision than before.
    Change { id: PollId, was: u64, is: u64 },
}

/// What a reading of the polls has shown.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// What Redis has forgotten.
    pub(crate) regressions: Vec<Regression>,
    /// Drafts that an operator has deleted; another poll may have the id of one by now.
    pub(crate) deleted: BTreeSet<PollId>,
    /// Whether a document could not be read, since its server is away: it is to be read again, whatever servers say of changes.
    pub(crate) is_partial: bool,
    /// Why the list could not be read, if that is so: its polls are those of the last one.
    pub(crate) list_failed: Option<StoreError>,
}
