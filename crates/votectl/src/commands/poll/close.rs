//! `votectl poll close POLL`

use crate::commands::poll::change;
use crate::commands::poll::reason::AskedArgs;
use crate::context::Context;
use crate::failure::Failure;
use vote_domain::{Poll, Transition};

/// Closes a poll, after asking where its time is not over.
///
/// # Errors
/// [`Failure::Refused`] when the poll's state doesn't allow it.
pub(super) async fn run(args: AskedArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let (_operator, poll) = context.find(&args.change.poll.poll).await?;
    // One that can't be closed is refused, or fenced again, without a question.
    let closes = poll.state.apply(Transition::Close).is_ok();
    if closes && !poll.is_over(context.now()) {
        context.terminal.confirm(&question(&poll), args.yes)?;
    }
    change::transition(&args.change, Transition::Close, context).await
}

fn question(poll: &Poll) -> String {
    let definition = &poll.definition;
    let id = definition.id();
    format!(
        "Close poll {id} ({}) now? It would take votes until {}, and can't be opened again. \
         `votectl poll pause {id}` only refuses votes for the time being.",
        definition.title(),
        definition.shown(poll.closes_at)
    )
}
