//! The signals that end the supervisor.

use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end `dev` in order.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl StopSignals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// A second signal, which kills what is being stopped (children that are dropped are killed). One that comes along with
/// the first doesn't count: `timeout` and some terminals signal the process and its group.
pub(crate) async fn impatience() {
    tokio::time::sleep(Duration::from_secs(1)).await;
    match StopSignals::listen() {
        Ok(mut again) => again.asked().await,
        Err(_) => std::future::pending().await,
    }
}
