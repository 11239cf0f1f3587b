//! `votectl dev`: everything on this machine, under one supervisor.

mod child;
pub mod guard;
mod pidfile;
mod ports;
mod supervisor;

use crate::context::Context;
use crate::failure::Failure;
use clap::Args;
use std::path::PathBuf;

/// The file of the demo poll, as it is in `deploy/polls`.
pub const DEMO_FILE: &str = include_str!("../../../../deploy/polls/demo.yaml");

/// Where to run what.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Where Redis keeps its data; a second start finds it again
    #[arg(long, value_name = "DIR", default_value = ".dev")]
    data_dir: PathBuf,

    /// Where vote-ingest and vote-results are [default: beside votectl]
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,

    /// Preferred port of Redis; another one is used where it is taken, as for all of them
    #[arg(long, value_name = "PORT", default_value_t = 16_379)]
    redis_port: u16,

    /// Preferred port of the ingest service
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    ingest_port: u16,

    /// Preferred port of the results service
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    results_port: u16,

    /// Preferred admin port of the ingest service
    #[arg(long, value_name = "PORT", default_value_t = 9080)]
    ingest_admin_port: u16,

    /// Preferred admin port of the results service
    #[arg(long, value_name = "PORT", default_value_t = 9081)]
    results_admin_port: u16,

    /// Open no demo poll
    #[arg(long)]
    no_demo: bool,
}

/// Runs everything until Ctrl-C, `SIGTERM` or the unexpected end of a part.
///
/// # Errors
/// [`Failure::Usage`] where another Redis is given; when something can't be started, or a part ended by itself; all the others are stopped by then.
pub async fn run(args: DevArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    // What names the one that is about to be started is no mistake: a shell in which the others were run has it set.
    let ours = format!("redis://127.0.0.1:{}", args.redis_port);
    if context.global.redis.is_given() && context.global.redis.redis != ours {
        return Err(Failure::usage(
            "--redis: `votectl dev` starts a Redis of its own, at --redis-port, and uses no other: leave it out, and unset \
             VOTE__REDIS__URL",
        ));
    }
    supervisor::run(&args, context).await
}
