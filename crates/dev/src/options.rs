//! What to run where.

use std::path::PathBuf;

use clap::Args;

/// What to run where. A port is the preferred one: another is used where it is taken.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where Redis keeps its data; a second start finds it again
    #[arg(long, value_name = "DIR", default_value = ".dev")]
    pub data_dir: PathBuf,

    /// Where vote-ingest and vote-results are [default: beside votectl]
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,

    /// Preferred port of Redis; another one is used where it is taken, as for all of them
    #[arg(long, value_name = "PORT", default_value_t = 16_379)]
    pub redis_port: u16,

    /// Preferred port of the ingest service
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub ingest_port: u16,

    /// Preferred port of the results service
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    pub results_port: u16,

    /// Preferred admin port of the ingest service
    #[arg(long, value_name = "PORT", default_value_t = 9080)]
    pub ingest_admin_port: u16,

    /// Preferred admin port of the results service
    #[arg(long, value_name = "PORT", default_value_t = 9081)]
    pub results_admin_port: u16,
}
