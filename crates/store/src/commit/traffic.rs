//! How long a lane holds its votes back where a busy process' votes are spread over many lanes.
//!
//! A batch costs the same however few votes it has. One lane with 4,000 votes a second has several in each batch; of 48
//! lanes that share them each would send every vote by itself. So where the process is busy, a lane waits until it may
//! expect a few votes, but never longer than a client would notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::queue::Queue;

/// The votes that make a batch worth its fixed cost.
pub(super) const FEW: usize = 4;

/// Votes a second of a process from which on its time is worth more than a few milliseconds of a client's.
const BUSY: f64 = 750.0;

/// For how long votes are counted.
const WINDOW: Duration = Duration::from_millis(250);

/// When nobody has voted for so long, all clients wait for us, and lanes for nobody.
const QUIET: Duration = Duration::from_millis(2);

/// What the lanes of a process have to do.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// All votes that have come.
    arrived: AtomicU64,
    /// Lanes that hold back.
    holding: AtomicUsize,
    begins_to_hold: Notify,
    is_quiet: Notify,
    window: Mutex<Window>,
    /// How long lanes hold back now, in microseconds.
    hold_us: AtomicU64,
    longest: Duration,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    number: u64,
    votes: usize,
    lanes: usize,
}

impl Traffic {
    /// None yet; no lane will hold back for longer than `longest`.
    pub(crate) fn new(longest: Duration) -> Self {
        Self {
            arrived: AtomicU64::new(0),
            holding: AtomicUsize::new(0),
            begins_to_hold: Notify::new(),
            is_quiet: Notify::new(),
            window: Mutex::new(Window {
                began: Instant::now(),
                number: 1,
                votes: 0,
                lanes: 0,
            }),
            hold_us: AtomicU64::new(0),
            longest,
        }
    }

    /// A lane has sent a batch; `counted_in` is where that lane was counted last.
    pub(super) fn note(&self, votes: usize, counted_in: &mut u64) {
        let mut window = self.window.lock();
        if *counted_in != window.number {
            *counted_in = window.number;
            window.lanes += 1;
        }
        window.votes += votes;
        let lasted = window.began.elapsed();
        if lasted >= WINDOW {
            let votes_a_second = as_f64(window.votes) / lasted.as_secs_f64();
            let hold = holds_back(votes_a_second, window.lanes, self.longest);
            let hold_us = u64::try_from(hold.as_micros()).unwrap_or(u64::MAX);
            self.hold_us.store(hold_us, Ordering::Relaxed);
            *window = Window {
                began: Instant::now(),
                number: window.number + 1,
                votes: 0,
                lanes: 0,
            };
        }
    }

    /// A vote has come.
    pub(super) fn arrive(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
    }

    /// How long a lane waits for a few votes.
    pub(super) fn hold(&self) -> Duration {
        Duration::from_micros(self.hold_us.load(Ordering::Relaxed))
    }

    /// Waits until a few votes are in `queue`, at most for `hold`, and only while anybody votes.
    pub(super) async fn hold_back(&self, queue: &Queue, hold: Duration) {
        let quiet = self.is_quiet.notified();
        if self.holding.fetch_add(1, Ordering::Relaxed) == 0 {
            self.begins_to_hold.notify_one();
        }
        tokio::select! {
            biased;
            _slept = queue.wait_for(FEW) => {}
            () = quiet => {}
            () = tokio::time::sleep(hold) => {}
        }
        self.holding.fetch_sub(1, Ordering::Relaxed);
    }

    /// Lets lanes go as soon as nobody votes any more.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            if self.holding.load(Ordering::Relaxed) == 0 {
                self.begins_to_hold.notified().await;
            }
            let before = self.arrived.load(Ordering::Relaxed);
            tokio::time::sleep(QUIET).await;
            if self.arrived.load(Ordering::Relaxed) == before {
                self.is_quiet.notify_waiters();
            }
        }
    }
}

/// How long a lane holds back: the time in which each of the `lanes` of a process gets a few of its votes, if it is busy,
/// and at most `longest`.
#[must_use]
pub fn holds_back(votes_a_second: f64, lanes: usize, longest: Duration) -> Duration {
    if votes_a_second < BUSY {
        return Duration::ZERO;
    }
    Duration::from_secs_f64(as_f64(FEW * lanes) / votes_a_second).min(longest)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate: precise far beyond what a process can do"
)]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_of_many_waits_until_it_may_expect_a_few_votes() {
        let longest = Duration::from_millis(40);
        let hold = |lanes| holds_back(4_000.0, lanes, longest);
        assert_eq!(hold(1), Duration::from_millis(1));
        assert_eq!(hold(8), Duration::from_millis(8));
        assert_eq!(hold(48), longest);
    }

    #[test]
    fn nobody_waits_for_a_process_that_has_time() {
        assert_eq!(holds_back(749.0, 48, Duration::MAX), Duration::ZERO);
    }

    #[tokio::test]
    async fn lanes_hold_back_until_there_are_a_few_votes_or_nobody_votes_any_more() {
        let traffic = Arc::new(Traffic::new(Duration::MAX));
        tokio::spawn(Arc::clone(&traffic).watch());
        // Neither returns by its time.
        let empty = Queue::new(8);
        traffic.hold_back(&empty, Duration::from_secs(600)).await;

        let voters = async {
            loop {
                traffic.arrive();
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = voters => {}
            () = traffic.hold_back(&empty, Duration::from_millis(10)) => {}
        }
        assert_eq!(traffic.holding.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn each_lane_counts_once_and_nobody_waits_longer_than_the_longest() {
        let traffic = Traffic::new(Duration::from_millis(20));
        let (mut first, mut second) = (0, 0);
        assert_eq!(traffic.hold(), Duration::ZERO);
        for _ in 0..5 {
            traffic.note(1_000, &mut first);
            traffic.note(1_000, &mut second);
        }
        assert_eq!(traffic.window.lock().lanes, 2);
        traffic.window.lock().lanes = 256;
        traffic.window.lock().began = Instant::now() - WINDOW;
        traffic.note(1, &mut first);
        assert_eq!(traffic.hold(), Duration::from_millis(20));
    }
}
