//! Why something is done to a poll.

use crate::commands::poll_arg::PollArg;
use clap::Args;
use vote_domain::Reason;

/// Why something is done.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReasonArg {
    /// Why, for the poll's log (`votectl poll journal`): one line
    #[arg(long, value_name = "TEXT", value_parser = Reason::parse)]
    pub reason: Option<Reason>,
}

/// Which poll to change by something that can't be undone, why, and whether to ask.
#[derive(Debug, Args)]
pub struct AskedArgs {
    #[command(flatten)]
    pub(super) change: ChangeArgs,

    /// Don't ask for a confirmation
    #[arg(long)]
    pub(super) yes: bool,
}

/// Which poll to change, and why.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    #[command(flatten)]
    pub(super) poll: PollArg,

    #[command(flatten)]
    pub(super) why: ReasonArg,
}
