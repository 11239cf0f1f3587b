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
mod new_poll;
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
    outcome(done.and(flushed), confirmed, context.terminal)
}

/// What a command comes to. One that was refused may have written something before; and that nobody reads its output any more is
/// no reason to be silent of replicas.
fn outcome(
    done: Result<(), Failure>,
    confirmed: Result<(), Failure>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    match (done, confirmed) {
        (Ok(()) | Err(Failure::Closed), Err(unconfirmed)) => Err(unconfirmed),
        (Err(failure), Err(unconfirmed)) => {
            terminal.note(&format!("warning: {unconfirmed}"));
            Err(failure)
        }
        (done, Ok(())) => done,
    }
}

#[cfg(test)]
mod tests {
    use super::outcome;
    use crate::failure::Failure;
    use crate::terminal::Terminal;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_replicas_have_not_is_said_whatever_else_has_failed() {
        let unconfirmed = || {
            Err(Failure::Unconfirmed {
                repeat: "Repeat it".to_owned(),
                servers: "the only one".to_owned(),
            })
        };
        for (done, code, is_noted) in [
            (Ok(()), 4, false),
            (Err(Failure::Closed), 4, false),
            (Err(Failure::refused("no")), 1, true),
        ] {
            let said = Said::default();
            let mut terminal = Terminal::scripted(Vec::new(), said.clone(), None);
            let failure = outcome(done, unconfirmed(), &mut terminal).expect_err("not confirmed");
            assert_eq!(failure.code(), code);
            let said = String::from_utf8(said.0.lock().expect("not poisoned").clone());
            let said = said.expect("UTF-8");
            assert_eq!(
                said.contains("Repeat it when the replicas"),
                is_noted,
                "{said}"
            );
        }
        let mut terminal = Terminal::scripted(Vec::new(), Vec::new(), None);
        outcome(Ok(()), Ok(()), &mut terminal).expect("done, and confirmed");
        let closed = outcome(Err(Failure::Closed), Ok(()), &mut terminal);
        assert_eq!(closed.expect_err("closed").code(), 0);
    }
}
