//! `votectl poll forget-voters POLL`

use crate::commands::poll::change;
use crate::commands::poll::reason::AskedArgs;
use crate::commands::poll::said::refused;
use crate::context::Context;
use crate::failure::Failure;
use vote_domain::Poll;

/// Destroys the key of a poll's voters' digests, after asking: it can't be made again.
///
/// # Errors
/// [`Failure::Refused`] where the poll takes votes still, or it was not confirmed.
pub(super) async fn run(args: AskedArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let AskedArgs { change, yes } = args;
    let (operator, poll) = context.find(&change.poll.poll).await?;
    let next = poll
        .forget_voters(context.now(), &context.global.by)
        .map_err(|error| refused(&poll.definition, error))?;
    let next = if next.revision == poll.revision {
        next
    } else {
        context.terminal.confirm(&question(&poll), yes)?;
        next.because(change.why.reason)
    };
    let (written, was_there) = operator.forget_voters(&next, poll.revision).await?;
    context.wrote(written);
    let id = poll.definition.id();
    context.terminal.note(&if was_there {
        format!("the key of the voters of poll {id} is destroyed: their digests stand for nobody any more")
    } else {
        format!("poll {id} has no key of voters: nobody can be told by their digests")
    });
    change::report(&next, context)
}

fn question(poll: &Poll) -> String {
    let definition = &poll.definition;
    format!(
        "Destroy the key of the voters of poll {} ({}, {})? Who has voted can't be found out from then on, and a vote that \
         is sent again is not found any more. The figures stay.",
        definition.id(),
        definition.title(),
        poll.state
    )
}
