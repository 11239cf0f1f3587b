//! `votectl poll void POLL`

use crate::commands::poll::change;
use crate::commands::poll::reason::AskedArgs;
use crate::commands::poll::said::refused;
use crate::context::Context;
use crate::failure::Failure;
use vote_domain::{PollState, Transition};

/// Declares a poll invalid, after a confirmation.
///
/// # Errors
/// As [`change::transition`]; also when it wasn't confirmed.
pub(super) async fn run(args: AskedArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let AskedArgs { change, yes } = args;
    let id = &change.poll.poll;
    let (operator, poll) = context.find(id).await?;
    if poll.state == PollState::Void {
        // Fenced again, for an earlier attempt may have failed half-way.
        return change::transition(&change, Transition::Void, context).await;
    }
    // Asked only where it can be done.
    poll.transition(Transition::Void, context.now(), &context.global.by)
        .map_err(|illegal| refused(&poll.definition, illegal))?;
    let milder = if operator.is_half_sealed(&poll).await? {
        format!("Its sealing was begun: `votectl poll seal {id}` completes that.")
    } else {
        format!("`votectl poll pause {id}` only refuses votes for the time being.")
    };
    let question = format!(
        "Void poll {id} ({}, {})? Its votes never count, and nothing brings it back. {milder}",
        poll.definition.title(),
        poll.state
    );
    context.terminal.confirm(&question, yes)?;
    change::transition(&change, Transition::Void, context).await
}
