//! What all changes of a poll's state share: read, change, save, say so.

use crate::commands::poll::channels;
use crate::commands::poll::reason::ChangeArgs;
use crate::commands::poll::said::refused;
use crate::context::Context;
use crate::failure::Failure;
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;
use vote_domain::{OpenError, Poll, PollState, Transition, instant, wire_time};
use vote_store::{PollOperator, SealingError};

/// A writer that runs has sent something again by then: it tries four times per second.
const REPAIR: Duration = Duration::from_secs(3);

/// A poll after a change.
#[derive(Debug, Serialize)]
struct Changed<'a> {
    poll: &'a str,
    state: &'a str,
    revision: u64,
    #[serde(with = "wire_time")]
    opens_at: Timestamp,
    #[serde(with = "wire_time")]
    closes_at: Timestamp,
    timezone: &'a str,
    visibility: &'a str,
    /// What production has said of its figures on air.
    release: &'a str,
    /// Candidates that are out of it.
    withdrawn: Vec<&'a str>,
    /// The command that repeats the change, where replicas have not confirmed it and the same words would change it once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat: Option<&'a str>,
}

/// Reads a time that production gives for a poll: of its day, local to its zone, or an instant.
///
/// # Errors
/// [`Failure::Usage`] with the option's name and what would be right.
pub(super) fn time(
    option: &str,
    text: Option<&str>,
    poll: &Poll,
    now: Timestamp,
) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = text else {
        return Ok(None);
    };
    let read = instant::parse_next(text.trim(), poll.definition.zone(), now);
    let wrong = |error| Failure::usage(format!("{option}: {error}; is `{}`", text.escape_debug()));
    read.map(Some).map_err(wrong)
}

/// Makes a transition and saves it. Of a poll that is where it leads to, it makes sure that all shards know of that.
///
/// # Errors
/// [`Failure::Refused`] when the poll's state doesn't allow it, it is to take votes and its end has come, or somebody
/// else has changed the poll meanwhile.
pub(super) async fn transition(
    args: &ChangeArgs,
    transition: Transition,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let id = &args.poll.poll;
    let (operator, poll) = context.find(id).await?;
    let (now, by) = (context.now(), &context.global.by);
    let next = match transition {
        Transition::Open => poll.open(now, by),
        other => poll.transition(other, now, by).map_err(OpenError::State),
    };
    let next = match next {
        Ok(_) if transition == Transition::Resume && poll.is_over(now) => {
            return Err(ended(&poll, transition));
        }
        Ok(next) => next.because(args.why.reason.clone()),
        Err(_) if leads_to(transition, poll.state) => {
            return done_before(&operator, poll, transition, context).await;
        }
        Err(error) => return Err(refused(&poll.definition, error)),
    };
    let next = match transition {
        Transition::Void => void(&operator, &next, poll.revision, context).await?,
        _ => {
            context.wrote(operator.save(&next, poll.revision).await?);
            next
        }
    };
    if transition == Transition::Open
        && let Some(remark) = channels::remark(&next.definition, false)
    {
        context.terminal.note(&remark);
    }
    report(&next, context)
}

/// The poll had been brought to its state before. That attempt may have failed between the document and the last shard's
/// fence, or before replicas had it, or Redis has forgotten a fence since: this completes it.
///
/// # Errors
/// [`Failure::Refused`] when it was to take votes and its end has come; all shards have its state then too.
async fn done_before(
    operator: &PollOperator,
    poll: Poll,
    transition: Transition,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let poll = match poll.state {
        PollState::Void => void(operator, &poll, poll.revision, context).await?,
        _ => {
            fence_again(operator, &poll, context).await?;
            poll
        }
    };
    if poll.state == PollState::Open && poll.is_over(context.now()) {
        return Err(ended(&poll, transition));
    }
    context.terminal.note(&format!(
        "poll {} is {} already (it had been done; all shards have its state)",
        poll.definition.id(),
        poll.state
    ));
    report(&poll, context)
}

/// A poll was to take votes, and takes none any more.
fn ended(poll: &Poll, transition: Transition) -> Failure {
    let definition = &poll.definition;
    let end = wire_time::format(poll.closes_at);
    let why = format!(
        "can't {transition} a poll whose end, {end}, has come: `votectl poll close {}` closes it",
        definition.id()
    );
    refused(definition, why)
}

/// Saves a poll that was declared void, or completes that; gives it as it is then.
async fn void(
    operator: &PollOperator,
    next: &Poll,
    previous_revision: u64,
    context: &mut Context<'_>,
) -> Result<Poll, Failure> {
    let (next, written) = operator.void(next, previous_revision).await?;
    context.wrote(written);
    Ok(next)
}

/// Closes a poll that is open or paused and whose end has come, as `votectl poll close` does; gives it closed. If one of
/// its fences was missing, this takes a moment longer, as in [`fence_again`].
///
/// # Errors
/// As [`PollOperator::save`].
pub(super) async fn close_ended(
    operator: &PollOperator,
    poll: &Poll,
    context: &mut Context<'_>,
) -> Result<Poll, Failure> {
    let closed = poll
        .transition(Transition::Close, context.now(), &context.global.by)
        .map_err(Failure::refused)?;
    let missing = is_fence_missing(operator, poll).await?;
    context.wrote(operator.save(&closed, poll.revision).await?);
    let text = text(&closed, context.now());
    context.terminal.note(&text);
    if missing {
        wait_for_repair(context).await;
    }
    Ok(closed)
}

/// Writes the fences of a poll again, where an earlier attempt has left some out, or Redis has forgotten them. If
/// one of a closed poll was missing, this takes a moment longer: writers may have votes to send again there, and
/// sealing waits for those alone that have begun to.
///
/// # Errors
/// As [`PollOperator::fence`].
pub(super) async fn fence_again(
    operator: &PollOperator,
    poll: &Poll,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let missing = match poll.state {
        PollState::Closed => is_fence_missing(operator, poll).await?,
        _ => false,
    };
    let fenced = operator.fence(poll).await;
    if missing {
        wait_for_repair(context).await;
    }
    context.wrote(fenced?);
    Ok(())
}

/// Whether a shard has another fence than the poll's, or none.
async fn is_fence_missing(operator: &PollOperator, poll: &Poll) -> Result<bool, Failure> {
    match operator.fenced_as_closed(poll).await {
        Err(SealingError::Store(error)) => Err(error.into()),
        fenced => Ok(fenced.is_err()),
    }
}

async fn wait_for_repair(context: &mut Context<'_>) {
    context.terminal.note(&format!(
        "a shard had lost the closed poll's fence: for {} s its writers can begin to send again what is missing there",
        REPAIR.as_secs()
    ));
    tokio::time::sleep(REPAIR).await;
}

/// Whether the transition leads to this state, from wherever it is legal.
fn leads_to(transition: Transition, state: PollState) -> bool {
    PollState::ALL
        .iter()
        .any(|from| from.apply(transition) == Ok(state))
}

/// Says what the poll is like now.
///
/// # Errors
/// When that can't be written.
pub(super) fn report(poll: &Poll, context: &mut Context<'_>) -> Result<(), Failure> {
    report_with(poll, None, context)
}

/// The same; `repeat` is the command that repeats the change, where it has to be repeated.
///
/// # Errors
/// As [`report`].
pub(super) fn report_with(
    poll: &Poll,
    repeat: Option<&str>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let definition = &poll.definition;
    context.memory.see(poll, context.clock.now());
    if context.json() {
        return context.write_json(&Changed {
            poll: definition.id().as_str(),
            state: poll.state.as_str(),
            revision: poll.revision,
            opens_at: definition.opens_at(),
            closes_at: poll.closes_at,
            timezone: definition.timezone(),
            visibility: definition.visibility().as_str(),
            release: poll.release_state().as_str(),
            withdrawn: withdrawn(poll),
            repeat,
        });
    }
    let text = text(poll, context.now());
    context.terminal.line(&text)
}

fn text(poll: &Poll, now: Timestamp) -> String {
    let definition = &poll.definition;
    let opens = definition.opens_at();
    let from = if now < opens {
        format!(", takes votes from {}", definition.shown(opens))
    } else {
        String::new()
    };
    let until = match poll.state {
        PollState::Open | PollState::Paused if poll.is_over(now) => {
            let end = definition.shown(poll.closes_at);
            format!(", and its end has come: it closed at {end}")
        }
        PollState::Open | PollState::Paused => {
            format!("{from} until {}", definition.shown(poll.closes_at))
        }
        PollState::Closed => format!(" since {}", definition.shown(poll.closes_at)),
        _ => String::new(),
    };
    let without = match withdrawn(poll).as_slice() {
        [] => String::new(),
        withdrawn => format!(", without {}", withdrawn.join(", ")),
    };
    format!(
        "poll {} is {}{until}{without} ({} for the audience, {} on air, revision {})",
        definition.id(),
        poll.state,
        definition.visibility(),
        poll.release_state(),
        poll.revision
    )
}

fn withdrawn(poll: &Poll) -> Vec<&str> {
    let withdrawn = poll.withdrawn.iter();
    withdrawn.map(|one| one.candidate.as_str()).collect()
}
