//! Votes over time, by the minute.

use std::collections::BTreeMap;

use crate::definition::poll_definition::PollDefinition;
use crate::figures::minute::Minute;
use crate::figures::tally::{Tally, TallyOverflow};

/// Votes by the minute, per channel and candidate; only minutes with votes take room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinuteSeries {
    channels: usize,
    pub(super) candidates: usize,
    minutes: BTreeMap<Minute, Tally>,
}

impl MinuteSeries {
    /// No votes yet in a poll.
    #[must_use]
    pub fn empty(poll: &PollDefinition) -> Self {
        Self::new(poll.channels().len(), poll.candidates().len())
    }

    /// No votes yet, for so many channels and candidates.
    #[must_use]
    pub const fn new(channels: usize, candidates: usize) -> Self {
        Self {
            channels,
            candidates,
            minutes: BTreeMap::new(),
        }
    }

    /// Adds votes that came in a minute.
    ///
    /// # Errors
    /// Where there is no such channel or candidate, or a count would overflow; nothing is changed then.
    pub fn add(
        &mut self,
        minute: Minute,
        channel: usize,
        candidate: usize,
        votes: u64,
    ) -> Result<(), TallyOverflow> {
        if let Some(tally) = self.minutes.get_mut(&minute) {
            return tally.add(channel, candidate, votes);
        }
        let mut tally = Tally::new(self.channels, self.candidates);
        tally.add(channel, candidate, votes)?;
        if votes > 0 {
            self.minutes.insert(minute, tally);
        }
        Ok(())
    }

    /// Adds all votes of another series, for example another shard's.
    ///
    /// # Errors
    /// Where the other has a channel or candidate that this one hasn't, or a count would overflow;
    /// nothing is changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), TallyOverflow> {
        let mut sums = Vec::with_capacity(other.minutes.len());
        for (&minute, tally) in &other.minutes {
            let mut sum = self
                .minutes
                .get(&minute)
                .cloned()
                .unwrap_or_else(|| Tally::new(self.channels, self.candidates));
            sum.merge(tally)?;
            sums.push((minute, sum));
        }
        self.minutes.extend(sums);
        Ok(())
    }

    /// The votes of a minute; `None` where there are none.
    #[must_use]
    pub fn get(&self, minute: Minute) -> Option<&Tally> {
        self.minutes.get(&minute)
    }

    /// The minutes with votes, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Minute, &Tally)> {
        self.minutes.iter().map(|(&minute, tally)| (minute, tally))
    }

    /// The votes of those hours (since the Unix epoch) that are wanted.
    #[must_use]
    pub fn of_hours(&self, wanted: impl Fn(i64) -> bool) -> Self {
        Self {
            channels: self.channels,
            candidates: self.candidates,
            minutes: self
                .minutes
                .iter()
                .filter(|(minute, _)| wanted(minute.hour()))
                .map(|(&minute, tally)| (minute, tally.clone()))
                .collect(),
        }
    }

    /// The first minute with votes.
    #[must_use]
    pub fn first(&self) -> Option<Minute> {
        self.minutes.keys().next().copied()
    }

    /// The last minute with votes.
    #[must_use]
    pub fn last(&self) -> Option<Minute> {
        self.minutes.keys().next_back().copied()
    }

    /// All votes.
    #[must_use]
    pub fn total(&self) -> u128 {
        self.minutes.values().map(Tally::total).sum()
    }

    /// All minutes added up: what a tally kept beside the series must equal.
    ///
    /// # Errors
    /// Where a sum overflows.
    pub fn sum(&self) -> Result<Tally, TallyOverflow> {
        let mut sum = Tally::new(self.channels, self.candidates);
        for tally in self.minutes.values() {
            sum.merge(tally)?;
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, series};

    #[test]
    fn series_of_several_shards_add_up() {
        let mut one = series(&[("2026-11-24T00:00:00Z", 1), ("2026-11-24T00:01:00Z", 2)]);
        let two = series(&[("2026-11-24T00:01:00Z", 4), ("2026-11-24T00:02:00Z", 8)]);
        one.merge(&two).expect("fits");
        assert_eq!(one.total(), 15);
        let sum = one.sum().expect("fits");
        assert_eq!(
            (
                sum.candidate_total(0),
                sum.channel_total(0),
                sum.channel_total(1)
            ),
            (15, 5, 10)
        );
        assert_eq!(
            one.first().map(Minute::start),
            Some(at("2026-11-24T00:00:00Z"))
        );
        assert_eq!(
            one.last().map(Minute::start),
            Some(at("2026-11-24T00:02:00Z"))
        );
        assert_eq!(one.iter().count(), 3);

        let before = one.clone();
        let full = series(&[
            ("2026-11-24T00:00:00Z", 1),
            ("2026-11-24T00:02:00Z", 0),
            ("2026-11-24T00:02:00Z", u64::MAX),
        ]);
        let mut other = MinuteSeries::new(2, 2);
        other
            .add(Minute::from_timestamp(at("2026-11-24T00:02:00Z")), 0, 0, 1)
            .expect("fits");
        other.merge(&full).expect_err("overflows");
        assert_eq!(one, before);
        assert!(
            one.merge(&MinuteSeries::new(3, 3)).is_ok(),
            "nothing to add"
        );
        let minute = Minute::from_timestamp(at("2026-11-24T00:00:00Z"));
        assert!(one.add(minute, 2, 0, 1).is_err());
        assert_eq!(one, before);
    }
}
