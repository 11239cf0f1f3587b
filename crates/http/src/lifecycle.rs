//! The stages of a process' life, as tokens that every task and stream can wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// Shared by all parts of a process; cheap to clone. Only the runner moves it on.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle(Arc<Stages>);

#[derive(Debug, Default)]
struct Stages {
    /// Beside the token, whose question takes a lock: this one is asked at every request.
    is_draining: AtomicBool,
    draining: CancellationToken,
    stopped: CancellationToken,
}

impl Lifecycle {
    /// A process that has just started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process has been asked to stop. Requests are still served: long streams end
    /// here, short work goes on.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.0.draining.child_token()
    }

    /// Whether the process has been asked to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::Relaxed)
    }

    /// Cancelled when the last request has been answered and the service has drained: background tasks
    /// end here.
    #[must_use]
    pub fn stopped(&self) -> CancellationToken {
        self.0.stopped.child_token()
    }

    pub(crate) fn begin_draining(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
        self.0.draining.cancel();
    }

    pub(crate) fn stop(&self) {
        self.0.stopped.cancel();
    }
}
