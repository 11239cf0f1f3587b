//! How a vote ended: what its client is told, what the metrics count, and what the script says of it.

use opentelemetry::trace::SpanContext;
use vote_domain::{Refusal, WriterId};

/// Where a recorded vote stands: what its receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The writer of the batch.
    pub writer: WriterId,
    /// The shard it went to.
    pub shard: u16,
    /// The batch's sequence. In the tally as soon as the ledger's last is not lower.
    pub sequence: u64,
    /// The vote's place in the batch, from 0.
    pub place: u32,
}

/// What the client of a recorded vote learns.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// Its place in the ledger; that of a repeat is the repeat's own.
    pub place: Place,
    /// The span of its batch, where the vote is traced.
    pub batch: Option<Box<SpanContext>>,
}

/// How a vote ended. What is known of a recorded one is an [`Acceptance`] for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<A = Acceptance, D = Option<A>> {
    /// Recorded, and acknowledged by Redis.
    Accepted(A),
    /// Its key had been recorded before, for the same channel and candidate. The batch that found it proves
    /// so, where the ledger has that batch: it has none of a poll that is over for good.
    Duplicate(D),
    /// Its key had been recorded before, for another vote.
    Mismatch,
    /// The voter has used all votes of this channel.
    LimitReached,
    /// The poll does not take votes now; nothing was recorded (a late one is counted as late).
    Refused(Refusal),
    /// The lane's queue is full. Not recorded.
    QueueFull,
    /// Waited the accept timeout without being sent, and was recalled. Not recorded.
    NotRecorded,
    /// Sent, but the answer is still out: it may be recorded or not. Counted once more when its outcome
    /// comes to be known.
    Unknown,
}

/// How a vote ended, where no more is asked: what the script says of each vote of a batch.
pub(super) type Verdict = Outcome<(), ()>;

impl<A, D> Outcome<A, D> {
    /// The values of the metrics' label `outcome`.
    pub(super) const LABELS: [&'static str; 9] = [
        "accepted",
        "duplicate",
        "mismatch",
        "limit_reached",
        "late",
        "refused",
        "queue_full",
        "not_recorded",
        "unknown",
    ];

    /// The index of its label in [`Outcome::LABELS`].
    pub(super) const fn label(&self) -> usize {
        match self {
            Self::Accepted(_) => 0,
            Self::Duplicate(_) => 1,
            Self::Mismatch => 2,
            Self::LimitReached => 3,
            Self::Refused(Refusal::Closed) => 4,
            Self::Refused(_) => 5,
            Self::QueueFull => 6,
            Self::NotRecorded => 7,
            Self::Unknown => 8,
        }
    }
}

impl Verdict {
    /// What a letter of a reply says; `refusal` is the reply's, where it refuses.
    pub(super) fn of_letter(letter: u8, refusal: Refusal) -> Option<Self> {
        Some(match letter {
            b'a' => Self::Accepted(()),
            b'd' => Self::Duplicate(()),
            b'm' => Self::Mismatch,
            b'l' => Self::LimitReached,
            b'w' => Self::Refused(Refusal::Withdrawn),
            b'x' => Self::Refused(Refusal::Closed),
            b'r' => Self::Refused(refusal),
            _ => return None,
        })
    }

    /// The same for the client of the vote; `is_on_record` where the ledger has its batch.
    pub(super) fn told(
        self,
        is_on_record: bool,
        acceptance: impl FnOnce() -> Acceptance,
    ) -> Outcome {
        match self {
            Self::Accepted(()) => Outcome::Accepted(acceptance()),
            Self::Duplicate(()) => Outcome::Duplicate(is_on_record.then(acceptance)),
            Self::Mismatch => Outcome::Mismatch,
            Self::LimitReached => Outcome::LimitReached,
            Self::Refused(refusal) => Outcome::Refused(refusal),
            Self::QueueFull => Outcome::QueueFull,
            Self::NotRecorded => Outcome::NotRecorded,
            Self::Unknown => Outcome::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_the_label_that_the_metrics_promise() {
        let labels = [
            (Verdict::Accepted(()), "accepted"),
            (Verdict::Duplicate(()), "duplicate"),
            (Verdict::Mismatch, "mismatch"),
            (Verdict::LimitReached, "limit_reached"),
            (Verdict::Refused(Refusal::Closed), "late"),
            (Verdict::Refused(Refusal::NotOpenYet), "refused"),
            (Verdict::Refused(Refusal::Paused), "refused"),
            (Verdict::Refused(Refusal::Sealed), "refused"),
            (Verdict::Refused(Refusal::Void), "refused"),
            (Verdict::QueueFull, "queue_full"),
            (Verdict::NotRecorded, "not_recorded"),
            (Verdict::Unknown, "unknown"),
        ];
        for (verdict, label) in labels {
            assert_eq!(Verdict::LABELS[verdict.label()], label, "{verdict:?}");
        }
    }

    #[test]
    fn a_late_vote_is_told_that_the_poll_is_closed_and_a_refused_one_why() {
        let told = |letter| Verdict::of_letter(letter, Refusal::Paused);
        assert_eq!(told(b'x'), Some(Verdict::Refused(Refusal::Closed)));
        assert_eq!(told(b'r'), Some(Verdict::Refused(Refusal::Paused)));
        assert_eq!(told(b'z'), None);
    }
}
