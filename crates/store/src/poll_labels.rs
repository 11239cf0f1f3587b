//! The label that metrics of one poll have.

use prometheus_client::encoding::EncodeLabelSet;
use vote_domain::PollId;

/// Which poll.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PollLabels {
    poll: String,
}

impl PollLabels {
    pub(crate) fn of(id: &PollId) -> Self {
        Self {
            poll: id.to_string(),
        }
    }
}
