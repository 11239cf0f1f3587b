//! How long a lane holds a batch back.
//!
//! A lane that was idle sends at once: no vote waits for a timer. A busy lane gains from a larger
//! batch, but only while votes keep arriving: in a closed loop all clients soon wait for us, and
//! each further microsecond is lost to all of them. So a busy lane first looks whether the queue
//! still grows, and sends if it does not; if it does, the lane sleeps until about as many votes are
//! there as it can expect, or until `min_batch_interval` is over.

use std::time::{Duration, Instant};

use super::queue::Queue;

/// The queue has stopped growing when nothing came for this long: some times the distance of two
/// votes at the rate of a busy process, a fraction of a batch's way to Redis and back.
const QUIET: Duration = Duration::from_micros(60);

/// And when other threads were let run so often in between: on a busy machine, the time alone may
/// have passed without any of them having had the processor.
const QUIET_YIELDS: u32 = 8;

/// What a lane knows of its load when a batch has come back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    /// When the lane became free.
    pub(super) free_since: Instant,
    /// Votes of the batch that was answered: in a closed loop their clients come back.
    pub(super) answered: usize,
    /// Votes that waited already at that time.
    pub(super) waiting: usize,
}

impl Expected {
    /// The batch that is worth waiting for. Not all that can be expected: what is missing then is
    /// on its way while this batch is, and keeps the requests' threads busy meanwhile.
    fn target(&self) -> usize {
        (self.answered + self.waiting) * 3 / 4
    }
}

/// Waits until the batch that lies in `queue` should leave.
pub(super) async fn gather(queue: &Queue, expected: Expected, min_batch_interval: Duration) {
    let target = expected.target();
    let start = queue.len();
    if start >= target {
        return;
    }
    let started = Instant::now();
    let mut yields = 0;
    while queue.len() == start {
        if started.elapsed() >= QUIET && yields >= QUIET_YIELDS
            || expected.free_since.elapsed() >= min_batch_interval
        {
            return;
        }
        std::thread::yield_now();
        tokio::task::yield_now().await;
        yields += 1;
    }
    let left = min_batch_interval.saturating_sub(expected.free_since.elapsed());
    // Whichever comes first is fine.
    let _elapsed = tokio::time::timeout(left, queue.wait_for(target)).await;
}
