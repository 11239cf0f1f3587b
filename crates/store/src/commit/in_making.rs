//! A batch in the making: a batch together with the votes that it is made of, and with the clients that wait.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::batch::{Batch, CheckedVote, minute_of};
use super::outcome::Outcome;
use super::queue::Pending;

/// The most voter buckets of one batch: each is a key of the script.
const MAX_BUCKETS_PER_BATCH: usize = 512;

/// A batch and the votes that it is made of.
#[derive(Debug)]
pub(super) struct BatchInMaking {
    pub(super) batch: Batch,
    pub(super) plain: Vec<Pending>,
    pub(super) checked: Vec<Pending>,
    /// Whether an attempt to send it may have been applied.
    pub(super) is_uncertain: bool,
    /// When the newest of its votes came.
    newest: Instant,
}

impl BatchInMaking {
    /// Takes the votes of the next batch out of `backlog`: of one minute, and all in time or all late.
    pub(super) fn take(
        backlog: &mut VecDeque<Pending>,
        closes_at_ms: i64,
        max_checked: usize,
    ) -> Self {
        let first = backlog
            .front()
            .map_or(0, |pending| pending.vote.received_at_ms);
        let (minute, late) = (minute_of(first), first >= closes_at_ms);
        let (mut plain, mut checked) = (Vec::new(), Vec::new());
        let mut voters = 0;
        while let Some(pending) = backlog.pop_front() {
            let vote = &pending.vote;
            let is_checked =
                vote.key.is_some() || vote.voter.is_some() || vote.quarantine.is_some();
            let has_voter = usize::from(vote.voter.is_some());
            let fits = minute_of(vote.received_at_ms) == minute
                && (vote.received_at_ms >= closes_at_ms) == late
                && !(is_checked && checked.len() >= max_checked)
                && voters + has_voter <= MAX_BUCKETS_PER_BATCH;
            if !fits {
                backlog.push_front(pending);
                break;
            }
            voters += has_voter;
            if is_checked {
                checked.push(pending);
            } else {
                plain.push(pending);
            }
        }
        Self {
            batch: Batch::starting(0),
            plain,
            checked,
            is_uncertain: false,
            newest: Instant::now(),
        }
    }

    /// Marks all votes as sent, drops those that were recalled or must not be sent any more, and sums the
    /// batch anew. Returns whether there is anything to send.
    pub(super) fn send(&mut self, idempotency_window: Duration) -> bool {
        let now = Instant::now();
        self.plain.retain(Pending::send);
        self.checked.retain(|pending| {
            let too_late = pending.outlives_its_key(now, idempotency_window);
            if too_late {
                pending.ticket.resolve(Outcome::NotRecorded);
            }
            !too_late && pending.send()
        });
        let first = self.plain.first().or(self.checked.first());
        let mut batch = Batch::starting(first.map_or(0, |pending| pending.vote.received_at_ms));
        for pending in &self.plain {
            let vote = &pending.vote;
            batch.add_plain(vote.channel, vote.candidate, 1);
            batch.span(vote.received_at_ms);
        }
        for pending in &self.checked {
            let vote = &pending.vote;
            batch.span(vote.received_at_ms);
            batch.checked.push(CheckedVote {
                channel: vote.channel,
                candidate: vote.candidate,
                key: vote.key,
                voter: vote.voter,
                is_withdrawn: vote.is_withdrawn,
                quarantine: vote.quarantine,
            });
        }
        self.batch = batch;
        let votes = self.plain.iter().chain(&self.checked);
        if let Some(newest) = votes.max_by_key(|pending| pending.vote.received_at_ms) {
            self.newest = newest.since;
        }
        self.len() > 0
    }

    /// The last attempt was not applied: unless an earlier one may have been, its votes can be recalled until
    /// [`BatchInMaking::send_again`].
    pub(super) fn take_back(&self) {
        if self.is_uncertain {
            return;
        }
        for pending in self.plain.iter().chain(&self.checked) {
            pending.ticket.unsend();
        }
    }

    /// As [`BatchInMaking::send`]; what may have been applied stays as it was sent.
    pub(super) fn send_again(&mut self, idempotency_window: Duration) -> bool {
        self.is_uncertain || self.send(idempotency_window)
    }

    /// Whether any of it is still to be sent, or to be found out.
    pub(super) fn is_waited_for(&self) -> bool {
        let mut votes = self.plain.iter().chain(&self.checked);
        self.is_uncertain || votes.any(|pending| pending.ticket.is_waited_for())
    }

    /// The time since its newest vote came.
    pub(super) fn age(&self) -> Duration {
        self.newest.elapsed()
    }

    /// Whether it has a vote that must not be recorded any more, if it was not yet.
    pub(super) fn outlives_a_key(&self, idempotency_window: Duration) -> bool {
        let now = Instant::now();
        let mut votes = self.checked.iter();
        votes.any(|pending| pending.outlives_its_key(now, idempotency_window))
    }

    /// The votes that it has, recalled ones included.
    pub(super) fn len(&self) -> usize {
        self.plain.len() + self.checked.len()
    }

    /// Whether a request of it is traced.
    pub(super) fn is_traced(&self) -> bool {
        let mut votes = self.plain.iter().chain(&self.checked);
        votes.any(|pending| pending.vote.span.is_some())
    }

    /// None of it was recorded, and none will be.
    pub(super) fn resolve_as_not_recorded(self) {
        for pending in self.plain.into_iter().chain(self.checked) {
            pending.ticket.resolve(Outcome::NotRecorded);
        }
    }

    /// The batch's outcome will never be known here.
    pub(super) fn abandon(self) {
        for pending in self.plain.into_iter().chain(self.checked) {
            pending.give_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vote_domain::{IdempotencyKey, KeyDigest, PollId, VoterDigest};

    use super::*;
    use crate::commit::ticket::Ticket;
    use crate::commit::vote::VoteToCast;

    const MINUTE: i64 = 60_000;
    const NEVER: i64 = i64::MAX;

    fn keyed(received_at_ms: i64) -> VoteToCast {
        let poll = PollId::parse("paredao-01").expect("a poll's id");
        let key = IdempotencyKey::parse("k1").expect("a key");
        VoteToCast {
            key: Some(KeyDigest::new(&poll, &key)),
            ..VoteToCast::plain(received_at_ms)
        }
    }

    fn by_voter() -> VoteToCast {
        let poll = PollId::parse("paredao-01").expect("a poll's id");
        VoteToCast {
            voter: Some(VoterDigest::new(&[7; 32], &poll, "maria")),
            ..VoteToCast::plain(0)
        }
    }

    fn backlog(votes: impl IntoIterator<Item = VoteToCast>) -> VecDeque<Pending> {
        let votes = votes.into_iter();
        votes
            .map(|vote| Pending::new(vote, Ticket::new()))
            .collect()
    }

    #[test]
    fn a_batch_has_votes_of_one_minute_and_leaves_the_others_in_their_order() {
        let mut backlog = backlog([
            VoteToCast::plain(0),
            VoteToCast::plain(MINUTE - 1),
            VoteToCast::plain(MINUTE),
            VoteToCast::plain(1),
        ]);
        let making = BatchInMaking::take(&mut backlog, NEVER, 10);
        assert_eq!(making.len(), 2);
        let left = backlog.iter().map(|pending| pending.vote.received_at_ms);
        assert_eq!(left.collect::<Vec<_>>(), [MINUTE, 1]);
    }

    #[test]
    fn votes_in_time_and_late_ones_are_not_of_one_batch() {
        let mut backlog = backlog([
            VoteToCast::plain(1),
            VoteToCast::plain(10),
            VoteToCast::plain(11),
        ]);
        assert_eq!(BatchInMaking::take(&mut backlog, 10, 10).len(), 1);
        assert_eq!(BatchInMaking::take(&mut backlog, 10, 10).len(), 2);
    }

    #[test]
    fn a_batch_has_so_many_votes_to_look_up_and_no_more() {
        let mut keys = backlog([
            keyed(0),
            VoteToCast::plain(0),
            keyed(1),
            VoteToCast::plain(0),
            keyed(2),
        ]);
        let making = BatchInMaking::take(&mut keys, NEVER, 2);
        assert_eq!((making.plain.len(), making.checked.len()), (2, 2));
        let mut voters = backlog(std::iter::repeat_n(by_voter(), MAX_BUCKETS_PER_BATCH + 1));
        let making = BatchInMaking::take(&mut voters, NEVER, usize::MAX);
        assert_eq!(making.checked.len(), MAX_BUCKETS_PER_BATCH);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_recalled_or_has_waited_too_long_for_its_key_is_not_sent() {
        let window = Duration::from_secs(10);
        let mut backlog = backlog([VoteToCast::plain(0), VoteToCast::plain(1), keyed(2)]);
        let tickets: Vec<_> = backlog.iter().map(|p| Arc::clone(&p.ticket)).collect();
        let mut making = BatchInMaking::take(&mut backlog, NEVER, 10);
        tickets[0].recall();
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(making.send(window));
        assert_eq!((making.batch.votes(), making.batch.earliest_ms), (1, 1));
        assert!(matches!(tickets[2].recall(), Outcome::NotRecorded));
        assert_eq!(making.age(), Duration::from_secs(6));
    }

    #[test]
    fn a_batch_that_may_have_been_applied_stays_as_it_was_sent() {
        let window = Duration::from_secs(10);
        let mut backlog = backlog([VoteToCast::plain(0), VoteToCast::plain(1)]);
        let ticket = Arc::clone(&backlog[0].ticket);
        let mut making = BatchInMaking::take(&mut backlog, NEVER, 10);
        assert!(making.send(window));
        making.is_uncertain = true;
        making.take_back();
        assert!(matches!(ticket.recall(), Outcome::Unknown));
        assert!(making.send_again(window));
        assert_eq!(making.batch.votes(), 2);
    }
}
