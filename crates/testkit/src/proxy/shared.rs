//! What the proxy, its listener and its connections share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::proxy::script::Script;

/// State shared between the proxy, its listener and its connections.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) script: Mutex<Script>,
    /// Counts up when every open connection is to be cut.
    pub(super) generation: watch::Sender<u64>,
    /// Lets one request go that is held back.
    pub(super) go_on: Notify,
    pub(super) upstream: u16,
}

impl Shared {
    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
