//! Acknowledged batches, retained for a while in case that Redis forgets them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;

use super::replay_budget::ReplayBudget;
use crate::commit::batch::{Batch, Origin};
use crate::commit::metrics::gauge_value;

/// The batches that one lane has had acknowledged lately, bounded in time and, together with those
/// of all other lanes, in memory.
///
/// A batch is retained as it was accepted, without the votes that it was refused: whatever has come in
/// between, a repeat counts what the clients were told and nothing else. No sequence is left out between
/// the oldest and the newest.
#[derive(Debug)]
pub(super) struct ReplayLog {
    batches: VecDeque<Acknowledged>,
    bytes: usize,
    /// The votes of all of them that the ledger has of the writer.
    counted: u64,
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

impl ReplayLog {
    /// Retains batches for `max_age`, and none where that is zero.
    pub(super) fn new(max_age: Duration, budget: Arc<ReplayBudget>, gauge: Gauge) -> Self {
        budget.logs.fetch_add(1, Ordering::Relaxed);
        Self {
            batches: VecDeque::new(),
            bytes: 0,
            counted: 0,
            budget,
            gauge,
            max_age,
        }
    }

    /// Adds an acknowledged batch; lets go of what is too old or too much.
    pub(super) fn add(&mut self, sequence: u64, batch: Batch, counted: u64) {
        self.add_resent(sequence, batch, counted, Vec::new());
    }

    /// As [`ReplayLog::add`], of a batch that had been acknowledged to other writers before.
    pub(super) fn add_resent(
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
        let acknowledged = Acknowledged {
            sequence,
            at: Instant::now(),
            batch,
            counted,
            origins,
        };
        let bytes = acknowledged.bytes();
        while !self.budget.take(bytes, self.bytes) {
            if self.batches.is_empty() {
                return;
            }
            self.drop_oldest();
        }
        self.bytes += bytes;
        self.counted += counted;
        self.gauge.inc_by(gauge_value(bytes));
        self.batches.push_back(acknowledged);
    }

    /// Lets go of what is too old.
    pub(super) fn expire(&mut self) {
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
            self.counted -= oldest.counted;
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

    /// The votes of all of them that the ledger has of the writer.
    pub(super) const fn counted(&self) -> u64 {
        self.counted
    }

    /// The batches after `last`, in order.
    pub(super) fn after(&self, last: u64) -> impl Iterator<Item = &Acknowledged> {
        let from = self.batches.partition_point(|batch| batch.sequence <= last);
        self.batches.range(from..)
    }

    /// The first of them.
    pub(super) fn first_after(&self, last: u64) -> Option<Acknowledged> {
        self.after(last).next().cloned()
    }

    /// Puts what is left of a batch in its place.
    pub(super) fn amend(&mut self, sequence: u64, mut batch: Batch, counted: u64) {
        let place = self
            .batches
            .partition_point(|batch| batch.sequence < sequence);
        let Some(retained) = self.batches.get_mut(place) else {
            return;
        };
        if retained.sequence != sequence {
            return;
        }
        batch.shrink_to_fit();
        let before = retained.bytes();
        retained.batch = batch;
        self.counted -= std::mem::replace(&mut retained.counted, counted);
        self.counted += counted;
        let released = before.saturating_sub(retained.bytes());
        self.release(released);
    }

    /// Takes out the batches after `last`, and forgets the others.
    pub(super) fn take_after(&mut self, last: u64) -> VecDeque<Acknowledged> {
        let from = self.batches.partition_point(|batch| batch.sequence <= last);
        let taken = self.batches.split_off(from);
        self.clear();
        taken
    }

    /// Whether everything after `last` is still here.
    pub(super) fn reaches(&self, last: u64) -> bool {
        self.batches
            .front()
            .is_some_and(|oldest| oldest.sequence <= last + 1)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.batches = VecDeque::new();
        self.counted = 0;
        self.release(self.bytes);
    }
}

impl Drop for ReplayLog {
    fn drop(&mut self) {
        self.clear();
        self.budget.logs.fetch_sub(1, Ordering::Relaxed);
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

    /// What a log takes for `batch(1)`.
    fn size() -> usize {
        let mut log = log(HOUR, &ReplayBudget::new(1 << 20));
        log.add(1, batch(1), 1);
        log.bytes
    }

    fn log(max_age: Duration, budget: &Arc<ReplayBudget>) -> ReplayLog {
        ReplayLog::new(max_age, Arc::clone(budget), Gauge::default())
    }

    #[test]
    fn it_gives_back_what_came_after_a_sequence() {
        let mut log = log(HOUR, &ReplayBudget::new(1 << 20));
        for sequence in 1..=5 {
            log.add(sequence, batch(sequence), sequence);
        }
        let after: Vec<_> = log
            .after(3)
            .map(|batch| (batch.sequence, batch.batch.votes()))
            .collect();
        assert_eq!(after, [(4, 4), (5, 5)]);
        assert!(log.reaches(0));
    }

    #[test]
    fn a_lane_alone_has_all_of_the_budget_and_stays_within_it() {
        let budget = ReplayBudget::new(3 * size());
        let mut log = log(HOUR, &budget);
        for sequence in 1..=5 {
            log.add(sequence, batch(1), 1);
        }
        assert_eq!(log.bytes, 3 * size());
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 3 * size());
        assert!(!log.reaches(1));
        assert!(log.reaches(2));
    }

    #[test]
    fn many_lanes_together_stay_within_the_budget_and_give_it_back() {
        let max = 80 * size();
        let budget = ReplayBudget::new(max);
        let mut logs: Vec<_> = (0..8).map(|_| log(HOUR, &budget)).collect();
        for sequence in 1..=200 {
            for (lane, log) in logs.iter_mut().enumerate() {
                // One lane is far busier than the others.
                let batches = if lane == 0 { 20 } else { 1 };
                for n in 0..batches {
                    log.add((sequence - 1) * batches + n + 1, batch(1), 1);
                    let used = budget.bytes.load(Ordering::Relaxed);
                    assert!(used <= max, "{used} of {max}");
                }
            }
        }
        let sum: usize = logs.iter().map(|log| log.bytes).sum();
        assert_eq!(sum, budget.bytes.load(Ordering::Relaxed));
        assert!(sum > max / 2, "{sum} of {max}");
        logs.truncate(3);
        logs[0].clear();
        let sum: usize = logs.iter().map(|log| log.bytes).sum();
        assert_eq!(sum, budget.bytes.load(Ordering::Relaxed));
        logs.clear();
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 0);
        assert_eq!(budget.logs.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_lane_that_comes_to_a_full_budget_gets_its_share() {
        let budget = ReplayBudget::new(64 * size());
        let (mut busy, mut other) = (log(HOUR, &budget), log(HOUR, &budget));
        for sequence in 1..=100 {
            busy.add(sequence, batch(1), 1);
        }
        for sequence in 1..=100 {
            other.add(sequence, batch(1), 1);
            busy.add(100 + sequence, batch(1), 1);
        }
        assert!(other.batches.len() >= 28, "{}", other.batches.len());
        assert!(busy.batches.len() >= 28, "{}", busy.batches.len());
    }

    #[test]
    fn its_gauge_follows_and_falls_to_zero() {
        let gauge = Gauge::default();
        let budget = ReplayBudget::new(1 << 20);
        let mut log = ReplayLog::new(HOUR, Arc::clone(&budget), gauge.clone());
        log.add(1, batch(1), 1);
        log.add(2, batch(1), 1);
        assert_eq!(gauge.get(), gauge_value(2 * size()));
        log.max_age = Duration::ZERO;
        log.expire();
        assert_eq!((gauge.get(), log.bytes), (0, 0));
        log.max_age = HOUR;
        log.add(3, batch(1), 1);
        assert!(gauge.get() > 0);
        drop(log);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn a_log_of_no_time_retains_nothing() {
        let mut log = log(Duration::ZERO, &ReplayBudget::new(1 << 20));
        log.add(1, batch(1), 1);
        assert_eq!(log.bytes, 0);
        assert!(!log.reaches(0));
    }

    #[test]
    fn memory_that_a_batch_has_to_spare_is_counted_or_let_go_of() {
        let budget = ReplayBudget::new(1 << 20);
        let mut log = log(HOUR, &budget);
        let mut spacious = batch(1);
        spacious.plain.reserve_exact(1_000);
        log.add(1, spacious, 1);
        assert_eq!(log.bytes, size());
    }

    #[test]
    fn what_is_left_of_a_batch_takes_its_place_and_less_memory() {
        let budget = ReplayBudget::new(1 << 20);
        let mut log = log(HOUR, &budget);
        let mut first = batch(2);
        first.add_plain(1, 1, 1);
        log.add(1, first, 3);
        log.add(2, batch(1), 1);
        log.amend(1, batch(2), 2);
        log.amend(3, batch(9), 9);
        let left: Vec<_> = log.after(0).map(|batch| batch.counted).collect();
        assert_eq!(left, [2, 1]);
        assert_eq!(log.bytes, 2 * size());
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 2 * size());
        assert_eq!(log.take_after(1).len(), 1);
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 0);
    }
}
