//! How a run is ended before its last vote: it stops to send, and then, if that takes too long, to wait.

use std::future::Future;
use tokio_util::sync::CancellationToken;

/// Ends a run early. Clones end the same run.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    sending: CancellationToken,
    waiting: CancellationToken,
}

impl Stop {
    /// Nothing is sent any more: no further vote, and none again that was sent before. Answers are still waited for,
    /// each for its own time at most.
    pub fn stop_sending(&self) {
        self.sending.cancel();
    }

    /// Answers aren't waited for either: the outcome of a vote in flight stays unknown.
    pub fn stop_waiting(&self) {
        self.sending.cancel();
        self.waiting.cancel();
    }

    /// Whether nothing is to be sent any more.
    #[must_use]
    pub fn is_sending_stopped(&self) -> bool {
        self.sending.is_cancelled()
    }

    /// Ends when nothing is to be sent any more.
    pub(crate) fn sending_stopped(&self) -> impl Future<Output = ()> {
        self.sending.cancelled()
    }

    /// Ends when no answer is to be waited for any more.
    pub(crate) fn waiting_stopped(&self) -> impl Future<Output = ()> {
        self.waiting.cancelled()
    }

    /// One that is stopped with this one.
    pub(crate) fn child(&self) -> Self {
        Self {
            sending: self.sending.child_token(),
            waiting: self.waiting.child_token(),
        }
    }
}
