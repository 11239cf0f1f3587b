//! `votectl poll withdraw POLL CANDIDATE`

use crate::commands::poll::change;
use crate::commands::poll::said::refused;
use crate::commands::poll_arg::PollArg;
use crate::context::Context;
use crate::failure::Failure;
use clap::Args;
use vote_domain::{CandidateId, Poll, Reason};

/// Which candidate leaves which poll, and why.
#[derive(Debug, Args)]
pub struct WithdrawArgs {
    #[command(flatten)]
    poll: PollArg,

    /// The candidate's id
    #[arg(value_name = "CANDIDATE", value_parser = CandidateId::parse)]
    candidate: CandidateId,

    /// Why, for the poll's log (`votectl poll journal`): one line
    #[arg(long, value_name = "TEXT", value_parser = Reason::parse)]
    reason: Reason,

    /// Take the candidate back into the poll, until it is sealed
    #[arg(long)]
    undo: bool,

    /// Don't ask for a confirmation
    #[arg(long)]
    yes: bool,
}

/// Withdraws a candidate after asking, or takes it back.
///
/// # Errors
/// [`Failure::Refused`] where the poll's state doesn't allow it, there is no such candidate, or it was not confirmed.
pub(super) async fn run(args: WithdrawArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let id = &args.poll.poll;
    let (operator, poll) = context.find(id).await?;
    let (now, by) = (context.now(), &context.global.by);
    let next = match args.undo {
        true => poll.readmit(&args.candidate, now, by),
        false => poll.withdraw(&args.candidate, now, by),
    };
    let next = next.map_err(|error| refused(&poll.definition, error))?;
    if next.revision == poll.revision {
        // An earlier attempt may have failed between the document and the last shard's fence.
        context.wrote(operator.fence(&poll).await?);
        let Some(at) = poll.withdrawn_at(&args.candidate) else {
            let why = format!("{} is not withdrawn; nothing was changed", args.candidate);
            if !was_readmitted(&poll, &args.candidate) {
                return Err(refused(&poll.definition, why));
            }
            context.terminal.note(&why);
            return change::report(&poll, context);
        };
        let at = poll.definition.shown(at);
        let remark = format!(
            "{} left the poll at {at} already; nothing was changed",
            args.candidate
        );
        context.terminal.note(&remark);
        return change::report(&poll, context);
    }
    if !args.undo {
        let question = question(&poll, &args.candidate);
        context.terminal.confirm(&question, args.yes)?;
    }
    let next = next.because(Some(args.reason));
    context.wrote(operator.save(&next, poll.revision).await?);
    change::report(&next, context)
}

/// Whether the candidate was out of the poll, and was taken back.
fn was_readmitted(poll: &Poll, candidate: &CandidateId) -> bool {
    let detail = format!("candidate {candidate}");
    let mut entries = poll.log.iter();
    entries.any(|entry| entry.action == "readmit" && entry.detail == detail)
}

fn question(poll: &Poll, candidate: &CandidateId) -> String {
    let definition = &poll.definition;
    let name = poll
        .remaining_candidates()
        .find(|(_, other)| other.id == *candidate)
        .map_or("", |(_, candidate)| candidate.name.as_str());
    format!(
        "Withdraw {candidate} ({name}) from poll {} ({})? Votes for {candidate} are refused from now on, and those that were \
         cast leave all percentages and ranks. `--undo` takes {candidate} back until the poll is sealed; what was refused \
         meanwhile stays refused.",
        definition.id(),
        definition.title(),
    )
}
