//! What to run where.

use std::path::PathBuf;

/// What to run where. A port is the preferred one: another is used where it is taken.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where Redis keeps its data; a second start finds it again.
    pub data_dir: PathBuf,
    /// Where vote-ingest and vote-results are; beside our own executable where it is not said.
    pub bin_dir: Option<PathBuf>,
    /// Port of Redis.
    pub redis_port: u16,
    /// Port of the ingest service.
    pub ingest_port: u16,
    /// Port of the results service.
    pub results_port: u16,
    /// Admin port of the ingest service.
    pub ingest_admin_port: u16,
    /// Admin port of the results service.
    pub results_admin_port: u16,
    /// The command of our own executable that runs the [guard](crate::guard).
    pub guard_command: &'static str,
}
