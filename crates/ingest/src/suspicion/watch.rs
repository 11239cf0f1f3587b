//! Reads the file of denied prefixes again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use vote_limits::{DenyList, DenyListError};

use super::metrics::SuspicionMetrics;

/// How often.
const LOOK: Duration = Duration::from_secs(2);

/// What is looked after.
pub(super) struct Watch {
    pub(super) list: Arc<ArcSwap<DenyList>>,
    pub(super) metrics: SuspicionMetrics,
    pub(super) file: PathBuf,
}

impl Watch {
    /// Looks, for ever. A file that can't be read, or is wrong, changes nothing: that is said, once.
    pub(super) async fn run(self) {
        let mut is_failing = false;
        loop {
            tokio::time::sleep(LOOK).await;
            let file = self.file.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || DenyList::read(&file)).await else {
                // The runtime ends.
                return;
            };
            self.take(read, &mut is_failing);
        }
    }

    fn take(&self, read: Result<DenyList, DenyListError>, is_failing: &mut bool) {
        match read {
            Err(error) => {
                self.metrics.refuses_file();
                if !std::mem::replace(is_failing, true) {
                    tracing::error!(%error, "suspicion.deny_list_file is not taken: what was read before stays");
                }
            }
            Ok(list) => {
                *is_failing = false;
                self.metrics.has_list(&list);
                if **self.list.load() != list {
                    let prefixes = list.prefixes();
                    tracing::info!(prefixes, "suspicion.deny_list_file was read anew");
                    self.list.store(Arc::new(list));
                }
            }
        }
    }
}
