//! `make bench`, `make bench-growth` and `make record-minute`: what a vote costs, at which size, and how many a minute takes.
//!
//! All servers are processes of their own, so that the system tells what each takes. Those that ours are compared with are
//! this program, started again (`serve`). See `--help`.

mod binaries;
mod carried;
mod cli;
mod count;
mod floors;
mod growth;
mod load;
mod machine;
mod metrics;
mod minute;
mod plot;
#[path = "../common/poll.rs"]
mod poll;
#[path = "../common/poll_text.rs"]
mod poll_text;
mod process;
mod redis_done;
mod report;
mod rows;
mod say;
mod server;
mod spread;
mod table;
mod until;
mod wrk;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use crate::cli::{Arguments, Command};
use crate::say::say;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Servers bring a runtime of their own, or do without.
    if let Command::Serve { floor, bind } = arguments.command {
        return floors::serve(floor, bind);
    }
    let outcome = match arguments.command {
        Command::Count { subject, times } => count::run(subject, times),
        Command::Limits { addresses } => growth::limits::of_this_process(addresses),
        command => measure(command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("the benchmark failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(command: Command) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("no runtime")
        .and_then(|runtime| {
            runtime.block_on(async {
                match command {
                    Command::Table(options) => table::run(options).await,
                    Command::Growth(options) => growth::run(options).await,
                    Command::Minute(options) => minute::run(options).await,
                    Command::Serve { .. } | Command::Count { .. } | Command::Limits { .. } => {
                        Ok(())
                    }
                }
            })
        })
}
