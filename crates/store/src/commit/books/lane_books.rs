//! The books of one lane, under the name that it sends under.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use vote_domain::WriterId;

use super::predecessor::Predecessor;
use super::remains::Remains;
use super::replay_budget::ReplayBudget;
use super::replay_log::{Acknowledged, ReplayLog};
use crate::commit::batch::{Batch, Origin};
use crate::commit::shared::NOT_CLOSED;

/// What a lane knows of what it has sent and had acknowledged.
///
/// Sums of votes wrap: what is still to come may be less than nothing for a while, until a comparison with the
/// ledger says what the difference is.
#[derive(Debug)]
pub(in crate::commit) struct Books {
    writer: WriterId,
    /// The name that the lane began with.
    first_writer: WriterId,
    /// The votes that the lane has counted as lost, under all its names.
    lost: u64,
    /// The sequence of the last batch that was evaluated.
    last: u64,
    /// The votes that the ledger should have of the writer.
    votes: u64,
    log: ReplayLog,
    /// Redis has said that it has the writer only up to here, and not been seen to have more since.
    forgotten_after: Option<u64>,
    predecessors: Vec<Predecessor>,
    /// What was still to be sent again as another writer's when the lane was told to end.
    stranded: Vec<OldBooks>,
    /// The closing time for which it has told Redis that nothing is left to send; else [`NOT_CLOSED`].
    drained_for_ms: i64,
}

/// What the books had of a writer that the lane has started over from.
#[derive(Debug)]
pub(in crate::commit) struct OldBooks {
    pub(in crate::commit) writer: WriterId,
    pub(in crate::commit) last: u64,
    pub(in crate::commit) votes: u64,
    /// What is to be sent again.
    pub(in crate::commit) batches: VecDeque<Acknowledged>,
}

impl Books {
    /// Of a writer that has sent nothing. `budget` is that of all lanes of the process.
    pub(in crate::commit) fn new(
        writer: WriterId,
        replay_window: Duration,
        budget: &Arc<ReplayBudget>,
        log_bytes: Gauge,
    ) -> Self {
        Self {
            writer,
            first_writer: writer,
            lost: 0,
            last: 0,
            votes: 0,
            log: ReplayLog::new(replay_window, Arc::clone(budget), log_bytes),
            forgotten_after: None,
            predecessors: Vec::new(),
            stranded: Vec::new(),
            drained_for_ms: NOT_CLOSED,
        }
    }

    pub(in crate::commit) const fn writer(&self) -> WriterId {
        self.writer
    }

    /// The sequence of the last batch that was evaluated.
    pub(in crate::commit) const fn last(&self) -> u64 {
        self.last
    }

    /// The sequence of the next batch.
    pub(in crate::commit) const fn next(&self) -> u64 {
        self.last + 1
    }

    /// All acknowledged votes of the writer.
    pub(in crate::commit) const fn votes(&self) -> u64 {
        self.votes
    }

    /// Counts votes as lost.
    pub(in crate::commit) const fn lose(&mut self, votes: u64) {
        self.lost = self.lost.saturating_add(votes);
    }

    /// The votes that the lane has counted as lost, if any, and the name under which that is noted.
    pub(in crate::commit) fn lost(&self) -> Option<(WriterId, u64)> {
        (self.lost > 0).then_some((self.first_writer, self.lost))
    }

    /// Whether Redis has something to forget.
    pub(in crate::commit) const fn have_entries(&self) -> bool {
        self.last > 0 || !self.predecessors.is_empty() || self.lost > 0
    }

    /// A batch was evaluated, and this of it accepted.
    pub(in crate::commit) fn acknowledge(&mut self, sequence: u64, accepted: Batch) {
        let votes = accepted.votes();
        self.last = sequence;
        self.votes = self.votes.wrapping_add(votes);
        self.log.add(sequence, accepted, votes);
    }

    /// A batch of earlier writers was sent again, as this writer's.
    pub(in crate::commit) fn acknowledge_resent(
        &mut self,
        sequence: u64,
        remains: Remains,
        origins: Vec<Origin>,
    ) {
        self.last = sequence;
        self.votes = self.votes.wrapping_add(remains.counted);
        self.log
            .add_resent(sequence, remains.batch, remains.counted, origins);
    }

    /// Redis has said that it has the writer only up to `redis_last`; `None`: it has all again.
    pub(in crate::commit) const fn set_forgotten_after(&mut self, redis_last: Option<u64>) {
        self.forgotten_after = redis_last;
    }

    /// What Redis has said last that it lacks: all after this sequence.
    pub(in crate::commit) const fn forgotten_after(&self) -> Option<u64> {
        self.forgotten_after
    }

    /// The lane ends before all of this could be sent again.
    pub(in crate::commit) fn strand(&mut self, old: OldBooks) {
        self.stranded.push(old);
    }

    pub(in crate::commit) const fn have_stranded(&self) -> bool {
        !self.stranded.is_empty()
    }

    /// Takes out all that Redis may not have, as the lane ends: of the writer, and of those before it.
    pub(in crate::commit) fn take_all(&mut self) -> (VecDeque<Acknowledged>, Vec<OldBooks>) {
        (self.log.take_after(0), std::mem::take(&mut self.stranded))
    }

    /// Whether all that Redis lacks after `redis_last` can be sent again.
    pub(in crate::commit) fn reach(&self, redis_last: u64) -> bool {
        redis_last < self.last && self.log.reaches(redis_last)
    }

    /// The first acknowledged batch after `sequence`.
    pub(in crate::commit) fn first_after(&self, sequence: u64) -> Option<Acknowledged> {
        self.log.first_after(sequence)
    }

    /// A batch was sent again; what is lost of it is not sent a second time.
    pub(in crate::commit) fn replayed(&mut self, batch: &Acknowledged, remains: Remains) {
        self.votes = self
            .votes
            .wrapping_sub(batch.counted)
            .wrapping_add(remains.counted);
        self.log
            .amend(batch.sequence, remains.batch, remains.counted);
    }

    /// A batch that had been sent again is on record as an earlier writer's after all: that is to be expected there.
    pub(in crate::commit) fn expect_at_origin(&mut self, batch: &Acknowledged) {
        let origins = &batch.origins;
        let is_origin =
            |old: &&mut Predecessor| origins.iter().any(|(writer, _)| *writer == old.writer);
        if let Some(old) = self.predecessors.iter_mut().find(is_origin) {
            old.votes = old.votes.wrapping_add(batch.counted);
        }
    }

    /// Nothing after `reached` can be recorded any more; gives the votes that are lost by that.
    pub(in crate::commit) fn give_up_after(&mut self, reached: u64) -> u64 {
        let lost = self.votes_after(reached);
        self.votes = self.votes.wrapping_sub(lost);
        self.log.clear();
        self.last = reached;
        self.forgotten_after = None;
        lost
    }

    /// The votes of the retained batches after `sequence`.
    pub(in crate::commit) fn votes_after(&self, sequence: u64) -> u64 {
        self.log.after(sequence).map(|batch| batch.counted).sum()
    }

    /// Whether there are acknowledged votes that could be sent again.
    pub(in crate::commit) const fn retain_any(&self) -> bool {
        self.log.counted() > 0
    }

    /// Begins anew under another name. Of the old one the ledger has all up to `recorded_last`.
    pub(in crate::commit) fn start_over(
        &mut self,
        writer: WriterId,
        recorded_last: u64,
    ) -> OldBooks {
        self.forgotten_after = None;
        OldBooks {
            batches: self.log.take_after(recorded_last),
            writer: std::mem::replace(&mut self.writer, writer),
            last: std::mem::take(&mut self.last),
            votes: std::mem::take(&mut self.votes),
        }
    }

    /// The ledger has so many votes of the writer: gives those that it should have had.
    pub(in crate::commit) const fn correct(&mut self, votes: u64) -> u64 {
        std::mem::replace(&mut self.votes, votes)
    }

    /// Lets go of batches that are too old to be sent again.
    pub(in crate::commit) fn expire(&mut self) {
        self.log.expire();
    }

    pub(in crate::commit) fn add_predecessor(&mut self, old: Predecessor) {
        self.predecessors.push(old);
    }

    /// The writers that are still asked for; the others are forgotten.
    pub(in crate::commit) fn predecessors(&mut self, now: Instant) -> &[Predecessor] {
        self.predecessors
            .retain(|old| !old.ended || old.until > now);
        &self.predecessors
    }

    /// Whether there are any.
    pub(in crate::commit) const fn have_predecessors(&self) -> bool {
        !self.predecessors.is_empty()
    }

    /// All writers that the lane has started over from, as long as they are asked for.
    pub(in crate::commit) fn all_predecessors(&self) -> Vec<WriterId> {
        self.predecessors.iter().map(|old| old.writer).collect()
    }

    /// What the ledger has of a predecessor: gives the votes that it should have had.
    pub(in crate::commit) fn correct_predecessor(&mut self, found: Predecessor) -> u64 {
        let mut known = self.predecessors.iter_mut();
        match known.find(|old| old.writer == found.writer) {
            Some(old) => std::mem::replace(old, found).votes,
            None => found.votes,
        }
    }

    /// Redis is about to be told that nothing is left to send for a poll that closed at `closed_at_ms`. Whatever
    /// comes of it, the mark may be there from now on.
    pub(in crate::commit) const fn drain_for(&mut self, closed_at_ms: i64) {
        self.drained_for_ms = closed_at_ms;
    }

    /// The closing time that the lane is drained for, if any: a vote that was received before can't be sent any
    /// more, for the poll may be sealed without waiting for it.
    pub(in crate::commit) fn drained_for_ms(&self) -> Option<i64> {
        (self.drained_for_ms != NOT_CLOSED).then_some(self.drained_for_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: WriterId = WriterId::from_bytes([1; 8]);
    const NEW: WriterId = WriterId::from_bytes([2; 8]);

    fn batch(votes: u64) -> Batch {
        let mut batch = Batch::starting(0);
        batch.add_plain(0, 0, votes);
        batch
    }

    /// Books with batches of 1, 2, 3, … votes.
    fn books(batches: u64) -> Books {
        let mut books = Books::new(
            OLD,
            Duration::from_secs(3_600),
            &ReplayBudget::new(1 << 20),
            Gauge::default(),
        );
        for sequence in 1..=batches {
            assert_eq!(books.next(), sequence);
            books.acknowledge(sequence, batch(sequence));
        }
        books
    }

    #[test]
    fn a_new_lane_has_nothing_that_redis_could_forget() {
        assert!(!books(0).have_entries());
        assert!(!books(0).reach(0));
        assert!(books(1).have_entries());
    }

    #[test]
    fn they_know_the_votes_that_the_ledger_should_have() {
        let mut books = books(3);
        assert_eq!(books.correct(4), 6);
        assert_eq!(books.correct(4), 4, "the ledger has the last word");
    }

    #[test]
    fn a_gap_can_be_repaired_as_far_as_batches_are_retained_and_no_further() {
        let mut books = books(3);
        assert!(books.reach(0) && books.reach(2));
        assert!(!books.reach(3), "nothing is missing");
        assert!(!books.reach(4), "Redis knows more than was sent");
        assert_eq!(books.give_up_after(1), 5);
        assert!(!books.reach(0), "nothing is retained any more");
    }

    #[test]
    fn what_a_repair_has_lost_is_expected_no_more_and_not_sent_again() {
        let mut books = books(2);
        let second = books.first_after(1).expect("the second batch is retained");
        let remains = Remains {
            batch: batch(1),
            counted: 1,
            refused: 1,
        };
        books.replayed(&second, remains);
        assert_eq!(books.votes_after(0), 2);
        let again = books.first_after(1).expect("its remains are retained");
        assert_eq!((again.sequence, again.batch.votes()), (2, 1));
        assert_eq!(books.correct(0), 2);
    }

    #[test]
    fn after_what_is_given_up_the_next_batch_follows_what_redis_has() {
        let mut books = books(3);
        assert_eq!(books.give_up_after(1), 5);
        assert_eq!((books.last(), books.next()), (1, 2));
        assert_eq!(books.correct(0), 1);
    }

    #[test]
    fn a_lane_that_starts_over_takes_what_redis_lacks_along() {
        let mut books = books(3);
        let old = books.start_over(NEW, 1);
        assert_eq!((old.writer, old.last, old.votes), (OLD, 3, 6));
        let sequences: Vec<_> = old.batches.iter().map(|batch| batch.sequence).collect();
        assert_eq!(sequences, [2, 3]);
        assert_eq!((books.writer(), books.next()), (NEW, 1));
        assert_eq!(books.correct(0), 0);
    }

    #[test]
    fn a_batch_that_is_on_record_as_an_earlier_writers_is_expected_there() {
        let mut books = books(1);
        let old = books.start_over(NEW, 0);
        let mut resent = old.batches[0].clone();
        resent.origins.push((OLD, 1));
        let now = Instant::now();
        books.add_predecessor(Predecessor {
            writer: OLD,
            sequence: 0,
            votes: 0,
            until: now,
            ended: false,
        });
        books.acknowledge_resent(1, Remains::all(&resent), resent.origins.clone());
        books.expect_at_origin(&resent);
        books.replayed(&resent, Remains::elsewhere(&resent.batch));
        assert_eq!(books.predecessors(now)[0].votes, 1);
        assert_eq!(books.correct(0), 0);
    }

    #[test]
    fn a_predecessor_is_asked_for_until_it_has_ended_and_its_time_is_over() {
        let mut books = books(0);
        let now = Instant::now();
        books.add_predecessor(Predecessor {
            writer: OLD,
            sequence: 1,
            votes: 1,
            until: now + Duration::from_secs(1),
            ended: true,
        });
        assert_eq!(books.predecessors(now).len(), 1);
        let later = now + Duration::from_secs(2);
        assert_eq!(books.predecessors(later).len(), 0);
    }

    #[test]
    fn a_lane_is_drained_for_the_closing_time_of_its_last_heartbeat_and_for_none_before() {
        let mut books = books(1);
        assert_eq!(books.drained_for_ms(), None);
        books.drain_for(1_000);
        assert_eq!(books.drained_for_ms(), Some(1_000));
        books.drain_for(NOT_CLOSED);
        assert_eq!(books.drained_for_ms(), None);
    }
}
