//! `votectl poll visibility POLL VISIBILITY`

use crate::commands::poll::change;
use crate::commands::poll::reason::AskedArgs;
use crate::commands::poll::said::refused;
use crate::context::Context;
use crate::failure::Failure;
use clap::Args;
use vote_domain::{Poll, UnknownName, Visibility};

/// Which poll, and what the audience sees of it.
#[derive(Debug, Args)]
pub struct VisibilityArgs {
    #[command(flatten)]
    asked: AskedArgs,

    /// public (all figures), percentages (no counts, no series) or embargoed (no figures)
    #[arg(value_name = "VISIBILITY", value_parser = visibility)]
    visibility: Visibility,
}

fn visibility(text: &str) -> Result<Visibility, UnknownName> {
    text.parse()
}

/// Changes what the audience sees, after asking where that is more than before.
///
/// # Errors
/// [`Failure::Refused`] where the poll is void, or it was not confirmed.
pub(super) async fn run(args: VisibilityArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let VisibilityArgs {
        asked: AskedArgs { change, yes },
        visibility,
    } = args;
    let id = &change.poll.poll;
    let (operator, poll) = context.find(id).await?;
    let next = poll
        .show(visibility, context.now(), &context.global.by)
        .map_err(|error| refused(&poll.definition, error))?;
    if next.revision == poll.revision {
        // An earlier attempt may have failed between the document and the last shard's fence.
        context.wrote(operator.fence(&poll).await?);
        return change::report(&poll, context);
    }
    confirm_showing(&poll, visibility, yes, context)?;
    let next = next.because(change.why.reason);
    context.wrote(operator.save(&next, poll.revision).await?);
    change::report(&next, context)
}

/// Asks where an audience that there is sees more than before: what it has seen can't be taken back.
///
/// # Errors
/// Where it was not confirmed, or nobody can be asked.
pub(super) fn confirm_showing(
    poll: &Poll,
    visibility: Visibility,
    yes: bool,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let definition = &poll.definition;
    let from = definition.visibility();
    if !poll.is_announced() || !visibility.shows_more_than(from) {
        return Ok(());
    }
    let question = format!(
        "Show the figures of poll {} ({}, {}) as {visibility}? They are {from} now, and what the audience has seen can't \
         be taken back.",
        definition.id(),
        definition.title(),
        poll.state
    );
    context.terminal.confirm(&question, yes)
}
