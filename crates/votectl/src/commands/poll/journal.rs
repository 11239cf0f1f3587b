//! `votectl poll journal POLL`

use crate::commands::poll::said::in_zone;
use crate::commands::poll_arg::PollArg;
use crate::context::Context;
use crate::failure::Failure;
use crate::table::{rendered, table};
use serde_json::json;
use vote_domain::Poll;

/// Shows all that was done to a poll, oldest first. Nothing in it is ever changed or taken out.
///
/// # Errors
/// When there is no such poll, or Redis can't be read.
pub(super) async fn run(args: PollArg, context: &mut Context<'_>) -> Result<(), Failure> {
    let (_operator, poll) = context.find(&args.poll).await?;
    if context.json() {
        return context.write_json(&json!({
            "poll": poll.definition.id(),
            "revision": poll.revision,
            "journal": poll.log,
        }));
    }
    context.terminal.line(&text(&poll))
}

fn text(poll: &Poll) -> String {
    let mut table = table(["AT", "WHAT", "BY", "CHANGE", "REASON"]);
    for entry in &poll.log {
        let reason = entry.reason.as_ref();
        table.add_row([
            poll.definition.shown(entry.at),
            entry.action.clone(),
            entry.by.clone(),
            in_zone(&entry.detail, &poll.definition),
            reason.map(ToString::to_string).unwrap_or_default(),
        ]);
    }
    rendered(table, 5..5)
}
