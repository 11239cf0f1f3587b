//! `votectl poll open POLL`

use super::{PollArg, change};
use crate::context::Context;
use crate::failure::Failure;
use vote_domain::Transition;

/// Lets a draft take votes.
///
/// # Errors
/// As [`change::transition`].
pub(super) async fn run(args: PollArg, context: &mut Context<'_>) -> Result<(), Failure> {
    change::transition(&args, Transition::Open, context).await
}
