//! How long a lane holds a batch back.
//!
//! A lane that was idle sends at once: no vote waits for a timer. A busy lane gains from a larger
//! batch, but only while votes keep arriving: in a closed loop all clients soon wait for us, and
//! each further microsecond is lost to all of them. So a busy lane sleeps until as many votes are
//! there as it can expect, looks whether the queue still grows, sends if it does not, and else
//! expects more. `min_batch_interval` ends it in any case, and so does a batch that is large enough.

use std::time::{Duration, Instant};

use super::queue::Queue;

/// The queue has stopped growing when nothing came for this long: some times the distance of two
/// votes at the rate of a busy process, a fraction of a batch's way to Redis and back.
const QUIET: Duration = Duration::from_micros(60);

/// And when other threads were let run so often in between: on a busy machine, the time alone may
/// have passed without any of them having had the processor.
const QUIET_YIELDS: u32 = 8;

/// Batches of the same size, with nobody waiting meanwhile, after which the lane takes its clients
/// for a closed loop.
const STEADY: u32 = 2;

/// How often it makes sure of that.
const STEADY_CHECK: u32 = 16;

/// A batch of so many votes gains little from more: its commands are then a sixteenth of one per vote,
/// and what comes later is parsed while it is on its way.
pub(super) const ENOUGH: usize = 128;

/// What a lane knows of its load when a batch has come back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    /// When the lane became free.
    pub(super) free_since: Instant,
    /// Votes of the batch that was answered: in a closed loop their clients come back.
    answered: usize,
    /// Votes that waited already at that time.
    waiting: usize,
    /// How many batches in a row were of this size, with nobody waiting.
    steady: u32,
}

impl Expected {
    /// Nothing is known yet.
    pub(super) fn nothing() -> Self {
        Self {
            free_since: Instant::now(),
            answered: 0,
            waiting: 0,
            steady: 0,
        }
    }

    /// After another batch.
    pub(super) fn after(self, answered: usize, waiting: usize) -> Self {
        let same = waiting == 0 && answered == self.answered;
        Self {
            free_since: Instant::now(),
            answered,
            waiting,
            steady: if same { self.steady.wrapping_add(1) } else { 0 },
        }
    }

    /// Whether all that is expected is all that there is.
    fn is_closed_loop(&self) -> bool {
        self.steady >= STEADY && !self.steady.is_multiple_of(STEADY_CHECK)
    }
}

/// Waits until the batch that lies in `queue` should leave.
pub(super) async fn gather(queue: &Queue, expected: Expected, min_batch_interval: Duration) {
    let mut target = expected.answered + expected.waiting;
    while queue.len() < ENOUGH {
        let left = min_batch_interval.saturating_sub(expected.free_since.elapsed());
        if tokio::time::timeout(left, queue.wait_for(target))
            .await
            .is_err()
            || expected.is_closed_loop()
            || !grows(queue).await
        {
            return;
        }
        target = queue.len() * 5 / 4 + 1;
    }
}

/// Whether votes keep arriving.
async fn grows(queue: &Queue) -> bool {
    let votes = queue.len();
    let started = Instant::now();
    let mut yields = 0;
    while started.elapsed() < QUIET || yields < QUIET_YIELDS {
        std::thread::yield_now();
        tokio::task::yield_now().await;
        yields += 1;
        if queue.len() != votes {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_batches_with_nobody_waiting_are_a_closed_loop_which_is_made_sure_of_now_and_then() {
        let mut expected = Expected::nothing().after(8, 0);
        let mut is_closed = Vec::new();
        for _ in 0..STEADY_CHECK {
            expected = expected.after(8, 0);
            is_closed.push(expected.is_closed_loop());
        }
        assert_eq!(is_closed.iter().filter(|closed| !**closed).count(), 2);
        assert!(!is_closed[0], "one repeat is no proof");
        assert!(!is_closed[15], "it is looked at again");
        assert!(!expected.after(9, 0).is_closed_loop());
        assert!(!expected.after(8, 1).is_closed_loop());
    }
}
