//! What the clients were told, one byte per vote: its outcome, and which process accepted it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use vote_client::answer::Shown;

/// What a client knows of its vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    /// Answered as accepted, by this process.
    Accepted {
        /// The process' number.
        by: usize,
    },
    /// Every answer said that it was not recorded.
    Refused,
    /// At least one attempt's outcome is open, and no answer has settled it.
    Unknown,
}

const UNSENT: u8 = 0;
const REFUSED: u8 = 1;
const UNKNOWN: u8 = 2;
const ACCEPTED: u8 = 16;

/// What the clients were told of all votes of one load, by their index.
#[derive(Debug)]
pub(crate) struct ClientRecord {
    votes: Vec<AtomicU8>,
    accepted: AtomicU64,
    refused_but_recorded: AtomicU64,
    accepted_unsent: AtomicU64,
}

/// How many votes ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
    /// Every answer had said "not recorded", and then the key was known: told the client's load itself.
    pub(crate) refused_but_recorded: u64,
    /// The key was known before it was ever sent.
    pub(crate) known_unsent: u64,
}

impl ClientRecord {
    /// Room for this many votes.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            votes: std::iter::repeat_with(|| AtomicU8::new(UNSENT))
                .take(most)
                .collect(),
            accepted: AtomicU64::new(0),
            refused_but_recorded: AtomicU64::new(0),
            accepted_unsent: AtomicU64::new(0),
        }
    }

    pub(crate) fn room(&self) -> u64 {
        u64::try_from(self.votes.len()).unwrap_or(u64::MAX)
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Writes down what an attempt has shown. Attempts of one vote follow each other.
    pub(crate) fn write(&self, index: u64, shown: Shown, by: usize) {
        let Some(vote) = usize::try_from(index).ok().and_then(|i| self.votes.get(i)) else {
            return;
        };
        let before = vote.load(Ordering::Relaxed);
        if before >= ACCEPTED {
            return;
        }
        let after = match shown {
            Shown::Accepted | Shown::AlreadyAccepted => {
                if shown == Shown::AlreadyAccepted && before == REFUSED {
                    self.refused_but_recorded.fetch_add(1, Ordering::Relaxed);
                }
                if shown == Shown::AlreadyAccepted && before == UNSENT {
                    self.accepted_unsent.fetch_add(1, Ordering::Relaxed);
                }
                self.accepted.fetch_add(1, Ordering::Relaxed);
                ACCEPTED + u8::try_from(by).unwrap_or(u8::MAX - ACCEPTED)
            }
            // What one attempt has left open, no later refusal settles: the first may still be on its way.
            Shown::Refused | Shown::NotRecorded if before == UNKNOWN => UNKNOWN,
            Shown::Refused | Shown::NotRecorded => REFUSED,
            Shown::Open => UNKNOWN,
        };
        vote.store(after, Ordering::Relaxed);
    }

    /// What the client of this vote was told; `None` where it was never sent.
    pub(crate) fn told(&self, index: u64) -> Option<Told> {
        let vote = self.votes.get(usize::try_from(index).ok()?)?;
        match vote.load(Ordering::Relaxed) {
            UNSENT => None,
            REFUSED => Some(Told::Refused),
            UNKNOWN => Some(Told::Unknown),
            accepted => Some(Told::Accepted {
                by: usize::from(accepted - ACCEPTED),
            }),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts {
            refused_but_recorded: self.refused_but_recorded.load(Ordering::Relaxed),
            known_unsent: self.accepted_unsent.load(Ordering::Relaxed),
            ..Counts::default()
        };
        for told in (0..self.room()).filter_map(|index| self.told(index)) {
            counts.sent += 1;
            match told {
                Told::Accepted { .. } => counts.accepted += 1,
                Told::Refused => counts.refused += 1,
                Told::Unknown => counts.unknown += 1,
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientRecord, Shown, Told};

    #[test]
    fn the_last_word_counts_and_an_open_attempt_stays_open_until_it_is_settled() {
        let cases: [(&[Shown], Option<Told>); 8] = [
            (&[], None),
            (&[Shown::Accepted], Some(Told::Accepted { by: 1 })),
            (&[Shown::Refused], Some(Told::Refused)),
            (
                &[Shown::NotRecorded, Shown::Accepted],
                Some(Told::Accepted { by: 1 }),
            ),
            (&[Shown::Open, Shown::NotRecorded], Some(Told::Unknown)),
            (&[Shown::NotRecorded, Shown::Open], Some(Told::Unknown)),
            (&[Shown::Open, Shown::Refused], Some(Told::Unknown)),
            (
                &[Shown::Open, Shown::AlreadyAccepted],
                Some(Told::Accepted { by: 1 }),
            ),
        ];
        for (shown, told) in cases {
            let record = ClientRecord::new(1);
            for each in shown {
                record.write(0, *each, 1);
            }
            assert_eq!(record.told(0), told, "{shown:?}");
            assert_eq!(record.counts().refused_but_recorded, 0);
        }
    }

    #[test]
    fn a_refused_vote_that_turns_out_to_be_recorded_is_a_finding() {
        let record = ClientRecord::new(3);
        record.write(0, Shown::NotRecorded, 0);
        record.write(0, Shown::AlreadyAccepted, 0);
        record.write(1, Shown::AlreadyAccepted, 0);
        record.write(2, Shown::Open, 0);
        let counts = record.counts();
        assert_eq!((counts.sent, counts.accepted, counts.unknown), (3, 2, 1));
        assert_eq!((counts.refused_but_recorded, counts.known_unsent), (1, 1));
    }
}
