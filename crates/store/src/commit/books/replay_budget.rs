//! The memory that acknowledged batches may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The memory that the replay logs of all lanes of a process may take together.
///
/// It is never exceeded: whoever has no room for a batch lets go of its own oldest ones first, and of
/// the new one where it has none. A lane that has more than its equal share leaves the last eighth to the
/// others, so that lanes which come later, or are less busy, find room too.
#[derive(Debug)]
pub(crate) struct ReplayBudget {
    max_bytes: usize,
    pub(super) bytes: AtomicUsize,
    pub(super) logs: AtomicUsize,
}

impl ReplayBudget {
    pub(crate) fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            max_bytes,
            bytes: AtomicUsize::new(0),
            logs: AtomicUsize::new(0),
        })
    }

    /// Takes `bytes` for a log that has `own` already; `false` where it is to let go of some first.
    pub(super) fn take(&self, bytes: usize, own: usize) -> bool {
        let share = self.max_bytes / self.logs.load(Ordering::Relaxed).max(1);
        let alone = share == self.max_bytes;
        let limit = if alone || own + bytes <= share {
            self.max_bytes
        } else {
            self.max_bytes - self.max_bytes / 8
        };
        self.bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= limit)
            })
            .is_ok()
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
