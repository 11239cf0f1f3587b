//! The pacer of an open loop: it releases votes at their intended times, whether or not earlier ones have been answered.
//!
//! When all connections are busy the backlog grows, and a vote's latency counts from when it *should* have been sent: a
//! slow service can't hide by slowing the generator down (the "coordinated omission" of closed loops).

use crate::stop::Stop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The pacer's step: releases closer together come in one go. A quarter of a millisecond is the most that this adds
/// to a latency.
const STEP: Duration = Duration::from_micros(250);

/// The longest time until a stop is noticed where no vote is due.
const LONGEST_STEP: Duration = Duration::from_millis(50);

/// How many votes, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Votes per second, at least 1.
    pub rate: u32,
    /// How many votes in all, at least 1.
    pub votes: u64,
}

impl Pace {
    /// When vote `index` is to be sent, from the start of the run.
    #[must_use]
    pub fn intended(&self, index: u64) -> Duration {
        let nanos = u128::from(index) * 1_000_000_000 / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many votes are due this long after the start.
    #[must_use]
    pub fn due(&self, elapsed: Duration) -> u64 {
        let due = elapsed.as_nanos() * u128::from(self.rate) / 1_000_000_000 + 1;
        u64::try_from(due).unwrap_or(u64::MAX).min(self.votes)
    }
}

/// What a run sends when: one pace after the other, each at even steps from where the one before has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// At least one.
    stages: Vec<Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stage {
    pace: Pace,
    /// The index of its first vote.
    first: u64,
    /// When that is due.
    starts: Duration,
}

impl From<Pace> for Schedule {
    fn from(pace: Pace) -> Self {
        Self::of(pace, &[])
    }
}

impl Schedule {
    /// One pace, and those that follow.
    #[must_use]
    pub fn of(pace: Pace, then: &[Pace]) -> Self {
        let (mut first, mut starts) = (0_u64, Duration::ZERO);
        let stages = std::iter::once(&pace).chain(then).map(|pace| {
            let stage = Stage {
                pace: *pace,
                first,
                starts,
            };
            first = first.saturating_add(pace.votes);
            starts = starts.saturating_add(pace.intended(pace.votes));
            stage
        });
        Self {
            stages: stages.collect(),
        }
    }

    /// How many votes in all.
    #[must_use]
    pub fn votes(&self) -> u64 {
        self.stages
            .last()
            .map_or(0, |last| last.first.saturating_add(last.pace.votes))
    }

    /// How long it takes to send them.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.stages.last().map_or(Duration::ZERO, |last| {
            last.starts
                .saturating_add(last.pace.intended(last.pace.votes))
        })
    }

    /// Votes per second over all of it, rounded.
    #[must_use]
    pub fn mean_rate(&self) -> u32 {
        let nanos = self.length().as_nanos().max(1);
        let rate = (u128::from(self.votes()) * 1_000_000_000 + nanos / 2) / nanos;
        u32::try_from(rate).unwrap_or(u32::MAX)
    }

    /// When vote `index` is to be sent, from the start of the run.
    #[must_use]
    pub fn intended(&self, index: u64) -> Duration {
        self.at(|stage| stage.first <= index)
            .map_or(Duration::ZERO, |stage| {
                stage
                    .starts
                    .saturating_add(stage.pace.intended(index - stage.first))
            })
    }

    /// How many votes are due this long after the start.
    #[must_use]
    pub fn due(&self, elapsed: Duration) -> u64 {
        self.at(|stage| stage.starts <= elapsed).map_or(0, |stage| {
            stage
                .first
                .saturating_add(stage.pace.due(elapsed - stage.starts))
        })
    }

    /// The last stage of which this is true; it is of the first.
    fn at(&self, begun: impl Fn(&Stage) -> bool) -> Option<&Stage> {
        let after = self.stages.partition_point(begun);
        self.stages.get(after.saturating_sub(1))
    }
}

/// Gives out the votes of one run by their indices, each once, when it is due.
#[derive(Debug)]
pub struct Pacer {
    pace: Schedule,
    start: Instant,
    /// One permit for each vote that is due and not taken yet; closed when nobody gets another one.
    due: Semaphore,
    next: AtomicU64,
}

impl Pacer {
    /// The run begins now.
    #[must_use]
    pub fn new(pace: Schedule) -> Self {
        Self {
            pace,
            start: Instant::now(),
            due: Semaphore::new(0),
            next: AtomicU64::new(0),
        }
    }

    /// When vote `index` is to be sent.
    #[must_use]
    pub fn intended(&self, index: u64) -> Instant {
        self.start + self.pace.intended(index)
    }

    /// How long ago the run began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Releases the votes until the last one or the stop, and tells again and again how many are due and not taken.
    /// It blocks, so that it needs a thread of its own: timers of the runtime are no finer than a millisecond.
    pub fn run(&self, stop: &Stop, mut tell_backlog: impl FnMut(u64)) {
        let mut released = 0;
        while released < self.pace.votes() {
            if stop.is_sending_stopped() {
                self.due.close();
                return;
            }
            let elapsed = self.start.elapsed();
            let due = self.pace.due(elapsed);
            self.due
                .add_permits(usize::try_from(due - released).unwrap_or(Semaphore::MAX_PERMITS));
            released = due;
            tell_backlog(released.saturating_sub(self.next.load(Ordering::Relaxed)));
            if released < self.pace.votes() {
                let until_next = self.pace.intended(released).saturating_sub(elapsed);
                std::thread::park_timeout(until_next.clamp(STEP, LONGEST_STEP));
            }
        }
    }

    /// Waits for the next vote that is due; `None` after the last one, and once `stop` has ended the sending.
    pub async fn next(&self, stop: &Stop) -> Option<u64> {
        self.due.acquire().await.ok()?.forget();
        // Before the index is taken: a vote that is taken is counted.
        if stop.is_sending_stopped() {
            self.due.close();
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index + 1 >= self.pace.votes() {
            // Every permit was for one vote, and this was the last: whoever waits waits for nothing.
            self.due.close();
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, Pacer, Schedule};
    use crate::stop::Stop;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn votes_are_due_at_even_steps() {
        let pace = Pace { rate: 3, votes: 10 };
        assert_eq!(pace.intended(0), Duration::ZERO);
        assert_eq!(pace.intended(3), Duration::from_secs(1));
        assert_eq!(pace.due(Duration::ZERO), 1);
        assert_eq!(pace.due(Duration::from_millis(999)), 3);
        assert_eq!(pace.due(Duration::from_secs(1)), 4);
        assert_eq!(pace.due(Duration::from_secs(60)), 10);
        for index in 0..10 {
            assert!(pace.due(pace.intended(index) + Duration::from_nanos(1)) > index);
        }
    }

    #[test]
    fn stages_follow_each_other_without_a_gap_or_a_vote_twice() {
        let calm = Pace { rate: 2, votes: 4 };
        let rush = Pace {
            rate: 10,
            votes: 10,
        };
        let schedule = Schedule::of(calm, &[rush, calm]);
        assert_eq!((schedule.votes(), schedule.length().as_secs()), (18, 5));
        assert_eq!(schedule.mean_rate(), 4);
        for (index, millis) in [(0, 0), (3, 1_500), (4, 2_000), (5, 2_100), (14, 3_000)] {
            let at = Duration::from_millis(millis);
            assert_eq!(schedule.intended(index), at, "{index}");
            assert_eq!(schedule.due(at), index + 1, "{index}");
        }
        assert_eq!(schedule.due(Duration::from_secs(60)), 18);
    }

    #[tokio::test]
    async fn each_vote_is_given_out_once_and_everybody_learns_of_the_end() {
        let pace = Pace {
            rate: 100_000,
            votes: 100,
        };
        let (pacer, stop) = (Arc::new(Pacer::new(pace.into())), Stop::default());
        let takers = [(); 3].map(|()| {
            let (pacer, stop) = (Arc::clone(&pacer), stop.clone());
            tokio::spawn(async move {
                let mut taken = Vec::new();
                while let Some(index) = pacer.next(&stop).await {
                    taken.push(index);
                    tokio::task::yield_now().await;
                }
                taken
            })
        });
        let pacing = std::thread::spawn(move || pacer.run(&stop, |_| {}));
        let mut taken = Vec::new();
        for taker in takers {
            taken.extend(taker.await.expect("a taker ends"));
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..100).collect::<Vec<u64>>());
        pacing.join().expect("the pacer ends");
    }

    #[tokio::test]
    async fn a_stop_ends_those_that_wait_and_drops_the_backlog() {
        let pace = Pace { rate: 1, votes: 10 };
        let (pacer, stop) = (Arc::new(Pacer::new(pace.into())), Stop::default());
        let pacing = {
            let (pacer, stop) = (Arc::clone(&pacer), stop.clone());
            std::thread::spawn(move || pacer.run(&stop, |_| {}))
        };
        assert_eq!(pacer.next(&stop).await, Some(0));
        let waiting = {
            let (pacer, stop) = (Arc::clone(&pacer), stop.clone());
            tokio::spawn(async move { pacer.next(&stop).await })
        };
        stop.stop_sending();
        assert_eq!(waiting.await.expect("it ends"), None);
        pacing.join().expect("the pacer ends");
        assert_eq!(pacer.next(&stop).await, None);
    }
}
