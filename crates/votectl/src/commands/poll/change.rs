//! What all changes of a poll's state share: read, change, save, say so.

use super::PollArg;
use crate::context::Context;
use crate::failure::Failure;
use jiff::Timestamp;
use serde::Serialize;
use vote_domain::{Poll, Transition, wire_time};

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
}

/// Makes a transition and saves it.
///
/// # Errors
/// [`Failure::Refused`] when the poll's state doesn't allow it, or somebody else has changed the poll meanwhile.
pub(super) async fn transition(
    args: &PollArg,
    transition: Transition,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let operator = context.operator()?;
    let poll = context.poll(&operator, &args.poll).await?;
    let next = match poll.transition(transition, context.now(), &context.global.by) {
        Ok(next) => next,
        Err(illegal) => {
            // An earlier attempt may have failed between the document and the last shard's fence.
            let last = poll.log.last();
            let again = if last.is_some_and(|entry| entry.action == transition.as_str()) {
                operator.fence(&poll).await?;
                " (it had been done; all shards have its state)"
            } else {
                ""
            };
            return Err(Failure::refused(format!(
                "poll `{}`: {illegal}{again}",
                args.poll
            )));
        }
    };
    operator.save(&next, poll.revision).await?;
    report(&next, context)
}

/// Says what the poll is like now.
///
/// # Errors
/// When that can't be written.
pub(super) fn report(poll: &Poll, context: &mut Context<'_>) -> Result<(), Failure> {
    let definition = &poll.definition;
    if context.json() {
        return context.write_json(&Changed {
            poll: definition.id().as_str(),
            state: poll.state.as_str(),
            revision: poll.revision,
            opens_at: definition.opens_at(),
            closes_at: poll.closes_at,
        });
    }
    let text = text(poll, context.now());
    context.terminal.line(&text)
}

fn text(poll: &Poll, now: Timestamp) -> String {
    let definition = &poll.definition;
    let opens = definition.opens_at();
    let from = if now < opens {
        format!(", takes votes from {}", wire_time::format(opens))
    } else {
        String::new()
    };
    let until = match poll.state {
        vote_domain::PollState::Open | vote_domain::PollState::Paused => {
            format!("{from} until {}", wire_time::format(poll.closes_at))
        }
        vote_domain::PollState::Closed => format!(" since {}", wire_time::format(poll.closes_at)),
        _ => String::new(),
    };
    format!(
        "poll {} is {}{until} (revision {})",
        definition.id(),
        poll.state,
        poll.revision
    )
}
