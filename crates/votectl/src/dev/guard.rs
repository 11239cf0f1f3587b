//! `votectl dev-guard`: outlives a `dev` that was killed, and stops what it has left.
//!
//! `dev` holds the other end of the guard's standard input. The system closes it when `dev` ends, whichever way, and
//! that is what the guard waits for. After an end in order nothing is left to stop.

use super::pidfile::{PidFiles, in_order, stop};
use crate::failure::Failure;
use clap::Args;
use std::path::PathBuf;

/// Whom to look after.
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// The data directory of `dev`
    #[arg(long)]
    pub data_dir: PathBuf,

    /// The process id of `dev`
    #[arg(long)]
    pub supervisor: u32,
}

/// Waits for the end of `dev`, then stops what still runs of it.
///
/// # Errors
/// None.
pub async fn run(args: &GuardArgs) -> Result<(), Failure> {
    // An error means the same as the end: nobody holds the other side.
    let ended = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    let _end = tokio::task::spawn_blocking(ended).await;
    let files = PidFiles::new(&args.data_dir);
    let running = files.running();
    // What the next `dev` has started in the meantime is not ours.
    let ours = running
        .into_iter()
        .filter(|recorded| recorded.supervisor == args.supervisor);
    for recorded in in_order(ours.collect()) {
        stop(&recorded).await;
        files.forget(&recorded);
    }
    Ok(())
}
