//! `votectl poll delete POLL`

use crate::commands::poll_arg::PollArg;
use crate::context::Context;
use crate::failure::Failure;
use clap::Args;
use serde_json::json;
use vote_domain::PollId;

/// Which draft to delete.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    poll: PollArg,

    /// Don't ask for a confirmation
    #[arg(long)]
    yes: bool,
}

/// Removes a draft, after a confirmation. Repeated it finds that this is done, and asks again whether replicas have it.
///
/// # Errors
/// [`Failure::Refused`] when the poll is no draft, or somebody changes it meanwhile; also when it wasn't confirmed.
pub(super) async fn run(args: DeleteArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let id = &args.poll.poll;
    let operator = context.operator()?;
    if operator.get(id).await?.is_none()
        && let Some(written) = operator.deleted(id).await?
    {
        context.wrote(written);
        context
            .terminal
            .note("it had been deleted; nothing was changed");
        return report(id, context);
    }
    let poll = context.poll(&operator, id).await?;
    let marked = poll
        .deleted(context.now(), &context.global.by)
        .map_err(|error| Failure::refused(format!("poll `{id}`: {error}")))?;
    let question = format!(
        "Delete the draft {id} ({})? Nothing brings it back but its file: `votectl export {id} --what definition` \
         writes that.",
        poll.definition.title()
    );
    context.terminal.confirm(&question, args.yes)?;
    context.wrote(operator.delete(&marked, poll.revision).await?);
    report(id, context)
}

fn report(id: &PollId, context: &mut Context<'_>) -> Result<(), Failure> {
    context.memory.forget(id);
    if context.json() {
        return context.write_json(&json!({ "poll": id, "action": "deleted" }));
    }
    context
        .terminal
        .line(&format!("poll {id} is deleted; its id is free again"))
}
