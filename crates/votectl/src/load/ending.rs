//! How a load ends, if not with its last answer.

use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use vote_client::stats::Progress;

/// Ingest learns of a change of its polls within a second: so long its answers may still be those of before.
const GONE_FOR: Duration = Duration::from_secs(2);

/// Fewer answers may be an accident.
const GONE_VOTES: u64 = 3;

/// Why a run has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ending {
    /// All votes have had their answer.
    Whole,
    /// Somebody has ended it.
    Asked,
    /// Somebody has ended it, and did not want to wait.
    AtOnce,
    /// Its time, and that of its last answer, was over.
    TimeUp,
    /// No vote has a place there any more, or ever had.
    Gone,
}

impl Ending {
    /// Of several runs: whether one was stopped early, its own report says why.
    pub(super) fn of_parts(stopped: bool) -> Self {
        if stopped { Self::Asked } else { Self::Whole }
    }
}

/// Ctrl-C, and what a supervisor sends instead.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// From here on neither kills us.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The next of either.
    pub(crate) async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ends once every answer has said for a while that votes have no place there.
pub(super) async fn gone(progress: &Progress) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let (mut last, mut since) = (0, Instant::now());
    loop {
        tick.tick().await;
        let now = Progress::read(&progress.gone);
        if now == 0 || now < last {
            since = Instant::now();
        }
        last = now;
        if now >= GONE_VOTES && since.elapsed() >= GONE_FOR {
            return;
        }
    }
}
