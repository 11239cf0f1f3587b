//! The operator's command line, as a library: `main` only passes it the process' own streams.

pub mod built_in;
pub mod cli;
pub mod commands;
pub mod context;
pub mod duration;
pub mod failure;
pub mod global;
mod input;
pub mod load;
mod long_reading;
pub mod memory;
pub mod numbered;
pub mod redis_args;
pub mod refusal;
mod replace;
pub mod service_url;
pub mod smoke;
pub mod table;
pub mod terminal;
mod wait;

use cli::{Cli, Command};
use context::Context;
use failure::Failure;
use memory::Memory;
use terminal::Terminal;
use vote_domain::Clock;

/// Runs one command and writes out its result, also when it failed.
///
/// # Errors
/// The command's [`Failure`]; its text isn't written yet.
pub async fn run(cli: Cli, clock: &dyn Clock, terminal: &mut Terminal) -> Result<(), Failure> {
    let memory = Memory::of_this_user(cli.global.redis.remembered_as());
    let mut context = Context::new(cli.global, terminal, clock, memory);
    let waited = match context.global.wait_for_redis {
        None => Ok(()),
        Some(patience) => wait::for_redis(&mut context, patience).await,
    };
    if let Err(failure) = waited {
        context.terminal.flush()?;
        return Err(failure);
    }
    let done = match cli.command {
        Command::Poll(command) => commands::poll::run(command, &mut context).await,
        Command::Annul(args) => commands::annul::run(args, &mut context).await,
        Command::Audit(args) => commands::audit::run(args, &mut context).await,
        Command::Doctor(args) => commands::doctor::run(args, &mut context).await,
        Command::Export(args) => commands::export::run(args, &mut context).await,
        Command::Graphics(command) => commands::graphics::run(command, &mut context),
        Command::Import(args) => commands::import::run(args, &mut context).await,
        Command::Replay(args) => commands::replay::run(args, &mut context).await,
        Command::Load(args) => load::run(*args, &mut context).await,
        Command::Smoke(args) => smoke::run(args, &mut context).await,
        Command::Dev(args) => commands::dev::run(args, &mut context).await,
        Command::FeedToken(args) => commands::feed_token::run(&args, &mut context),
        Command::Token(command) => commands::token::run(command, &mut context),
        Command::Proof(command) => commands::proof::run(command, &mut context).await,
        Command::Quarantine(command) => commands::quarantine::run(command, &mut context).await,
        Command::Push(args) => commands::push::run(*args, &mut context).await,
        Command::Receipt(command) => commands::receipt::run(command, &mut context).await,
        Command::DevGuard(args) => {
            commands::dev::guard(&args).await;
            Ok(())
        }
    };
    context.memory.write();
    let flushed = context.terminal.flush();
    let confirmed = context.confirmed();
    done.and(flushed).and(confirmed)
}
