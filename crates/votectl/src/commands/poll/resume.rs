//! `votectl poll resume POLL`

use crate::commands::poll::change;
use crate::commands::poll::reason::ChangeArgs;
use crate::context::Context;
use crate::failure::Failure;
use vote_domain::Transition;

/// Takes votes again.
///
/// # Errors
/// As [`change::transition`].
pub(super) async fn run(args: ChangeArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    change::transition(&args.poll, &args.why, Transition::Resume, context).await
}
