//! `votectl`: see the library of the same name.

use clap::Parser;
use std::process::ExitCode;
use vote_runtime::SystemClock;
use votectl::cli::Cli;
use votectl::failure::Failure;
use votectl::refusal;
use votectl::terminal::Terminal;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| refusal::fit(error).exit());
    let mut terminal = Terminal::standard();
    let done = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(votectl::run(cli, &SystemClock, &mut terminal)),
        Err(error) => Err(Failure::from(error)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match &failure {
                Failure::Closed => {}
                Failure::Unconfirmed { .. } => terminal.note(&format!("warning: {failure}")),
                _ => terminal.note(&format!("error: {failure}")),
            }
            ExitCode::from(failure.code())
        }
    }
}
