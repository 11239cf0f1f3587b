//! Acknowledged batches, kept for a while in case that Redis forgets them.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus_client::metrics::gauge::Gauge;

use super::batch::{Batch, Origin};
use crate::metrics::gauge_value;

/// The memory that the windows of all lanes of a process may take together.
///
/// It is never exceeded: whoever has no room for a batch lets go of its own oldest ones first, and of
/// the new one where it has none. A lane that has more than its equal share leaves the last eighth to the
/// others, so that lanes which come later, or are less busy, find room too.
#[derive(Debug)]
pub(crate) struct ReplayBudget {
    max_bytes: usize,
    bytes: AtomicUsize,
    windows: AtomicUsize,
}

impl ReplayBudget {
    pub(crate) fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            max_bytes,
            bytes: AtomicUsize::new(0),
            windows: AtomicUsize::new(0),
        })
    }

    /// Takes `bytes` for a window that has `own` already; `false` where it is to let go of some first.
    fn take(&self, bytes: usize, own: usize) -> bool {
        let share = self.max_bytes / self.windows.load(Ordering::Relaxed).max(1);
        let alone = share == self.max_bytes;
        let limit = if alone || own + bytes <= share {
            self.max_bytes
        } else {
            self.max_bytes - self.max_bytes / 8
        };
        self.bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= limit)
            })
            .is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The batches that one lane has had acknowledged lately, bounded in time and, together with those
/// of all other lanes, in memory.
///
/// A batch is kept as it was accepted, without the votes that it was refused: whatever has come in
/// between, a repeat counts what the clients were told and nothing else. No sequence is left out between
/// the oldest and the newest.
#[derive(Debug)]
pub(crate) struct ReplayWindow {
    batches: VecDeque<Acknowledged>,
    bytes: usize,
    budget: Arc<ReplayBudget>,
    gauge: Gauge,
    max_age: Duration,
}

/// An acknowledged batch.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) sequence: u64,
    pub(crate) at: Instant,
    /// Without the votes that were refused.
    pub(crate) batch: Batch,
    /// How many of its votes the ledger has of this writer: all, but for those that were sent again and
    /// that another batch had recorded meanwhile.
    pub(crate) counted: u64,
    /// Where the lane has started over: what the batch was to its earlier writers, oldest first.
    pub(crate) origins: Vec<Origin>,
}

impl Acknowledged {
    /// What it takes of the budget: its place in the queue and what hangs on it.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.batch.heap_bytes() + self.origins.capacity() * size_of::<Origin>()
    }
}

impl ReplayWindow {
    /// A window that keeps batches for `max_age`, and none where that is zero.
    pub(crate) fn new(max_age: Duration, budget: Arc<ReplayBudget>, gauge: Gauge) -> Self {
        budget.windows.fetch_add(1, Ordering::Relaxed);
        Self {
            batches: VecDeque::new(),
            bytes: 0,
            budget,
            gauge,
            max_age,
        }
    }

    /// Keeps an acknowledged batch; lets go of what is too old or too much.
    pub(crate) fn keep(&mut self, sequence: u64, batch: Batch, counted: u64) {
        self.keep_resent(sequence, batch, counted, Vec::new());
    }

    /// As [`ReplayWindow::keep`], of a batch that had been acknowledged to other writers before.
    pub(crate) fn keep_resent(
        &mut self,
        sequence: u64,
        mut batch: Batch,
        counted: u64,
        origins: Vec<Origin>,
    ) {
        self.expire();
        if self.max_age.is_zero() {
            return;
        }
        batch.shrink_to_fit();
        let kept = Acknowledged {
            sequence,
            at: Instant::now(),
            batch,
            counted,
            origins,
        };
        let bytes = kept.bytes();
        while !self.budget.take(bytes, self.bytes) {
            if self.batches.is_empty() {
                return;
            }
            self.drop_oldest();
        }
        self.bytes += bytes;
        self.gauge.inc_by(gauge_value(bytes));
        self.batches.push_back(kept);
    }

    /// Lets go of what is too old.
    pub(crate) fn expire(&mut self) {
        while self
            .batches
            .front()
            .is_some_and(|oldest| oldest.at.elapsed() > self.max_age)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.batches.pop_front() {
            self.release(oldest.bytes());
        }
        if self.batches.len() < self.batches.capacity() / 4 {
            self.batches.shrink_to(self.batches.len() * 2);
        }
    }

    fn release(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.budget.give_back(bytes);
        self.gauge.dec_by(gauge_value(bytes));
    }

    /// The batches after `last`, in order.
    pub(crate) fn after(&self, last: u64) -> impl Iterator<Item = &Acknowledged> {
        let from = self.batches.partition_point(|kept| kept.sequence <= last);
        self.batches.range(from..)
    }

    /// The first of them.
    pub(crate) fn first_after(&self, last: u64) -> Option<Acknowledged> {
        self.after(last).next().cloned()
    }

    /// Puts what is left of a batch in its place.
    pub(crate) fn amend(&mut self, sequence: u64, mut batch: Batch, counted: u64) {
        let place = self
            .batches
            .partition_point(|kept| kept.sequence < sequence);
        let Some(kept) = self.batches.get_mut(place) else {
            return;
        };
        if kept.sequence != sequence {
            return;
        }
        batch.shrink_to_fit();
        let before = kept.bytes();
        kept.batch = batch;
        kept.counted = counted;
        let released = before.saturating_sub(kept.bytes());
        self.release(released);
    }

    /// Takes out the batches after `last`, and forgets the others.
    pub(crate) fn take_after(&mut self, last: u64) -> VecDeque<Acknowledged> {
        let from = self.batches.partition_point(|kept| kept.sequence <= last);
        let taken = self.batches.split_off(from);
        self.clear();
        taken
    }

    /// Whether everything after `last` is still here.
    pub(crate) fn reaches(&self, last: u64) -> bool {
        self.batches
            .front()
            .is_some_and(|oldest| oldest.sequence <= last + 1)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.batches = VecDeque::new();
        self.release(self.bytes);
    }
}

impl Drop for ReplayWindow {
    fn drop(&mut self) {
        self.clear();
        self.budget.windows.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn batch(votes: u64) -> Batch {
        let mut batch = Batch::starting(0);
        batch.add_plain(0, 0, votes);
        batch
    }

    /// What a window takes for `batch(1)`.
    fn size() -> usize {
        let mut window = window(HOUR, &ReplayBudget::new(1 << 20));
        window.keep(1, batch(1), 1);
        window.bytes
    }

    fn window(max_age: Duration, budget: &Arc<ReplayBudget>) -> ReplayWindow {
        ReplayWindow::new(max_age, Arc::clone(budget), Gauge::default())
    }

    #[test]
    fn it_gives_back_what_came_after_a_sequence() {
        let mut window = window(HOUR, &ReplayBudget::new(1 << 20));
        for sequence in 1..=5 {
            window.keep(sequence, batch(sequence), sequence);
        }
        let after: Vec<_> = window
            .after(3)
            .map(|kept| (kept.sequence, kept.batch.votes()))
            .collect();
        assert_eq!(after, [(4, 4), (5, 5)]);
        assert!(window.reaches(0));
    }

    #[test]
    fn a_lane_alone_has_all_of_the_budget_and_stays_within_it() {
        let budget = ReplayBudget::new(3 * size());
        let mut window = window(HOUR, &budget);
        for sequence in 1..=5 {
            window.keep(sequence, batch(1), 1);
        }
        assert_eq!(window.bytes, 3 * size());
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 3 * size());
        assert!(!window.reaches(1));
        assert!(window.reaches(2));
    }

    #[test]
    fn many_lanes_together_stay_within_the_budget_and_give_it_back() {
        let max = 80 * size();
        let budget = ReplayBudget::new(max);
        let mut windows: Vec<_> = (0..8).map(|_| window(HOUR, &budget)).collect();
        for sequence in 1..=200 {
            for (lane, window) in windows.iter_mut().enumerate() {
                // One lane is far busier than the others.
                let batches = if lane == 0 { 20 } else { 1 };
                for n in 0..batches {
                    window.keep((sequence - 1) * batches + n + 1, batch(1), 1);
                    let used = budget.bytes.load(Ordering::Relaxed);
                    assert!(used <= max, "{used} of {max}");
                }
            }
        }
        let sum: usize = windows.iter().map(|window| window.bytes).sum();
        assert_eq!(sum, budget.bytes.load(Ordering::Relaxed));
        assert!(sum > max / 2, "{sum} of {max}");
        windows.truncate(3);
        windows[0].clear();
        let sum: usize = windows.iter().map(|window| window.bytes).sum();
        assert_eq!(sum, budget.bytes.load(Ordering::Relaxed));
        windows.clear();
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 0);
        assert_eq!(budget.windows.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_lane_that_comes_to_a_full_budget_gets_its_share() {
        let budget = ReplayBudget::new(64 * size());
        let (mut busy, mut other) = (window(HOUR, &budget), window(HOUR, &budget));
        for sequence in 1..=100 {
            busy.keep(sequence, batch(1), 1);
        }
        for sequence in 1..=100 {
            other.keep(sequence, batch(1), 1);
            busy.keep(100 + sequence, batch(1), 1);
        }
        assert!(other.batches.len() >= 28, "{}", other.batches.len());
        assert!(busy.batches.len() >= 28, "{}", busy.batches.len());
    }

    #[test]
    fn its_gauge_follows_and_falls_to_zero() {
        let gauge = Gauge::default();
        let budget = ReplayBudget::new(1 << 20);
        let mut window = ReplayWindow::new(HOUR, Arc::clone(&budget), gauge.clone());
        window.keep(1, batch(1), 1);
        window.keep(2, batch(1), 1);
        assert_eq!(gauge.get(), gauge_value(2 * size()));
        window.max_age = Duration::ZERO;
        window.expire();
        assert_eq!((gauge.get(), window.bytes), (0, 0));
        window.max_age = HOUR;
        window.keep(3, batch(1), 1);
        assert!(gauge.get() > 0);
        drop(window);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn a_window_of_no_time_keeps_nothing() {
        let mut window = window(Duration::ZERO, &ReplayBudget::new(1 << 20));
        window.keep(1, batch(1), 1);
        assert_eq!(window.bytes, 0);
        assert!(!window.reaches(0));
    }

    #[test]
    fn memory_that_a_batch_has_to_spare_is_counted_or_let_go_of() {
        let budget = ReplayBudget::new(1 << 20);
        let mut window = window(HOUR, &budget);
        let mut spacious = batch(1);
        spacious.plain.reserve_exact(1_000);
        window.keep(1, spacious, 1);
        assert_eq!(window.bytes, size());
    }

    #[test]
    fn what_is_left_of_a_batch_takes_its_place_and_less_memory() {
        let budget = ReplayBudget::new(1 << 20);
        let mut window = window(HOUR, &budget);
        let mut first = batch(2);
        first.add_plain(1, 1, 1);
        window.keep(1, first, 3);
        window.keep(2, batch(1), 1);
        window.amend(1, batch(2), 2);
        window.amend(3, batch(9), 9);
        let left: Vec<_> = window.after(0).map(|kept| kept.counted).collect();
        assert_eq!(left, [2, 1]);
        assert_eq!(window.bytes, 2 * size());
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 2 * size());
        assert_eq!(window.take_after(1).len(), 1);
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 0);
    }
}
