//! The fault suite: real processes under a steady load, a fault, and then every vote looked up by its key.
//!
//! Each scenario has a Redis (or several), services and a poll of its own. Clients vote with an idempotency key each,
//! and write down what they were told. Once the fault is over, every key is sent once more: what was accepted must be
//! known, what was refused must not be, and the tally must have exactly one vote for each key that is known.
#![forbid(unsafe_code)]

mod client;
mod cluster;
mod ingest;
mod ledger;
mod load;
mod overload;
mod probe;
mod promises;
mod reconcile;
mod replica;
mod report;
mod results;
mod run;
mod scenarios;
mod scene;
mod sentinel;
mod services;
mod stage;
mod stall;
mod standalone;

use clap::{Parser, ValueEnum};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Breaks things under load, and proves that every accepted vote is recorded exactly once.
#[derive(Debug, Parser)]
#[command(
    name = "vote-chaos",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 all promises hold; 1 some do not; 2 wrong input."
)]
struct Cli {
    /// Run this scenario; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,

    /// List the scenarios, and run none
    #[arg(long)]
    list: bool,

    /// Accepted votes a scenario, at least [default: 200000, 20000 with --quick]
    #[arg(long, value_name = "VOTES", value_parser = clap::value_parser!(u64).range(100..))]
    votes: Option<u64>,

    /// Votes a second [default: 8000, 4000 with --quick]
    #[arg(long, value_name = "VOTES", value_parser = clap::value_parser!(u32).range(10..=100_000))]
    rate: Option<u32>,

    /// Form of the report
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,

    /// A short run of a selection, for CI; with --scenario, a short run of those
    #[arg(long)]
    quick: bool,

    /// How much of its last votes Redis loses in redis-tail-cut
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    tail: u64,

    /// One more setting of the ingest processes; with VOTE__COMMIT__REPLAY_WINDOW_S=1 and --tail 5
    /// votes are lost
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    setting: Vec<(String, String)>,

    /// Where vote-ingest and vote-results are [default: beside vote-chaos]
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,

    /// Where the services' logs go [default: `chaos` beside the directory of the binaries]
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
}

/// Form of the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Table,
    /// One JSON document
    Json,
    /// A table for a document
    Markdown,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| name.starts_with("VOTE__"))
        .ok_or("it must be VOTE__SECTION__NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

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
