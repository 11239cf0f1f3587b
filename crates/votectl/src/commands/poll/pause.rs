//! `votectl poll pause POLL`

use crate::commands::poll::change;
use crate::commands::poll_arg::PollArg;
use crate::context::Context;
use crate::failure::Failure;
use vote_domain::Transition;

/// Refuses votes for the time being.
///
/// # Errors
/// As [`change::transition`].
pub(super) async fn run(args: PollArg, context: &mut Context<'_>) -> Result<(), Failure> {
    change::transition(&args, Transition::Pause, context).await
}
