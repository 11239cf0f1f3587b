//! `votectl poll void POLL`

use crate::commands::poll::change;
use crate::commands::poll::reason::ReasonArg;
use crate::commands::poll_arg::PollArg;
use crate::context::Context;
use crate::failure::Failure;
use clap::Args;
use vote_domain::{PollState, Transition};

/// Which poll to void.
#[derive(Debug, Args)]
pub struct VoidArgs {
    #[command(flatten)]
    poll: PollArg,

    #[command(flatten)]
    why: ReasonArg,

    /// Don't ask for a confirmation
    #[arg(long)]
    yes: bool,
}

/// Declares a poll invalid, after a confirmation.
///
/// # Errors
/// As [`change::transition`]; also when it wasn't confirmed.
pub(super) async fn run(args: VoidArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let operator = context.operator()?;
    let poll = context.poll(&operator, &args.poll.poll).await?;
    if poll.state == PollState::Void {
        // Fenced again, for an earlier attempt may have failed half-way.
        return change::transition(&args.poll, &args.why, Transition::Void, context).await;
    }
    // Asked only where it can be done.
    poll.transition(Transition::Void, context.now(), &context.global.by)
        .map_err(|illegal| Failure::refused(format!("poll `{}`: {illegal}", args.poll.poll)))?;
    let question = format!(
        "Void poll {} ({}, {})? Its votes never count, and nothing brings it back.",
        args.poll.poll,
        poll.definition.title(),
        poll.state
    );
    context.terminal.confirm(&question, args.yes)?;
    change::transition(&args.poll, &args.why, Transition::Void, context).await
}
