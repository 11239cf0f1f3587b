//! When lanes send that hold their votes back, where a busy process' votes are spread over many lanes.
//!
//! A batch costs the same however few votes it has, and a journey to a server the same however few batches. One lane with
//! 4,000 votes a second has several votes in each batch; of 48 lanes that share them each would send every vote by itself. So
//! where the process is busy, its lanes send at the same times: as far apart as it takes until each may expect a few votes,
//! and never longer than a client would notice. What they send then travels together.
//!
//! In a closed loop nobody comes any more once all clients wait for us. So lanes also send when no vote has come for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::gather::ENOUGH;
use super::queue::Queue;

/// The votes that make a batch worth its fixed cost.
const FEW: usize = 4;

/// Votes a second of a process from which on its time is worth more than a few milliseconds of a client's.
const BUSY: f64 = 750.0;

/// Votes a second of a process from which on batches travel together whenever they are sent: there are thousands. Then a lane
/// sends as soon as it has a few votes, while Redis is at work for the others.
const CROWDED: f64 = 16_000.0;

/// For how long votes are counted.
const WINDOW: Duration = Duration::from_millis(250);

/// When no vote has come for so long, all clients wait for us, and lanes for nobody: some times the distance of two votes of a busy
/// process, and no less than what a timer can tell.
const QUIET_VOTES: f64 = 8.0;
const SHORTEST_QUIET: Duration = Duration::from_millis(1);
const LONGEST_QUIET: Duration = Duration::from_millis(2);

/// What the lanes of a process have to do.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// All votes that have come.
    arrived: AtomicU64,
    /// Lanes that hold back.
    holding: AtomicUsize,
    begins_to_hold: Notify,
    is_time: Notify,
    window: Mutex<Window>,
    /// How far apart the times are at which lanes send, in microseconds.
    hold_us: AtomicU64,
    /// Votes with which a lane waits for no other.
    enough: AtomicUsize,
    /// For how long nobody votes when all clients wait, in microseconds.
    quiet_us: AtomicU64,
    longest: Duration,
    /// From here on they are counted.
    epoch: tokio::time::Instant,
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
            is_time: Notify::new(),
            window: Mutex::new(Window {
                began: Instant::now(),
                number: 1,
                votes: 0,
                lanes: 0,
            }),
            hold_us: AtomicU64::new(0),
            enough: AtomicUsize::new(ENOUGH),
            quiet_us: AtomicU64::new(micros(LONGEST_QUIET)),
            longest,
            epoch: tokio::time::Instant::now(),
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
            self.hold_us.store(micros(hold), Ordering::Relaxed);
            self.enough
                .store(enough_votes(votes_a_second), Ordering::Relaxed);
            let quiet = Duration::from_secs_f64(QUIET_VOTES / votes_a_second.max(1.0));
            let quiet = quiet.clamp(SHORTEST_QUIET, LONGEST_QUIET);
            self.quiet_us.store(micros(quiet), Ordering::Relaxed);
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

    /// How far apart the times are at which lanes send; zero where they don't hold back.
    pub(super) fn hold(&self) -> Duration {
        Duration::from_micros(self.hold_us.load(Ordering::Relaxed))
    }

    /// Waits until all lanes send, which they do each `hold` and when nobody votes any more, or until `queue` has enough.
    pub(super) async fn hold_back(&self, queue: &Queue, hold: Duration) {
        let is_time = self.is_time.notified();
        if self.holding.fetch_add(1, Ordering::Relaxed) == 0 {
            self.begins_to_hold.notify_one();
        }
        tokio::select! {
            biased;
            _slept = queue.wait_for(self.enough.load(Ordering::Relaxed)) => {}
            () = is_time => {}
            () = tokio::time::sleep_until(self.next_time(hold)) => {}
        }
        self.holding.fetch_sub(1, Ordering::Relaxed);
    }

    /// The next of the times that are `hold` apart, the same for all lanes.
    fn next_time(&self, hold: Duration) -> tokio::time::Instant {
        let hold_us = hold.as_micros().max(1);
        let times = self.epoch.elapsed().as_micros() / hold_us + 1;
        self.epoch + Duration::from_micros(u64::try_from(times * hold_us).unwrap_or(u64::MAX))
    }

    /// Lets lanes go as soon as nobody votes any more.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            if self.holding.load(Ordering::Relaxed) == 0 {
                self.begins_to_hold.notified().await;
            }
            let before = self.arrived.load(Ordering::Relaxed);
            let quiet = Duration::from_micros(self.quiet_us.load(Ordering::Relaxed));
            tokio::time::sleep(quiet).await;
            if self.arrived.load(Ordering::Relaxed) == before {
                self.is_time.notify_waiters();
            }
        }
    }
}

/// How far apart the times are at which lanes send that hold back: the time in which each of the `lanes` of a process gets a few
/// of its votes, if it is busy, and at most `longest`.
#[must_use]
pub fn holds_back(votes_a_second: f64, lanes: usize, longest: Duration) -> Duration {
    if votes_a_second < BUSY {
        return Duration::ZERO;
    }
    Duration::from_secs_f64(as_f64(FEW * lanes) / votes_a_second).min(longest)
}

/// Votes with which a lane that holds back waits for no other of a process with so many a second.
#[must_use]
pub const fn enough_votes(votes_a_second: f64) -> usize {
    if votes_a_second >= CROWDED {
        FEW
    } else {
        ENOUGH
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
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
    use super::super::queue::Pending;
    use super::super::ticket::Ticket;
    use super::super::vote::VoteToCast;
    use super::*;

    fn pending() -> Pending {
        Pending::new(VoteToCast::plain(0), Ticket::new())
    }

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

    #[tokio::test(start_paused = true)]
    async fn all_lanes_send_at_the_same_times() {
        let traffic = Traffic::new(Duration::MAX);
        let hold = Duration::from_millis(20);
        let queues = [Queue::new(8), Queue::new(8)];
        let held_from = async |queue, from_ms| {
            tokio::time::sleep(Duration::from_millis(from_ms)).await;
            traffic.hold_back(queue, hold).await;
            traffic.epoch.elapsed()
        };
        let (first, second) = tokio::join!(held_from(&queues[0], 3), held_from(&queues[1], 17));
        assert_eq!((first, second), (hold, hold));
        assert_eq!(held_from(&queues[0], 0).await, 2 * hold, "and at the next");
    }

    #[tokio::test(start_paused = true)]
    async fn all_lanes_send_when_nobody_votes_any_more() {
        let traffic = Arc::new(Traffic::new(Duration::MAX));
        tokio::spawn(Arc::clone(&traffic).watch());
        let queue = Queue::new(8);
        let voted_for = Duration::from_millis(20);
        let voters = async {
            while traffic.epoch.elapsed() < voted_for {
                traffic.arrive();
                tokio::time::sleep(SHORTEST_QUIET / 2).await;
            }
        };
        let held_back = traffic.hold_back(&queue, Duration::from_secs(600));
        tokio::join!(held_back, voters);
        let sent_at = traffic.epoch.elapsed();
        assert!(sent_at >= voted_for && sent_at < voted_for + 4 * LONGEST_QUIET);
        assert_eq!(traffic.holding.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_with_enough_for_a_batch_waits_for_nobody() {
        let (traffic, queue) = (Traffic::new(Duration::MAX), Queue::new(ENOUGH));
        for _ in 0..ENOUGH {
            assert!(queue.push(pending()).is_ok());
        }
        traffic.hold_back(&queue, Duration::from_secs(600)).await;
        assert_eq!(traffic.epoch.elapsed(), Duration::ZERO);
    }

    #[test]
    fn in_a_crowd_a_few_votes_are_enough() {
        let traffic = Traffic::new(Duration::MAX);
        let enough_at = |votes_a_window| {
            traffic.window.lock().began = Instant::now() - WINDOW;
            traffic.note(votes_a_window, &mut 0);
            traffic.enough.load(Ordering::Relaxed)
        };
        assert_eq!(enough_at(8_000), FEW);
        assert_eq!(enough_at(1_000), ENOUGH);
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
