//! `votectl poll reschedule POLL`

use crate::commands::poll::change;
use crate::commands::poll::extend::confirm_extension;
use crate::commands::poll::reason::AskedArgs;
use crate::commands::poll::said::refused;
use crate::context::Context;
use crate::failure::Failure;
use clap::Args;

/// Which poll to reschedule, and to when.
#[derive(Debug, Args)]
pub struct RescheduleArgs {
    #[command(flatten)]
    asked: AskedArgs,

    #[command(flatten)]
    to: To,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct To {
    /// The new closing time, earlier or later: 23:00 or 2026-11-25T23:00 in the poll's time zone, or with an offset or Z
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// The new opening time, until the present one comes; written like --until
    #[arg(long, value_name = "TIME")]
    opens_at: Option<String>,
}

/// Moves a poll's times.
///
/// # Errors
/// [`Failure::Refused`] when the poll's state doesn't allow it, or votes that were accepted could fall out.
pub(super) async fn run(args: RescheduleArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let RescheduleArgs {
        asked: AskedArgs { change, yes },
        to,
    } = args;
    let id = &change.poll.poll;
    let (operator, poll) = context.find(id).await?;
    let now = context.now();
    let opens_at = change::time("--opens-at", to.opens_at.as_deref(), &poll, now)?;
    let closes_at = change::time("--until", to.until.as_deref(), &poll, now)?;
    let next = poll
        .reschedule(opens_at, closes_at, now, &context.global.by)
        .map_err(|error| refused(&poll.definition, error))?;
    if next.revision == poll.revision {
        // An earlier attempt may have failed between the document and the last shard's fence.
        context.wrote(operator.fence(&poll).await?);
        return change::report(&poll, context);
    }
    confirm_extension(&poll, next.closes_at, yes, context)?;
    let next = next.because(change.why.reason);
    context.wrote(operator.save(&next, poll.revision).await?);
    change::report(&next, context)
}
