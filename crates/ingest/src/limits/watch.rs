//! Reads the file of carriers again, and counts the places of the table that are taken.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vote_limits::{Carriers, CarriersError, Kind, Limits, Rates};

use super::metrics::LimitMetrics;

/// How often.
const LOOK: Duration = Duration::from_secs(2);

/// What is looked after.
pub(super) struct Watch {
    pub(super) limits: Arc<Limits>,
    pub(super) metrics: LimitMetrics,
    pub(super) file: Option<PathBuf>,
    /// Of all that are no carrier's.
    pub(super) rates: Rates,
}

/// What was seen at one look.
struct Seen {
    carriers: Option<Result<Carriers, CarriersError>>,
    in_use: [usize; Kind::ALL.len()],
}

impl Watch {
    /// Looks, for ever. A file that can't be read, or is wrong, changes nothing: that is said, once.
    pub(super) async fn run(self) {
        let mut is_failing = false;
        loop {
            tokio::time::sleep(LOOK).await;
            let Ok(seen) = self.look().await else {
                // The runtime ends.
                return;
            };
            self.metrics.in_use(seen.in_use);
            match seen.carriers {
                None => {}
                Some(Err(error)) => {
                    self.metrics.refuses_file();
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(%error, "limits.carriers_file is not taken: what was read before stays");
                    }
                }
                Some(Ok(carriers)) => {
                    is_failing = false;
                    self.metrics.has_carriers(&carriers);
                    if !self.limits.has_carriers(&carriers) {
                        let prefixes = carriers.prefixes();
                        tracing::info!(prefixes, "limits.carriers_file was read anew");
                        self.limits.set_carriers(carriers);
                    }
                }
            }
        }
    }

    async fn look(&self) -> Result<Seen, tokio::task::JoinError> {
        let (limits, file, rates) = (Arc::clone(&self.limits), self.file.clone(), self.rates);
        let look = move || Seen {
            carriers: file.map(|path| Carriers::read(&path, &rates)),
            in_use: Kind::ALL.map(|kind| limits.slots_in_use(kind, Instant::now())),
        };
        tokio::task::spawn_blocking(look).await
    }
}
