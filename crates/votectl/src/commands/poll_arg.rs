//! The argument that names a poll.

use clap::Args;
use vote_domain::PollId;

/// Which poll.
#[derive(Debug, Clone, Args)]
pub struct PollArg {
    /// The poll's id
    #[arg(value_name = "POLL", value_parser = PollId::parse)]
    pub poll: PollId,
}
