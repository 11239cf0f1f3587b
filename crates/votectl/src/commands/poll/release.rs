//! `votectl poll release POLL` and `votectl poll hold POLL`

use crate::commands::poll::change;
use crate::commands::poll::reason::{AskedArgs, ChangeArgs};
use crate::commands::poll::said::refused;
use crate::context::Context;
use crate::failure::Failure;
use jiff::Timestamp;
use vote_domain::{HeldFigures, Kind, Poll, Release};
use vote_store::{PollOperator, SaveError};

/// Lets the figures of a poll go on air, after asking where they can.
///
/// # Errors
/// [`Failure::Refused`] where the poll is void, or it was not confirmed.
pub(super) async fn release(args: AskedArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let AskedArgs { change, yes } = args;
    let (operator, poll) = context.find(&change.poll.poll).await?;
    let next = poll
        .release(context.now(), &context.global.by)
        .map_err(|error| refused(&poll.definition, error))?;
    if next.revision == poll.revision {
        return unchanged(&operator, &poll, context).await;
    }
    confirm_release(&poll, &next, yes, context)?;
    let next = next.because(change.why.reason);
    context.wrote(operator.save(&next, poll.revision).await?);
    change::report(&next, context)
}

/// Asks where a live poll's figures would go on air: what was seen there can't be taken back.
///
/// # Errors
/// Where it was not confirmed, or nobody can be asked.
pub(super) fn confirm_release(
    poll: &Poll,
    next: &Poll,
    yes: bool,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let definition = &poll.definition;
    let from = poll.release_state();
    let is_let_go = from != Release::Released && next.release_state() == Release::Released;
    // A draft is not seen before it is opened; by then it can be held.
    if !is_let_go || !poll.is_announced() || definition.kind() == Kind::Rehearsal {
        return Ok(());
    }
    let question = format!(
        "Release the figures of poll {} ({}, {}) to graphics, stream and overlay? They are {from} now, and what was on \
         air can't be taken back.",
        definition.id(),
        definition.title(),
        poll.state
    );
    context.terminal.confirm(&question, yes)
}

/// Freezes what graphics show of a poll, at once and without a question: it is said when something is wrong on air.
///
/// # Errors
/// [`Failure::Refused`] where the poll is void, or somebody else has changed it meanwhile.
pub(super) async fn hold(args: ChangeArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let (operator, poll) = context.find(&args.poll.poll).await?;
    let (now, by) = (context.now(), context.global.by.clone());
    let held = |figures| {
        let held = poll.hold(figures, now, &by);
        held.map_err(|error| refused(&poll.definition, error))
    };
    // The figures are those of the poll as it is once it is held.
    let without = held(None)?;
    if without.revision == poll.revision {
        return unchanged(&operator, &poll, context).await;
    }
    let next = match poll.release_state() {
        Release::Released => {
            let figures = figures(&operator, &poll, &without, now, context).await;
            held(figures)?
        }
        Release::Unreleased | Release::Held => without,
    };
    let next = next.because(args.why.reason);
    match operator.save(&next, poll.revision).await {
        Ok(written) => context.wrote(written),
        Err(error) => return Err(half_saved(&operator, &next, error, context).await),
    }
    change::report(&next, context)
}

/// The figures at which the poll is held. Where they can't be read it is held without: that something is wrong on air is no
/// moment to wait for them.
async fn figures(
    operator: &PollOperator,
    poll: &Poll,
    next: &Poll,
    now: Timestamp,
    context: &mut Context<'_>,
) -> Option<HeldFigures> {
    match operator.held_figures(poll, next, now).await {
        Ok(figures) => Some(figures),
        Err(error) => {
            context.terminal.note(&format!(
                "the figures can't be read ({error}): until it is released, graphics show none"
            ));
            None
        }
    }
}

/// An earlier attempt may have failed between the document and the last shard's fence.
async fn unchanged(
    operator: &PollOperator,
    poll: &Poll,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let state = poll.release_state();
    context.wrote(operator.fence(poll).await?);
    context.terminal.note(&format!(
        "poll {} is {state} already; nothing was changed",
        poll.definition.id()
    ));
    change::report(poll, context)
}

/// The document is what graphics go by, and it is written first: whoever holds a poll has to know whether it is held.
async fn half_saved(
    operator: &PollOperator,
    next: &Poll,
    error: SaveError,
    context: &mut Context<'_>,
) -> Failure {
    let found = operator.get(next.definition.id()).await;
    if found.is_ok_and(|found| found.is_some_and(|found| found == *next)) {
        context.terminal.note(
            "the poll is held; what failed is to tell all shards its new revision, which changes no figure: say the \
             command again",
        );
    }
    error.into()
}
