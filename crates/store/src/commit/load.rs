//! A batch together with the votes, and the waiting clients, that it was made of.

use std::time::Instant;

use super::{
    batch::{Batch, CheckedVote},
    queue::Pending,
};

/// A batch and the votes that it was made of.
pub(super) struct Load {
    pub(super) batch: Batch,
    pub(super) plain: Vec<Pending>,
    pub(super) checked: Vec<Pending>,
    /// When it was made.
    pub(super) made: Instant,
}

impl Load {
    /// Marks all votes as sent, drops those that were withdrawn, and sums the batch anew.
    pub(super) fn mark_sent(&mut self) {
        self.plain.retain(Pending::send);
        self.checked.retain(Pending::send);
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
    }

    pub(super) fn unmark_sent(&self) {
        for pending in self.plain.iter().chain(&self.checked) {
            pending.ticket.unsend();
        }
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
