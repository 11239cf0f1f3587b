//! `votectl poll extend POLL`

use crate::commands::poll::change;
use crate::commands::poll::reason::ReasonArg;
use crate::commands::poll::said::refused;
use crate::commands::poll_arg::PollArg;
use crate::context::Context;
use crate::duration;
use crate::failure::Failure;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use vote_domain::{ExtendError, Poll, wire_time};
use vote_store::{SaveError, Written};

/// An extension beyond this is more often a mistaken date than meant.
const UNASKED: SignedDuration = SignedDuration::from_hours(24);

/// Which poll to extend, and how far.
#[derive(Debug, Args)]
pub struct ExtendArgs {
    #[command(flatten)]
    poll: PollArg,

    #[command(flatten)]
    to: To,

    #[command(flatten)]
    why: ReasonArg,

    /// Don't ask for a confirmation
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct To {
    /// The new closing time: 23:00 or 2026-11-25T23:00 in the poll's time zone, or with an offset or Z
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// How much longer, for example 30m or 1h30m
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    longer: Option<SignedDuration>,
}

/// Puts off the closing time.
///
/// # Errors
/// [`Failure::Refused`] when the poll's state doesn't allow it.
pub(super) async fn run(args: ExtendArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let id = &args.poll.poll;
    let (operator, poll) = context.find(id).await?;
    let now = context.now();
    let until = change::time("--until", args.to.until.as_deref(), &poll, now)?;
    let until = match (until, args.to.longer) {
        (Some(until), _) => until,
        (None, longer) => {
            let longer = longer.unwrap_or_default();
            poll.closes_at
                .checked_add(longer)
                .map_err(|_| Failure::usage(format!("--for: `{longer:#}` is too far away")))?
        }
    };
    let is_relative = args.to.longer.is_some();
    match poll.extend(until, now, &context.global.by) {
        Ok(next) => {
            confirm_extension(&poll, next.closes_at, args.yes, context)?;
            let next = next.because(args.why.reason);
            let saved = operator.save(&next, poll.revision).await;
            if is_relative {
                return relative(&next, saved, context);
            }
            context.wrote(saved?);
            change::report(&next, context)
        }
        // Repeated, perhaps because the first attempt failed between the document and the last
        // shard's fence.
        Err(ExtendError::NotLater { current }) if current == wire_time::floor(until) => {
            context.wrote(operator.fence(&poll).await?);
            change::report(&poll, context)
        }
        Err(error) => Err(refused(&poll.definition, error)),
    }
}

/// Says what came of an extension by `--for`. Where it has to be repeated, that must not extend the poll once more: the command
/// that is named has the end itself.
fn relative(
    next: &Poll,
    saved: Result<Written, SaveError>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let id = next.definition.id();
    let until = wire_time::format(next.closes_at);
    let command = format!("votectl poll extend {id} --until {until}");
    let repeat = format!("Repeat it as `{command}` (`--for` would count from the new end)");
    match saved {
        Ok(written) => {
            context.wrote(written);
            context.repeat_by(repeat);
            let named = context.is_to_be_repeated().then_some(command.as_str());
            change::report_with(next, named, context)
        }
        // Nothing is written then.
        Err(error @ (SaveError::Conflict { .. } | SaveError::BeingDeleted)) => Err(error.into()),
        Err(error) => {
            let failure = broken_off(error, &repeat);
            if context.json() {
                let error = failure.to_string();
                let said = json!({ "poll": id, "error": error, "repeat": command });
                context.write_json(&said)?;
            }
            Err(failure)
        }
    }
}

/// An extension that is written, or perhaps, and perhaps not everywhere.
fn broken_off(error: SaveError, repeat: &str) -> Failure {
    match error {
        half @ SaveError::HalfWritten(_) => Failure::half_written(&half, repeat),
        SaveError::Store(error) => match Failure::from(error) {
            Failure::Broken(error) => Failure::Broken(anyhow::anyhow!(
                "{error:#}. Whether it is written is not known. {repeat}"
            )),
            other => other,
        },
        other => Failure::refused(format!(
            "{other}. The poll's document has the new end. {repeat}"
        )),
    }
}

/// Asks where the poll would end more than a day later than now.
///
/// # Errors
/// Where it was not confirmed, or nobody can be asked.
pub(super) fn confirm_extension(
    poll: &Poll,
    until: Timestamp,
    yes: bool,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    if poll.closes_at.duration_until(until) <= UNASKED {
        return Ok(());
    }
    let definition = &poll.definition;
    let question = format!(
        "Keep poll {} ({}) open until {}? That is more than a day after {}, when it closes now.",
        definition.id(),
        definition.title(),
        definition.shown(until),
        definition.shown(poll.closes_at)
    );
    context.terminal.confirm(&question, yes)
}
