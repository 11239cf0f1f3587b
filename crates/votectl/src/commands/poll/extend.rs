//! `votectl poll extend POLL`

use crate::commands::poll::change;
use crate::commands::poll::reason::ReasonArg;
use crate::commands::poll_arg::PollArg;
use crate::context::Context;
use crate::duration;
use crate::failure::Failure;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use vote_domain::{ExtendError, wire_time};

/// Which poll to extend, and how far.
#[derive(Debug, Args)]
pub struct ExtendArgs {
    #[command(flatten)]
    poll: PollArg,

    #[command(flatten)]
    to: To,

    #[command(flatten)]
    why: ReasonArg,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct To {
    /// The new closing time, for example 2026-11-26T02:30:00Z
    #[arg(long, value_name = "TIME", value_parser = wire_time::parse)]
    until: Option<Timestamp>,

    /// How much longer, for example 30m or 1h30m
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    longer: Option<SignedDuration>,
}

/// Puts off the closing time.
///
/// # Errors
/// [`Failure::Refused`] when the poll's state doesn't allow it.
pub(super) async fn run(args: ExtendArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let operator = context.operator()?;
    let poll = context.poll(&operator, &args.poll.poll).await?;
    let until = match (args.to.until, args.to.longer) {
        (Some(until), _) => until,
        (None, longer) => {
            let longer = longer.unwrap_or_default();
            poll.closes_at
                .checked_add(longer)
                .map_err(|_| Failure::usage(format!("--for: `{longer:#}` is too far away")))?
        }
    };
    match poll.extend(until, context.now(), &context.global.by) {
        Ok(next) => {
            let next = next.because(args.why.reason);
            operator.save(&next, poll.revision).await?;
            change::report(&next, context)
        }
        // Repeated, perhaps because the first attempt failed between the document and the last
        // shard's fence.
        Err(ExtendError::NotLater { current }) if current == wire_time::floor(until) => {
            operator.fence(&poll).await?;
            change::report(&poll, context)
        }
        Err(error) => Err(Failure::refused(format!(
            "poll `{}`: {error}",
            args.poll.poll
        ))),
    }
}
