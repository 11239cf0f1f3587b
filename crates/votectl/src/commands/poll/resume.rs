//! `votectl poll resume POLL`

use super::{PollArg, change};
use crate::context::Context;
use crate::failure::Failure;
use vote_domain::Transition;

/// Takes votes again.
///
/// # Errors
/// As [`change::transition`].
pub(super) async fn run(args: PollArg, context: &mut Context<'_>) -> Result<(), Failure> {
    change::transition(&args, Transition::Resume, context).await
}
