//! A batch together with the votes, and the waiting clients, that it was made of.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Outcome,
    batch::{Batch, CheckedVote},
    queue::Pending,
};

/// A batch and the votes that it was made of.
pub(super) struct Load {
    pub(super) batch: Batch,
    pub(super) plain: Vec<Pending>,
    pub(super) checked: Vec<Pending>,
    /// Whether an attempt to send it may have been applied.
    pub(super) is_uncertain: bool,
    /// When the newest of its votes was queued.
    newest: Instant,
}

impl Load {
    /// Of no votes yet.
    pub(super) fn new() -> Self {
        Self {
            batch: Batch::empty(),
            plain: Vec::new(),
            checked: Vec::new(),
            is_uncertain: false,
            newest: Instant::now(),
        }
    }

    /// Marks all votes as sent, drops those that were withdrawn or must not be sent any more, and sums the
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
            });
        }
        self.batch = batch;
        let votes = self.plain.iter().chain(&self.checked);
        if let Some(newest) = votes.max_by_key(|pending| pending.vote.received_at_ms) {
            self.newest = newest.since;
        }
        !self.is_empty()
    }

    /// The last attempt was not applied: unless an earlier one may have been, its votes can be withdrawn until
    /// [`Load::send_again`].
    pub(super) fn take_back(&self) {
        if self.is_uncertain {
            return;
        }
        for pending in self.plain.iter().chain(&self.checked) {
            pending.ticket.unsend();
        }
    }

    /// As [`Load::send`]; what may have been applied stays as it was sent.
    pub(super) fn send_again(&mut self, idempotency_window: Duration) -> bool {
        self.is_uncertain || self.send(idempotency_window)
    }

    /// The time since its newest vote was queued.
    pub(super) fn age(&self) -> Duration {
        self.newest.elapsed()
    }

    /// Whether it has a vote that must not be recorded any more, if it was not yet.
    pub(super) fn outlives_a_key(&self, idempotency_window: Duration) -> bool {
        let now = Instant::now();
        let mut votes = self.checked.iter();
        votes.any(|pending| pending.outlives_its_key(now, idempotency_window))
    }

    pub(super) fn len(&self) -> usize {
        self.plain.len() + self.checked.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn traced(&self) -> bool {
        self.plain
            .iter()
            .chain(&self.checked)
            .any(|pending| pending.vote.span.is_some())
    }

    /// The batch's outcome will never be known here.
    pub(super) fn abandon(self) {
        for pending in self.plain.into_iter().chain(self.checked) {
            pending.give_up();
        }
    }
}
