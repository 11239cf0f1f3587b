//! `votectl quarantine …`: votes that were set aside as suspect.

mod decide;
mod selection;
mod show;

use crate::context::Context;
use crate::failure::Failure;
use clap::Subcommand;
use vote_domain::QuarantineDecision;

/// Commands about votes that were set aside.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Show how many votes were set aside, for which reason and for whom, and what was decided of them
    Show(show::ShowArgs),
    /// Let the undecided votes of these reasons count, each in the minute in which it came
    Release(decide::DecideArgs),
    /// Keep the undecided votes of these reasons out of all figures, for good
    Annul(decide::DecideArgs),
}

/// Runs a command about votes that were set aside.
///
/// # Errors
/// The command's failure.
pub async fn run(command: QuarantineCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        QuarantineCommand::Show(args) => show::run(args, context).await,
        QuarantineCommand::Release(args) => {
            decide::run(args, QuarantineDecision::Release, context).await
        }
        QuarantineCommand::Annul(args) => {
            decide::run(args, QuarantineDecision::Annul, context).await
        }
    }
}
