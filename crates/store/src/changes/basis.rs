//! How something was read, with which later answers are compared.

use vote_domain::PollId;

use crate::keys::ShardKeys;

/// What a shard had when it was last read: when its latest vote was received.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    pub(crate) poll: PollId,
    pub(crate) shard: ShardKeys,
    /// How it was read.
    pub(crate) basis: Basis,
    pub(crate) received_at_ms: Option<i64>,
}

/// The number of a question: what was read after it is compared with later answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Asked(pub(super) u64);

/// How something was read: what servers say later is about that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Basis {
    /// The question before it was read.
    pub(super) asked: Asked,
    /// Whether it was read over connections that tell of its changes.
    pub(super) is_watched: bool,
}

impl Basis {
    /// The same of something else, that was read over such connections or was not.
    pub(crate) const fn watched(self, is_watched: bool) -> Self {
        Self { is_watched, ..self }
    }
}
