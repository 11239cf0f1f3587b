//! How long nothing was accepted: overall, and after the fault was over. By shard, because a cluster that has lost one
//! of its masters goes on accepting in all shards but those.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Times of accepted answers, by shard. All times count from `start`, in nanoseconds; 0 is "never".
#[derive(Debug)]
pub(crate) struct Stalls {
    start: Instant,
    back: AtomicU64,
    /// The slowest return of the outages before the last one.
    before: AtomicU64,
    shards: Vec<Shard>,
}

#[derive(Debug, Default)]
struct Shard {
    last: AtomicU64,
    longest: AtomicU64,
    after_back: AtomicU64,
}

impl Stalls {
    pub(crate) fn new(shards: u16) -> Self {
        Self {
            start: Instant::now(),
            back: AtomicU64::new(0),
            before: AtomicU64::new(0),
            shards: std::iter::repeat_with(Shard::default)
                .take(usize::from(shards))
                .collect(),
        }
    }

    /// A vote was answered as accepted, just now.
    pub(crate) fn accepted(&self, shard: u16) {
        self.accepted_at(shard, Instant::now());
    }

    fn accepted_at(&self, shard: u16, at: Instant) {
        let Some(shard) = self.shards.get(usize::from(shard)) else {
            return;
        };
        let now = self.nanos(at);
        let before = shard.last.fetch_max(now, Ordering::Relaxed);
        if before > 0 {
            shard
                .longest
                .fetch_max(now.saturating_sub(before), Ordering::Relaxed);
        }
        let back = self.back.load(Ordering::Relaxed);
        if back > 0 && now >= back && shard.after_back.load(Ordering::Relaxed) == 0 {
            let _first = shard.after_back.compare_exchange(
                0,
                now - back + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
    }

    /// The store takes writes again since `at`. After a second outage this is called again, and the slower return counts.
    pub(crate) fn back(&self, at: Instant) {
        if let Some(slowest) = self.after_back() {
            let slowest = u64::try_from(slowest.as_nanos()).unwrap_or(u64::MAX);
            self.before.fetch_max(slowest, Ordering::Relaxed);
        }
        for shard in &self.shards {
            shard.after_back.store(0, Ordering::Relaxed);
        }
        self.back.store(self.nanos(at), Ordering::Relaxed);
    }

    /// Whether every shard has accepted a vote since the store is back.
    pub(crate) fn all_went_on(&self) -> bool {
        self.back.load(Ordering::Relaxed) == 0
            || self
                .shards
                .iter()
                .all(|shard| shard.after_back.load(Ordering::Relaxed) > 0)
    }

    /// From the store's return to the next accepted vote, in the slowest shard; `None` where it never was away, or
    /// where some shard has accepted nothing since.
    pub(crate) fn after_back(&self) -> Option<Duration> {
        if self.back.load(Ordering::Relaxed) == 0 || !self.all_went_on() {
            return None;
        }
        let slowest = |shard: &Shard| shard.after_back.load(Ordering::Relaxed) - 1;
        let slowest = self.shards.iter().map(slowest).max()?;
        Some(Duration::from_nanos(
            slowest.max(self.before.load(Ordering::Relaxed)),
        ))
    }

    /// The longest time between two accepted votes of one shard, one after the other.
    pub(crate) fn longest(&self) -> Duration {
        let longest = |shard: &Shard| shard.longest.load(Ordering::Relaxed);
        Duration::from_nanos(self.shards.iter().map(longest).max().unwrap_or(0))
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_nanos())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Stalls;
    use std::time::Duration;

    #[test]
    fn the_slowest_shard_counts() {
        let stalls = Stalls::new(2);
        let at = |ms| stalls.start + Duration::from_millis(ms);
        for (shard, ms) in [(0, 10), (1, 11), (0, 20), (1, 500), (0, 510)] {
            stalls.accepted_at(shard, at(ms));
        }
        assert_eq!(stalls.longest(), Duration::from_millis(490));
        assert_eq!(stalls.after_back(), None);
        stalls.back(at(600));
        stalls.accepted_at(0, at(599));
        stalls.accepted_at(0, at(602));
        assert!(!stalls.all_went_on());
        assert_eq!(stalls.after_back(), None);
        stalls.accepted_at(1, at(650));
        stalls.accepted_at(1, at(700));
        assert!(stalls.all_went_on());
        assert_eq!(stalls.after_back(), Some(Duration::from_millis(50)));
        stalls.back(at(900));
        assert!(!stalls.all_went_on());
        stalls.accepted_at(0, at(901));
        stalls.accepted_at(1, at(901));
        assert_eq!(stalls.after_back(), Some(Duration::from_millis(50)));
    }
}
