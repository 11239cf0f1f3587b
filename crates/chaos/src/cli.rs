//! The command line.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Breaks things under load, and proves that every accepted vote is recorded exactly once.
#[derive(Debug, Parser)]
#[command(
    name = "vote-chaos",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 all promises hold; 1 some do not; 2 wrong input."
)]
pub(crate) struct Cli {
    /// Run this scenario; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) scenario: Vec<String>,

    /// List the scenarios, and run none
    #[arg(long)]
    pub(crate) list: bool,

    /// Accepted votes a scenario, at least [default: 200000, 20000 with --quick]; `bots` sends so many [default: five minutes'
    /// votes, twenty seconds' with --quick]
    #[arg(long, value_name = "VOTES", value_parser = clap::value_parser!(u64).range(100..))]
    pub(crate) votes: Option<u64>,

    /// Votes per second [default: 8000, 4000 with --quick; of `bots` 5000, 1000 with --quick]
    #[arg(long, value_name = "VOTES", value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub(crate) rate: Option<u32>,

    /// Form of the report
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,

    /// A short run of a selection, for CI; with --scenario, a short run of those
    #[arg(long)]
    pub(crate) quick: bool,

    /// How much of its last votes Redis loses in redis-tail-cut
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) tail: u64,

    /// One more setting of the ingest processes; with VOTE__COMMIT__REPLAY_WINDOW_S=1 and --tail 5
    /// votes are lost
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) setting: Vec<(String, String)>,

    /// Where vote-ingest, vote-results and votectl are [default: beside vote-chaos]
    #[arg(long, value_name = "DIR")]
    pub(crate) bin_dir: Option<PathBuf>,

    /// Where the services' logs go [default: `chaos` beside the directory of the binaries]
    #[arg(long, value_name = "DIR")]
    pub(crate) logs: Option<PathBuf>,
}

/// Form of the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
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
