//! The key that a process signs receipts with, kept the same as the one in Redis.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use vote_domain::ReceiptKey;

use crate::{directory::PollReader, error::StoreError};

/// The key of one process.
pub(crate) struct SigningKey {
    key: ArcSwapOption<ReceiptKey>,
    /// Whether it is of the settings: then Redis has nothing to do with it.
    is_configured: bool,
    /// What the key was made of, where it is shared through Redis.
    shared: Mutex<Option<[u8; 32]>>,
    /// Redis could not be asked last time, which was said.
    is_failing: AtomicBool,
}

impl SigningKey {
    /// `configured` is the key of the settings, if they name one.
    pub(crate) fn new(configured: Option<ReceiptKey>) -> Self {
        Self {
            is_configured: configured.is_some(),
            key: ArcSwapOption::from(configured.map(Arc::new)),
            shared: Mutex::default(),
            is_failing: AtomicBool::new(false),
        }
    }

    /// The key; `None` until Redis was reached once.
    pub(crate) fn load(&self) -> Option<Arc<ReceiptKey>> {
        self.key.load_full()
    }

    /// Sees to it that this process and Redis have the same key: makes one where nobody has, puts its own
    /// back where Redis has forgotten it, and takes over another one that is there: readers know that alone.
    ///
    /// # Errors
    /// [`StoreError`] where there is no key to sign with. A process that has one goes on with it.
    pub(crate) async fn follow(
        &self,
        polls: &PollReader,
        random: fn() -> [u8; 32],
    ) -> Result<(), StoreError> {
        if self.is_configured {
            return Ok(());
        }
        let own = *self.shared.lock();
        let found = polls.receipt_key_or(&own.unwrap_or_else(random)).await;
        let (found, was_missing) = match (found, own) {
            (Ok(found), _) => found,
            (Err(error), None) => return Err(error),
            (Err(error), Some(_)) => {
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "whether Redis has the receipts' key is not known: it is used as it was");
                }
                return Ok(());
            }
        };
        self.is_failing.store(false, Ordering::Relaxed);
        match own {
            Some(own) if own == found => {
                if was_missing {
                    tracing::warn!("Redis had forgotten the receipts' key, and has it again");
                }
                return Ok(());
            }
            Some(_) => tracing::error!(
                "Redis has another key of receipts than this process: receipts that were signed with the \
                 earlier one can't be verified any more"
            ),
            None => {}
        }
        *self.shared.lock() = Some(found);
        self.key
            .store(Some(Arc::new(ReceiptKey::from_bytes(found))));
        Ok(())
    }
}
