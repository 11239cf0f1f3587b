//! The key of receipts that the services share through Redis, and the one that a process signs with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use vote_domain::ReceiptKey;

use crate::error::StoreError;
use crate::keys;
use crate::nodes::Nodes;
use crate::polls::secret;

/// The key that receipts are signed with, where the services share it through Redis.
pub(crate) async fn read(nodes: &Nodes) -> Result<Option<ReceiptKey>, StoreError> {
    Ok(secret::read(nodes, keys::RECEIPT_KEY)
        .await?
        .map(ReceiptKey::from_bytes))
}

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
        nodes: &Nodes,
        random: fn() -> [u8; 32],
    ) -> Result<(), StoreError> {
        if self.is_configured {
            return Ok(());
        }
        let own = *self.shared.lock();
        let own_or_new = own.unwrap_or_else(random);
        let found = secret::read_or_set(nodes, keys::RECEIPT_KEY, &own_or_new).await;
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
