//! Votes per channel and candidate.

use serde::{Deserialize, Deserializer, Serialize};

use crate::definition::poll_definition::PollDefinition;

/// A count that can't be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TallyOverflow {
    /// More votes than 64 bits count.
    #[error(
        "channel {channel}, candidate {candidate} would have more than {} votes",
        u64::MAX
    )]
    Votes {
        /// The channel's index.
        channel: usize,
        /// The candidate's index.
        candidate: usize,
    },
    /// A channel or candidate that the tally doesn't have.
    #[error(
        "the tally has {channels} channels and {candidates} candidates: none at {channel}, {candidate}"
    )]
    Outside {
        /// The channel's index.
        channel: usize,
        /// The candidate's index.
        candidate: usize,
        /// How many channels there are.
        channels: usize,
        /// How many candidates there are.
        candidates: usize,
    },
}

/// Votes per channel and candidate, dense, by their index in the poll's definition.
///
/// On the wire an array of channels, each an array of counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(into = "Vec<Vec<u64>>")]
pub struct Tally {
    channels: usize,
    candidates: usize,
    votes: Vec<u64>,
}

impl Tally {
    /// No votes yet in a poll.
    #[must_use]
    pub fn empty(poll: &PollDefinition) -> Self {
        Self::new(poll.channels().len(), poll.candidates().len())
    }

    /// No votes yet, for so many channels and candidates.
    #[must_use]
    pub fn new(channels: usize, candidates: usize) -> Self {
        Self {
            channels,
            candidates,
            votes: vec![0; channels * candidates],
        }
    }

    /// The counts given, a row for each channel; `None` where the rows differ in length.
    #[must_use]
    pub fn from_rows(rows: &[Vec<u64>]) -> Option<Self> {
        let candidates = rows.first().map_or(0, Vec::len);
        rows.iter()
            .all(|row| row.len() == candidates)
            .then(|| Self {
                channels: rows.len(),
                candidates,
                votes: rows.concat(),
            })
    }

    /// How many channels it has.
    #[must_use]
    pub const fn channels(&self) -> usize {
        self.channels
    }

    /// How many candidates it has.
    #[must_use]
    pub const fn candidates(&self) -> usize {
        self.candidates
    }

    /// Whether it has a place for each channel and candidate of the other, and no more.
    #[must_use]
    pub const fn same_shape(&self, other: &Self) -> bool {
        self.channels == other.channels && self.candidates == other.candidates
    }

    /// The votes of a candidate through a channel; 0 where the tally has no such place.
    #[must_use]
    pub fn get(&self, channel: usize, candidate: usize) -> u64 {
        self.place(channel, candidate)
            .map_or(0, |place| self.votes[place])
    }

    /// Adds votes for a candidate through a channel.
    ///
    /// # Errors
    /// Where the tally has no such place, or its count would overflow; nothing is changed then.
    pub fn add(
        &mut self,
        channel: usize,
        candidate: usize,
        votes: u64,
    ) -> Result<(), TallyOverflow> {
        let place = self
            .place(channel, candidate)
            .ok_or(TallyOverflow::Outside {
                channel,
                candidate,
                channels: self.channels,
                candidates: self.candidates,
            })?;
        self.votes[place] = self.votes[place]
            .checked_add(votes)
            .ok_or(TallyOverflow::Votes { channel, candidate })?;
        Ok(())
    }

    /// Adds all votes of another tally, for example another shard's.
    ///
    /// # Errors
    /// Where the other has a place that this one hasn't, or a count would overflow; nothing is changed
    /// then.
    pub fn merge(&mut self, other: &Self) -> Result<(), TallyOverflow> {
        let mut sum = self.clone();
        for (channel, row) in other.rows().enumerate() {
            for (candidate, &votes) in row.iter().enumerate() {
                sum.add(channel, candidate, votes)?;
            }
        }
        *self = sum;
        Ok(())
    }

    /// What is left without the votes of another tally; `None` where that has more, or another place.
    #[must_use]
    pub fn without(mut self, other: &Self) -> Option<Self> {
        if !self.same_shape(other) {
            return None;
        }
        for (votes, others) in self.votes.iter_mut().zip(&other.votes) {
            *votes = votes.checked_sub(*others)?;
        }
        Some(self)
    }

    /// A candidate's votes through all channels.
    #[must_use]
    pub(crate) fn candidate_total(&self, candidate: usize) -> u128 {
        (0..self.channels)
            .map(|channel| u128::from(self.get(channel, candidate)))
            .sum()
    }

    /// The votes for all candidates through a channel.
    #[must_use]
    pub(crate) fn channel_total(&self, channel: usize) -> u128 {
        (0..self.candidates)
            .map(|candidate| u128::from(self.get(channel, candidate)))
            .sum()
    }

    /// All votes.
    #[must_use]
    pub fn total(&self) -> u128 {
        self.votes.iter().copied().map(u128::from).sum()
    }

    /// Whether there are no votes.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.votes.iter().all(|&votes| votes == 0)
    }

    /// The counts, a row for each channel.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        (0..self.channels)
            .map(|channel| &self.votes[channel * self.candidates..][..self.candidates])
    }

    fn place(&self, channel: usize, candidate: usize) -> Option<usize> {
        (channel < self.channels && candidate < self.candidates)
            .then(|| channel * self.candidates + candidate)
    }
}

impl From<Tally> for Vec<Vec<u64>> {
    fn from(tally: Tally) -> Self {
        tally.rows().map(<[u64]>::to_vec).collect()
    }
}

impl<'de> Deserialize<'de> for Tally {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = Vec::<Vec<u64>>::deserialize(deserializer)?;
        Self::from_rows(&rows).ok_or_else(|| {
            serde::de::Error::custom("every row of a tally must have the same length")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_a_count_that_overflows_and_changes_nothing() {
        let mut tally = Tally::new(2, 2);
        tally.add(0, 0, 5).expect("fits");
        tally.add(1, 1, u64::MAX).expect("fits");
        let before = tally.clone();
        assert_eq!(
            tally.add(1, 1, 1),
            Err(TallyOverflow::Votes {
                channel: 1,
                candidate: 1
            })
        );
        assert_eq!(
            tally.merge(&before),
            Err(TallyOverflow::Votes {
                channel: 1,
                candidate: 1
            })
        );
        assert_eq!(tally, before, "the first cell wasn't merged either");
    }

    #[test]
    fn refuses_what_is_outside() {
        let mut tally = Tally::new(2, 3);
        for (channel, candidate) in [(2, 0), (0, 3), (usize::MAX, usize::MAX)] {
            assert!(matches!(
                tally.add(channel, candidate, 1),
                Err(TallyOverflow::Outside { .. })
            ));
            assert_eq!(tally.get(channel, candidate), 0);
        }
        assert!(tally.is_zero());
        assert!(tally.merge(&Tally::new(2, 4)).is_err());
    }

    #[test]
    fn totals_need_more_than_64_bits_and_have_them() {
        let tally = Tally::from_rows(&[vec![u64::MAX; 64], vec![u64::MAX; 64]]).expect("even");
        let max = u128::from(u64::MAX);
        assert_eq!(tally.candidate_total(63), 2 * max);
        assert_eq!(tally.channel_total(1), 64 * max);
        assert_eq!(tally.total(), 128 * max);
    }

    #[test]
    fn is_rows_on_the_wire() {
        let tally = Tally::from_rows(&[vec![1, 2], vec![3, u64::MAX]]).expect("even");
        let json = serde_json::to_string(&tally).expect("serialises");
        assert_eq!(json, "[[1,2],[3,18446744073709551615]]");
        assert_eq!(serde_json::from_str::<Tally>(&json).expect("reads"), tally);
        assert!(serde_json::from_str::<Tally>("[[1,2],[3]]").is_err());
        assert!(serde_json::from_str::<Tally>("[[-1]]").is_err());
    }

    proptest! {
        #[test]
        fn the_order_of_adding_changes_nothing(
            adds in prop::collection::vec((0_usize..3, 0_usize..4, 0_u64..1 << 40), 0..60)
        ) {
            let (mut forth, mut back) = (Tally::new(3, 4), Tally::new(3, 4));
            for &(channel, candidate, votes) in &adds {
                forth.add(channel, candidate, votes)?;
            }
            for &(channel, candidate, votes) in adds.iter().rev() {
                back.add(channel, candidate, votes)?;
            }
            prop_assert_eq!(&forth, &back);
            let by_candidate: u128 = (0..4).map(|candidate| forth.candidate_total(candidate)).sum();
            let by_channel: u128 = (0..3).map(|channel| forth.channel_total(channel)).sum();
            prop_assert_eq!(by_candidate, forth.total());
            prop_assert_eq!(by_channel, forth.total());
        }
    }
}
