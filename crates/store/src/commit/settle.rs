//! What a reply means to each vote of its batch.

use std::sync::atomic::Ordering;

use opentelemetry::trace::SpanContext;
use vote_domain::Refusal;

use super::{
    Outcome, Place,
    batch::Batch,
    lane::Lane,
    load::Load,
    reply::{Letter, Reply},
};
use crate::metrics::VoteOutcome;

impl Lane {
    /// Tells every client of the batch how its vote ended.
    pub(super) fn settle(
        &mut self,
        load: Load,
        sequence: u64,
        reply: Reply,
        span: Option<&SpanContext>,
    ) {
        let uses_sequence = reply.uses_sequence();
        let (plain_letter, refusal, letters) = match reply {
            Reply::Split {
                opens_at_ms,
                closes_at_ms,
            } => {
                return self.split(load, sequence, opens_at_ms, closes_at_ms);
            }
            Reply::Applied(letters) => (Letter::Accepted, Refusal::Closed, letters),
            Reply::Late(letters) => (Letter::Late, Refusal::Closed, letters),
            Reply::Refused(refusal, letters) => (Letter::Refused, refusal, letters),
            Reply::Burnt => return self.burnt(load, sequence),
            // `commit` has dealt with these, or never sees them.
            Reply::Original
            | Reply::Waits(_)
            | Reply::Gap { .. }
            | Reply::Behind { .. }
            | Reply::Stands { .. } => {
                return load.abandon();
            }
        };
        if uses_sequence {
            self.keep(&load, sequence, plain_letter, &letters);
        }
        let mut place = Place {
            writer: self.writer,
            shard: self.shard,
            sequence,
            place: 0,
        };
        let votes = load
            .plain
            .into_iter()
            .map(|pending| (pending, plain_letter));
        let votes = votes.chain(load.checked.into_iter().zip(letters));
        for (pending, letter) in votes {
            let (outcome, counted) = match letter {
                Letter::Accepted => {
                    let batch = pending
                        .vote
                        .span
                        .is_some()
                        .then(|| span.cloned().map(Box::new))
                        .flatten();
                    (Outcome::Accepted { place, batch }, VoteOutcome::Accepted)
                }
                Letter::Duplicate => (Outcome::Duplicate, VoteOutcome::Duplicate),
                Letter::Mismatch => (Outcome::Mismatch, VoteOutcome::Mismatch),
                Letter::LimitReached => (Outcome::LimitReached, VoteOutcome::LimitReached),
                Letter::Late => (Outcome::Refused(Refusal::Closed), VoteOutcome::Late),
                Letter::Refused => (Outcome::Refused(refusal), VoteOutcome::Refused),
            };
            self.metrics
                .vote(pending.vote.channel, pending.vote.candidate, counted);
            pending.ticket.resolve(outcome);
            place.place += 1;
        }
    }

    /// The batch was never applied, and never will be.
    fn burnt(&mut self, load: Load, sequence: u64) {
        self.keep(&load, sequence, Letter::Refused, &[]);
        for pending in load.plain.into_iter().chain(load.checked) {
            pending.ticket.resolve(Outcome::NotRecorded);
        }
    }

    /// Keeps what was accepted of the batch, in case that Redis forgets it.
    fn keep(&mut self, load: &Load, sequence: u64, plain: Letter, letters: &[Letter]) {
        let mut kept = Batch {
            plain: Vec::new(),
            checked: Vec::new(),
            ..load.batch
        };
        if plain == Letter::Accepted {
            kept.plain.clone_from(&load.batch.plain);
            kept.checked = load
                .batch
                .checked
                .iter()
                .zip(letters)
                .filter(|(_, letter)| **letter == Letter::Accepted)
                .map(|(vote, _)| *vote)
                .collect();
        }
        let votes = kept.votes();
        self.state.expect_more(votes);
        self.state.window.keep(sequence, kept, votes);
    }

    /// The fence has moved: sorts the votes of a batch that spans it, and queues them again.
    fn split(&mut self, load: Load, sequence: u64, opens_at_ms: i64, closes_at_ms: i64) {
        self.shared
            .closes_at_ms
            .store(closes_at_ms, Ordering::Relaxed);
        self.state.window.keep(
            sequence,
            Batch {
                plain: Vec::new(),
                checked: Vec::new(),
                ..load.batch
            },
            0,
        );
        for pending in load.checked.into_iter().chain(load.plain).rev() {
            if pending.vote.received_at_ms < opens_at_ms {
                self.metrics.vote(
                    pending.vote.channel,
                    pending.vote.candidate,
                    VoteOutcome::Refused,
                );
                pending
                    .ticket
                    .resolve(Outcome::Refused(Refusal::NotOpenYet));
                continue;
            }
            pending.ticket.unsend();
            self.state.backlog.push_front(pending);
        }
    }
}
