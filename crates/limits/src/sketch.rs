//! How often the same comes, about, in memory that never grows (a count-min sketch).
//!
//! What is counted has a place in each of four rows, and is taken to have come as often as the least of them says, without what
//! others put into a place on average: where very many come, each place has some of theirs. So it is about right, and off by no more
//! than the places differ: by the square root of that average, a few times over. The places follow from a keyed hash: nobody
//! chooses whose they are. With each period all counts are halved, so that what is long ago weighs little.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const ROWS: usize = 4;
/// Places of a row, as a power of two: each row takes its own bits of the hash.
const ROW_BITS: u32 = 14;
const ROW: usize = 1 << ROW_BITS;

/// What is known of one that has just come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// How often it has come, about.
    pub this: u32,
    /// How often all have come.
    pub all: u64,
}

/// Counts of what has come lately: 256 KiB.
pub struct Sketch {
    counts: Box<[AtomicU32]>,
    all: AtomicU64,
    period: AtomicU64,
    hasher: RandomState,
}

impl Default for Sketch {
    fn default() -> Self {
        Self {
            counts: (0..ROWS * ROW).map(|_| AtomicU32::new(0)).collect(),
            all: AtomicU64::new(0),
            period: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }
}

impl Sketch {
    /// Counts one that comes in a period; periods are numbered, and never go back.
    pub fn count(&self, one: impl Hash, period: u64) -> Seen {
        self.age(period);
        let hash = self.hasher.hash_one(one);
        let mut this = u32::MAX;
        for row in 0..ROWS {
            let bits = hash >> (u32::try_from(row).unwrap_or(0) * 16);
            let place = usize::try_from(bits).unwrap_or(usize::MAX) & (ROW - 1);
            let count = &self.counts[row * ROW + place];
            this = this.min(count.fetch_add(1, Ordering::Relaxed).saturating_add(1));
        }
        let all = self.all.fetch_add(1, Ordering::Relaxed) + 1;
        Seen {
            this: without_others(this, all),
            all,
        }
    }

    /// Halves all counts for each period that has passed. Those that come meanwhile may be halved or not: it is about right.
    fn age(&self, period: u64) {
        let before = self.period.load(Ordering::Relaxed);
        if period <= before {
            return;
        }
        let taken =
            self.period
                .compare_exchange(before, period, Ordering::Relaxed, Ordering::Relaxed);
        if taken.is_err() {
            return;
        }
        let halvings = u32::try_from(period - before).unwrap_or(u32::MAX);
        for count in &self.counts {
            let old = count.load(Ordering::Relaxed);
            if old > 0 {
                count.store(old.checked_shr(halvings).unwrap_or(0), Ordering::Relaxed);
            }
        }
        let all = self.all.load(Ordering::Relaxed);
        self.all
            .store(all.checked_shr(halvings).unwrap_or(0), Ordering::Relaxed);
    }
}

/// What is left of a place's count without that of others: these are spread over a row evenly.
fn without_others(count: u32, all: u64) -> u32 {
    let row = u64::try_from(ROW).unwrap_or(u64::MAX);
    let others = all.saturating_sub(u64::from(count)) / row;
    let others = u32::try_from(others).unwrap_or(u32::MAX);
    count.saturating_sub(others).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_each_by_itself_and_all_together() {
        let sketch = Sketch::default();
        for n in 0..10_000_u32 {
            sketch.count(n, 1);
        }
        for n in 1..=100 {
            let seen = sketch.count("the same", 1);
            // Ten thousand others hardly ever share all four places.
            assert!((n..n + 10).contains(&seen.this), "{seen:?} at {n}");
            assert_eq!(seen.all, 10_000 + u64::from(n));
        }
    }

    #[test]
    fn each_of_very_many_is_seen_to_come_once() {
        let sketch = Sketch::default();
        // What one process has of a whole show at its peak: 33,000 a second for a minute.
        for n in 0..2_000_000_u32 {
            sketch.count(n, 1);
        }
        for n in 2_000_000..2_010_000_u32 {
            let seen = sketch.count(n, 1);
            assert!(seen.this < 50, "{seen:?}");
        }
        // And who comes often among them still does.
        let last = (0..400).map(|_| sketch.count("the same", 1).this).last();
        assert!(
            last.is_some_and(|last| (300..500).contains(&last)),
            "{last:?}"
        );
    }

    #[test]
    fn what_is_long_ago_weighs_little() {
        let sketch = Sketch::default();
        for _ in 0..64 {
            sketch.count("a", 5);
        }
        assert_eq!(sketch.count("a", 6), Seen { this: 33, all: 33 });
        // A clock that is set back changes nothing.
        assert_eq!(sketch.count("a", 4), Seen { this: 34, all: 34 });
        assert_eq!(sketch.count("a", 8), Seen { this: 9, all: 9 });
        assert_eq!(sketch.count("a", 1_000), Seen { this: 1, all: 1 });
    }
}
