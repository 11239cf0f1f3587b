//! `votectl quarantine release|annul POLL`

use crate::commands::poll::said::refused;
use crate::commands::poll_arg::PollArg;
use crate::commands::quarantine::selection::{WindowArgs, reason};
use crate::context::Context;
use crate::failure::Failure;
use clap::Args;
use serde_json::json;
use vote_domain::{Fate, Poll, QuarantineDecision, QuarantineReason, QuarantineSelection, Reason};
use vote_store::{DecideError, PollOperator};

/// Which votes to decide of, and why.
#[derive(Debug, Args)]
pub struct DecideArgs {
    #[command(flatten)]
    poll: PollArg,

    /// The votes of this reason: deny_list, fast_proof, token_age, client_fields, prefix_share or key_pattern; can be given more
    /// than once
    #[arg(long = "reason", value_name = "REASON", value_parser = reason, required = true)]
    reasons: Vec<QuarantineReason>,

    #[command(flatten)]
    window: WindowArgs,

    /// Why it is so decided, for the poll's log (`votectl poll journal`): one line
    #[arg(long, value_name = "TEXT", value_parser = Reason::parse)]
    why: Reason,

    /// Don't ask for a confirmation
    #[arg(long)]
    yes: bool,
}

/// Decides of votes that were set aside, after asking. Where there are none that are undecided, nothing is done: it may have been
/// decided before.
///
/// # Errors
/// [`Failure::Refused`] where the poll's state doesn't allow it, somebody else has changed the poll meanwhile, or it was not
/// confirmed.
pub(super) async fn run(
    args: DecideArgs,
    decision: QuarantineDecision,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let (operator, poll) = context.find(&args.poll.poll).await?;
    let now = context.now();
    let selection = args.window.selection(args.reasons, &poll, now)?;
    let figures = operator.figures(&poll).await?;
    let all = PollOperator::set_aside(&figures, &selection).map_err(anyhow::Error::from)?;
    let of = |reason: &QuarantineReason| all.total_of(Fate::Undecided, *reason);
    let votes: u128 = selection.reasons.iter().map(of).sum();
    let by = &context.global.by;
    let next = poll
        .decide_quarantine(decision, &selection, votes, now, by)
        .map_err(|error| refused(&poll.definition, error))?;
    if votes == 0 {
        // An earlier attempt may have failed before the last shard's fence, or before replicas had it.
        context.wrote(operator.fence(&poll).await?);
        context
            .terminal
            .note("no vote of these reasons and minutes is undecided; nothing was changed");
        return report(&poll, decision, 0, context);
    }
    context
        .terminal
        .confirm(&question(&poll, decision, &selection, votes), args.yes)?;
    let next = next.because(Some(args.why));
    let decided = operator
        .decide_quarantine(&next, poll.revision, decision, &selection, &figures)
        .await;
    let (decided, written) = decided.map_err(failure)?;
    context.wrote(written);
    report(&next, decision, decided, context)
}

fn question(
    poll: &Poll,
    decision: QuarantineDecision,
    selection: &QuarantineSelection,
    votes: u128,
) -> String {
    let definition = &poll.definition;
    let what = match decision {
        QuarantineDecision::Release => "Count",
        QuarantineDecision::Annul => "Annul",
    };
    format!(
        "{what} {votes} votes of poll {} ({}) that were set aside ({selection})? It can't be taken back.",
        definition.id(),
        definition.title(),
    )
}

fn report(
    poll: &Poll,
    decision: QuarantineDecision,
    decided: u64,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let (id, fate) = (poll.definition.id(), decision.fate());
    if context.json() {
        return context.write_json(&json!({
            "poll": id,
            "revision": poll.revision,
            "fate": fate,
            "votes": decided,
        }));
    }
    let revision = poll.revision;
    context.terminal.line(&format!(
        "poll {id}: {decided} votes are {fate} (revision {revision})"
    ))
}

fn failure(error: DecideError) -> Failure {
    match error {
        DecideError::Save(error) => error.into(),
        DecideError::Store(error) => error.into(),
        fence @ DecideError::Fence { .. } => Failure::refused(format!(
            "{fence}. What was decided before stays so; the same command goes on with the rest"
        )),
    }
}
