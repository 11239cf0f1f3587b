//! The fault suite: real processes under a steady load, a fault, and then every vote looked up by its key.
//!
//! Each scenario has a Redis (or several), services and a poll of its own. Clients vote with an idempotency key each,
//! and write down what they were told. Once the fault is over, every key is sent once more: what was accepted must be
//! known, what was refused must not be, and the tally must have exactly one vote for each key that is known.
#![forbid(unsafe_code)]

mod cli;
mod engine;
mod report;
mod run;
mod scenarios;

use crate::cli::Cli;
use clap::Parser as _;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A server that doesn't start is said in one line; a trace of the runtime's insides says no more.
    std::panic::set_hook(Box::new(|panic| {
        let _written = writeln!(std::io::stderr(), "{panic}");
    }));
    let done = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run::run(&cli)));
    let (text, code) = match done {
        Ok(run::Ended {
            text,
            failed: false,
        }) => (text, ExitCode::SUCCESS),
        Ok(run::Ended { text, failed: true }) => (text, ExitCode::FAILURE),
        Err(error) => {
            let _written = writeln!(std::io::stderr(), "error: {error:#}");
            return ExitCode::from(2);
        }
    };
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}
