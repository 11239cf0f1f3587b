//! `votectl poll close POLL`

use crate::commands::poll::change;
use crate::commands::poll_arg::PollArg;
use crate::context::Context;
use crate::failure::Failure;
use vote_domain::Transition;

/// Takes no more votes, from now on.
///
/// # Errors
/// As [`change::transition`].
pub(super) async fn run(args: PollArg, context: &mut Context<'_>) -> Result<(), Failure> {
    change::transition(&args, Transition::Close, context).await
}
