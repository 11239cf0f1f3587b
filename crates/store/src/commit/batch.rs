//! A batch of votes: what one run of `commit.lua` carries.

use vote_domain::{KeyDigest, QuarantineReason, VoterDigest, WriterId};

use super::outcome::Verdict;

/// A vote that the script has to look at by itself: it has a key or a voter, or is set aside as suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckedVote {
    pub(super) channel: u8,
    pub(super) candidate: u8,
    pub(super) key: Option<KeyDigest>,
    pub(super) voter: Option<VoterDigest>,
    /// Its candidate is out of the poll: it is only looked up, for it may be the repeat of one that was recorded.
    pub(super) is_withdrawn: bool,
    /// Why it is set aside, if it is.
    pub(super) quarantine: Option<QuarantineReason>,
}

/// The writer that a batch had been acknowledged to, and the sequence that it had.
pub(crate) type Origin = (WriterId, u64);

/// The votes of one batch, all received in one minute, summed as far as they can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Minutes since the Unix epoch.
    pub(super) minute: i64,
    pub(super) earliest_ms: i64,
    pub(super) latest_ms: i64,
    /// Votes that need no look-up, by channel and candidate.
    pub(super) plain: Vec<(u8, u8, u64)>,
    pub(super) checked: Vec<CheckedVote>,
}

impl Batch {
    /// A batch without votes, for votes that are received in the minute of `received_at_ms`.
    pub(super) const fn starting(received_at_ms: i64) -> Self {
        Self {
            minute: minute_of(received_at_ms),
            earliest_ms: received_at_ms,
            latest_ms: received_at_ms,
            plain: Vec::new(),
            checked: Vec::new(),
        }
    }

    /// Adds votes that need no look-up.
    pub(super) fn add_plain(&mut self, channel: u8, candidate: u8, votes: u64) {
        match self
            .plain
            .iter_mut()
            .find(|(ch, ca, _)| (*ch, *ca) == (channel, candidate))
        {
            Some((_, _, sum)) => *sum += votes,
            None => self.plain.push((channel, candidate, votes)),
        }
    }

    /// Widens the span of receive times.
    pub(super) fn span(&mut self, received_at_ms: i64) {
        self.earliest_ms = self.earliest_ms.min(received_at_ms);
        self.latest_ms = self.latest_ms.max(received_at_ms);
    }

    /// All votes of the batch.
    pub(super) fn votes(&self) -> u64 {
        self.plain.iter().map(|(_, _, votes)| votes).sum::<u64>() + self.checked.len() as u64
    }

    /// What was accepted of it: its plain votes and each checked one have their verdict.
    pub(super) fn into_accepted(mut self, plain: Verdict, checked: &[Verdict]) -> Self {
        if plain != Verdict::Accepted(()) {
            return self.into_nothing();
        }
        let mut verdicts = checked.iter();
        self.checked
            .retain(|_| verdicts.next() == Some(&Verdict::Accepted(())));
        self
    }

    /// The same without its votes.
    pub(super) fn into_nothing(self) -> Self {
        Self {
            plain: Vec::new(),
            checked: Vec::new(),
            ..self
        }
    }

    /// The memory that the batch takes beside itself, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.plain.capacity() * size_of::<(u8, u8, u64)>()
            + self.checked.capacity() * size_of::<CheckedVote>()
    }

    /// Lets go of memory that it has to spare.
    pub(super) fn shrink_to_fit(&mut self) {
        self.plain.shrink_to_fit();
        self.checked.shrink_to_fit();
    }
}

/// The minute that a vote counts in, since the Unix epoch.
pub(super) const fn minute_of(received_at_ms: i64) -> i64 {
    received_at_ms.div_euclid(60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let mut batch = Batch::starting(120_000);
        batch.add_plain(0, 0, 2);
        batch.add_plain(0, 1, 1);
        batch.add_plain(0, 0, 3);
        batch.checked = (0..3)
            .map(|candidate| CheckedVote {
                channel: 1,
                candidate,
                key: None,
                voter: None,
                is_withdrawn: false,
                quarantine: None,
            })
            .collect();
        batch
    }

    #[test]
    fn equal_plain_votes_are_one_sum() {
        let batch = batch();
        assert_eq!(batch.plain, [(0, 0, 5), (0, 1, 1)]);
        assert_eq!((batch.votes(), batch.minute), (9, 2));
    }

    #[test]
    fn what_was_accepted_lacks_the_votes_that_were_not() {
        let checked = [
            Verdict::Duplicate(()),
            Verdict::Accepted(()),
            Verdict::Mismatch,
        ];
        let accepted = batch().into_accepted(Verdict::Accepted(()), &checked);
        assert_eq!(accepted.plain, batch().plain);
        assert_eq!(accepted.checked, batch().checked[1..2]);
    }

    #[test]
    fn nothing_of_a_refused_batch_was_accepted() {
        let refused = Verdict::Refused(vote_domain::Refusal::Paused);
        assert_eq!(batch().into_accepted(refused, &[refused; 3]).votes(), 0);
    }
}
