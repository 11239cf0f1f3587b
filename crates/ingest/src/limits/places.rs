//! Counts the places of the limits' tables that are taken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vote_limits::{Kind, Limits};

use super::metrics::LimitMetrics;

/// How often.
const LOOK: Duration = Duration::from_secs(2);

/// Counts them, for ever.
pub(super) async fn count_places(limits: Arc<Limits>, metrics: LimitMetrics) {
    loop {
        tokio::time::sleep(LOOK).await;
        let limits = Arc::clone(&limits);
        let count = move || Kind::ALL.map(|kind| limits.slots_in_use(kind, Instant::now()));
        // It only fails where the runtime ends.
        let Ok(in_use) = tokio::task::spawn_blocking(count).await else {
            return;
        };
        metrics.in_use(in_use);
    }
}
