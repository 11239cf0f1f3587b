//! `votectl poll …`: polls and their states.

mod apply;
mod candidates;
mod change;
mod channels;
mod close;
mod delete;
mod demo;
mod extend;
pub(crate) mod file;
mod forget_voters;
mod journal;
mod list;
pub(crate) mod reason;
mod release;
mod reschedule;
pub(crate) mod said;
mod seal;
mod show;
mod visibility;
mod void;
mod withdraw;
mod writers;

use crate::commands::poll_arg::PollArg;
use crate::context::Context;
use crate::failure::Failure;
use clap::Subcommand;
use vote_domain::Transition;

/// Commands about polls.
#[derive(Debug, Subcommand)]
pub enum PollCommand {
    /// Create or change a poll from its file; shows what differs, and changes nothing where nothing does
    Apply(apply::ApplyArgs),
    /// List all polls
    List(list::ListArgs),
    /// Show one poll: definition, figures, log
    Show(PollArg),
    /// Show what was done to a poll: when, by whom, and why
    Journal(PollArg),
    /// Let a draft take votes, from its opening time on; said before, it opens by itself
    Open(reason::ChangeArgs),
    /// Refuse votes for the time being
    Pause(reason::ChangeArgs),
    /// Take votes again after a pause
    Resume(reason::ChangeArgs),
    /// Take no more votes, from now on
    Close(reason::AskedArgs),
    /// Make the result of a poll final that is closed, or that the clock has ended
    Seal(seal::SealArgs),
    /// Declare a poll invalid, for good
    Void(reason::AskedArgs),
    /// Remove a draft: a poll that was never opened
    Delete(delete::DeleteArgs),
    /// Put off the closing time
    Extend(extend::ExtendArgs),
    /// Move the closing time, also to an earlier one, or the opening time until it comes
    Reschedule(reschedule::RescheduleArgs),
    /// Change what the audience sees of the figures: the way to lift an embargo, after sealing too
    Visibility(visibility::VisibilityArgs),
    /// Let the figures go on air: graphics, stream and overlay show them, live
    Release(reason::AskedArgs),
    /// Freeze what graphics, stream and overlay show, at once, until `release`
    Hold(reason::ChangeArgs),
    /// Take a candidate who leaves the show out of the poll: no more votes, no percentage, no rank; `--undo` takes it back
    Withdraw(withdraw::WithdrawArgs),
    /// Destroy the key of its voters' digests, once it is over: from then on nobody can tell who has voted
    ForgetVoters(reason::AskedArgs),
    /// Make sure that a poll made from a file is open: the one that still runs, or else the next by number
    Demo(demo::DemoArgs),
}

/// Runs a command about polls.
///
/// # Errors
/// The command's failure.
pub async fn run(command: PollCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        PollCommand::Apply(args) => apply::run(args, context).await,
        PollCommand::List(args) => list::run(args, context).await,
        PollCommand::Show(args) => show::run(args, context).await,
        PollCommand::Journal(args) => journal::run(args, context).await,
        PollCommand::Open(args) => change::transition(&args, Transition::Open, context).await,
        PollCommand::Pause(args) => change::transition(&args, Transition::Pause, context).await,
        PollCommand::Resume(args) => change::transition(&args, Transition::Resume, context).await,
        PollCommand::Close(args) => close::run(args, context).await,
        PollCommand::Seal(args) => seal::run(args, context).await,
        PollCommand::Void(args) => void::run(args, context).await,
        PollCommand::Delete(args) => delete::run(args, context).await,
        PollCommand::Extend(args) => extend::run(args, context).await,
        PollCommand::Reschedule(args) => reschedule::run(args, context).await,
        PollCommand::Visibility(args) => visibility::run(args, context).await,
        PollCommand::Release(args) => release::release(args, context).await,
        PollCommand::Hold(args) => release::hold(args, context).await,
        PollCommand::Withdraw(args) => withdraw::run(args, context).await,
        PollCommand::ForgetVoters(args) => forget_voters::run(args, context).await,
        PollCommand::Demo(args) => demo::run(args, context).await,
    }
}
