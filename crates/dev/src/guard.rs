//! The guard: it outlives a `dev` that was killed, and stops what that one has left.
//!
//! `dev` holds the other end of the guard's standard input. The system closes it when `dev` ends, whichever way, and
//! that is what the guard waits for. After an end in order nothing is left to stop.

use crate::pidfile::{PidFiles, in_order, stop};
use std::path::Path;

/// Waits for the end of the `dev` with this process id, then stops what still runs of it.
pub async fn run(data_dir: &Path, supervisor: u32) {
    // An error means the same as the end: nobody holds the other side.
    let ended = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    let _end = tokio::task::spawn_blocking(ended).await;
    let files = PidFiles::new(data_dir);
    let running = files.running();
    // What the next `dev` has started in the meantime is not ours.
    let ours = running
        .into_iter()
        .filter(|recorded| recorded.supervisor == supervisor);
    for recorded in in_order(ours.collect()) {
        stop(&recorded).await;
        files.forget(&recorded);
    }
}
