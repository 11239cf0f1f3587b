//! Acknowledged batches, kept for a while in case that Redis forgets them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::batch::Batch;

/// The batches that one lane has had acknowledged lately, bounded in time and in memory.
///
/// A batch is kept as it was accepted, without the votes that it was refused: whatever has come in
/// between, a repeat counts what the clients were told and nothing else.
#[derive(Debug)]
pub(crate) struct ReplayWindow {
    batches: VecDeque<Acknowledged>,
    bytes: usize,
    max_bytes: usize,
    max_age: Duration,
}

#[derive(Debug)]
struct Acknowledged {
    sequence: u64,
    at: Instant,
    batch: Batch,
}

impl ReplayWindow {
    pub(crate) fn new(max_age: Duration, max_bytes: usize) -> Self {
        Self {
            batches: VecDeque::new(),
            bytes: 0,
            max_bytes,
            max_age,
        }
    }

    /// Keeps an acknowledged batch; lets go of what is too old or too much.
    pub(crate) fn keep(&mut self, sequence: u64, batch: Batch) {
        self.bytes += batch.bytes();
        self.batches.push_back(Acknowledged {
            sequence,
            at: Instant::now(),
            batch,
        });
        while self.bytes > self.max_bytes {
            self.drop_oldest();
        }
        self.expire();
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
            self.bytes -= oldest.batch.bytes();
        }
    }

    /// Memory taken, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The batches after `last`, in order.
    pub(crate) fn after(&self, last: u64) -> impl Iterator<Item = (u64, &Batch, Instant)> {
        self.batches
            .iter()
            .filter(move |kept| kept.sequence > last)
            .map(|kept| (kept.sequence, &kept.batch, kept.at))
    }

    /// Whether everything after `last` is still here.
    pub(crate) fn reaches(&self, last: u64) -> bool {
        self.batches
            .front()
            .is_some_and(|oldest| oldest.sequence <= last + 1)
    }

    /// Forgets everything, for a lane that starts over as a new writer.
    pub(crate) fn clear(&mut self) {
        self.bytes = 0;
        self.batches.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(votes: u64) -> Batch {
        let mut batch = Batch::starting(0);
        batch.add_plain(0, 0, votes);
        batch
    }

    #[test]
    fn it_gives_back_what_came_after_a_sequence() {
        let mut window = ReplayWindow::new(Duration::from_secs(60), 1 << 20);
        for sequence in 1..=5 {
            window.keep(sequence, batch(sequence));
        }
        let after: Vec<_> = window
            .after(3)
            .map(|(sequence, batch, _)| (sequence, batch.votes()))
            .collect();
        assert_eq!(after, [(4, 4), (5, 5)]);
        assert!(window.reaches(0));
    }

    #[test]
    fn it_stays_within_its_memory() {
        let size = batch(1).bytes();
        let mut window = ReplayWindow::new(Duration::from_secs(60), 3 * size);
        for sequence in 1..=5 {
            window.keep(sequence, batch(1));
        }
        assert_eq!(window.bytes(), 3 * size);
        assert!(!window.reaches(1));
        assert!(window.reaches(2));
    }

    #[test]
    fn it_lets_go_of_what_is_too_old() {
        let mut window = ReplayWindow::new(Duration::ZERO, 1 << 20);
        window.keep(1, batch(1));
        window.expire();
        assert_eq!(window.bytes(), 0);
    }
}
