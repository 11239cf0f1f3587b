//! Reads the file of gateways again.

use std::path::PathBuf;
use std::time::Duration;

use super::file::{self, Entry, GatewaysError};

/// How often: a token that is revoked is of no use a few seconds later.
const LOOK: Duration = Duration::from_secs(2);

/// Looks, for ever, and hands on what it has read. A file that can't be read, or is wrong, is said, once.
pub(super) async fn watch(path: PathBuf, take: impl Fn(Result<Vec<Entry>, GatewaysError>)) {
    let mut is_failing = false;
    loop {
        tokio::time::sleep(LOOK).await;
        let of_task = path.clone();
        // It only fails where the runtime ends.
        let Ok(read) = tokio::task::spawn_blocking(move || file::read(&of_task)).await else {
            return;
        };
        match &read {
            Ok(_) => is_failing = false,
            Err(error) if !std::mem::replace(&mut is_failing, true) => {
                tracing::error!(%error, "gateways.file is not taken: what was read before stays");
            }
            Err(_) => {}
        }
        take(read);
    }
}
