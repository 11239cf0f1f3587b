//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::binaries::Build;
use crate::count::Subject;
use crate::floors::Floor;
use crate::growth;
use crate::rows::Row;

/// Measures votes: what one costs, at which size, and how many a minute takes.
#[derive(Debug, Parser)]
#[command(name = "bench", disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// What `cargo bench` adds.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compare the service with the limits of the machine, row by row, in interleaved rounds
    Table(TableOptions),
    /// Measure how cost grows with size: shards, idle polls, writers in the ledger, readers who don't read
    Growth(GrowthOptions),
    /// Send as many votes in a minute as the greatest shows had, and reconcile them
    Minute(MinuteOptions),
    /// Do once more and once more what callgrind counts the instructions of
    #[command(hide = true)]
    Count {
        subject: Subject,
        #[arg(long)]
        times: u32,
    },
    /// Ask the limits of so many addresses, for the curve of them
    #[command(hide = true)]
    Limits { addresses: u32 },
    /// Be one of the servers that ours are compared with
    #[command(hide = true)]
    Serve {
        floor: Floor,
        #[arg(long)]
        bind: SocketAddr,
    },
}

/// What all measurements take.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Folder with this build's vote-ingest, vote-results and votectl
    #[arg(long, value_name = "DIR", value_parser = Build::at)]
    pub(crate) bin_dir: Build,

    /// Folder for the results: JSON, SVG and a table in Markdown
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct TableOptions {
    #[command(flatten)]
    pub(crate) common: Common,

    /// Another build beside this one, in the same rounds: a folder with its vote-ingest and votectl, or its vote-ingest
    #[arg(long, value_name = "BUILD", value_parser = Build::at)]
    pub(crate) compare: Option<Build>,

    /// These rows alone
    #[arg(long, value_name = "ROW,…", value_delimiter = ',', value_enum)]
    pub(crate) only: Vec<Row>,

    /// How often each row has its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,

    /// How long a turn is
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,

    /// Over how many connections, one after the other
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [64, 256, 1_024],
        value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) connections: Vec<u32>,

    /// Redis writes an append-only file
    #[arg(long)]
    pub(crate) append_only: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GrowthOptions {
    #[command(flatten)]
    pub(crate) common: Common,

    /// These curves alone
    #[arg(long, value_name = "CURVE,…", value_delimiter = ',', value_enum)]
    pub(crate) only: Vec<growth::Subject>,

    /// Another build beside this one, where answers of an open loop are measured: a folder with its vote-ingest and votectl
    #[arg(long, value_name = "BUILD", value_parser = Build::at)]
    pub(crate) compare: Option<Build>,

    /// How often each size is measured
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(crate) rounds: u32,

    /// How long each load lasts, in place of what each curve has for itself
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: Option<u32>,

    /// Writers that each ledger is to have, one after the other
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [10, 1_000, 20_000],
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) writers: Vec<u32>,

    /// A Redis or Valkey on which voters are measured, in place of the system's own and that of the tests; may be given again
    #[arg(long = "redis-server", value_name = "PROGRAM")]
    pub(crate) redis_servers: Vec<PathBuf>,

    /// A setting of the services beside their defaults, such as VOTE__REDIS__POOL_SIZE=65536
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<(String, String)>,
}

impl GrowthOptions {
    /// How long a load lasts that is measured for so many seconds.
    pub(crate) fn lasting(&self, seconds: u32) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(seconds).into())
    }

    pub(crate) fn settings(&self) -> Vec<(&str, &str)> {
        let each = self.settings.iter();
        each.map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is no NAME=VALUE")?;
    if !name.starts_with("VOTE__") {
        return Err("settings of the services begin with VOTE__".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Debug, Args)]
pub(crate) struct MinuteOptions {
    #[command(flatten)]
    pub(crate) common: Common,

    /// Votes a second, sent at even steps whether or not earlier ones have been answered
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: u32,

    /// How long
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,

    /// How many votes may be in flight at once
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) connections: u32,

    /// Shards of the poll
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) shards: u16,
}
