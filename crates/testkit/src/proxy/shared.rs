//! What the proxy, its listener and its connections share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::proxy::script::Script;

/// State shared between the proxy, its listener and its connections.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) script: Mutex<Script>,
    /// Counts up when every open connection is to be cut.
    pub(super) generation: watch::Sender<u64>,
    pub(super) upstream: u16,
}

impl Shared {
    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
