//! Votes over time, by the minute.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;

use crate::definition::poll_definition::PollDefinition;
use crate::figures::minute::Minute;
use crate::figures::settled_minutes::SettledMinutes;
use crate::figures::tally::{Tally, TallyOverflow};

/// Votes by the minute, per channel and candidate; only minutes with votes take room.
///
/// Minutes that are [settled](Self::settle) are shared by all clones: a series of a year is cloned, and gets another
/// minute, at no cost that grows with it.
#[derive(Debug, Clone)]
pub struct MinuteSeries {
    channels: usize,
    pub(super) candidates: usize,
    settled: Arc<SettledMinutes>,
    /// None of them is settled.
    recent: BTreeMap<Minute, Tally>,
}

impl MinuteSeries {
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
            settled: Arc::new(SettledMinutes::new(channels, candidates)),
            recent: BTreeMap::new(),
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
        if let Some(tally) = self.recent.get_mut(&minute) {
            return tally.add(channel, candidate, votes);
        }
        let mut tally = self.get(minute).cloned().unwrap_or_else(|| self.none());
        tally.add(channel, candidate, votes)?;
        if votes > 0 {
            self.put(minute, tally);
        }
        Ok(())
    }

    /// Adds all votes of a minute.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_minute(&mut self, minute: Minute, votes: &Tally) -> Result<(), TallyOverflow> {
        if let Some(tally) = self.recent.get_mut(&minute) {
            return tally.merge(votes);
        }
        let mut sum = self.get(minute).cloned().unwrap_or_else(|| self.none());
        sum.merge(votes)?;
        if !sum.is_zero() {
            self.put(minute, sum);
        }
        Ok(())
    }

    /// Adds all votes of another series, for example another shard's.
    ///
    /// # Errors
    /// Where the other has a channel or candidate that this one hasn't, or a count would overflow;
    /// nothing is changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), TallyOverflow> {
        let mut sums = Vec::new();
        for (minute, tally) in other.iter() {
            let mut sum = self.get(minute).cloned().unwrap_or_else(|| self.none());
            sum.merge(tally)?;
            sums.push((minute, sum));
        }
        for (minute, sum) in sums {
            self.put(minute, sum);
        }
        Ok(())
    }

    /// Takes `votes` for all that came in a minute, whatever the series had of it, and shares the minute with all clones
    /// to come. It costs as much as the series has hours: for minutes that hardly change any more.
    pub fn settle(&mut self, minute: Minute, votes: Tally) {
        self.recent.remove(&minute);
        Arc::make_mut(&mut self.settled).put(minute, votes);
    }

    /// The votes of a minute; `None` where there are none.
    #[must_use]
    pub fn get(&self, minute: Minute) -> Option<&Tally> {
        let recent = self.recent.get(&minute);
        recent.or_else(|| self.settled.get(minute))
    }

    /// The minutes with votes, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Minute, &Tally)> {
        let recent = self.recent.iter().map(|(&minute, tally)| (minute, tally));
        InOrder {
            one: self.settled.iter().peekable(),
            other: recent.peekable(),
        }
    }

    /// The first minute with votes.
    #[must_use]
    pub fn first(&self) -> Option<Minute> {
        let recent = self.recent.keys().next().copied();
        let ends = [recent, self.settled.first()];
        ends.into_iter().flatten().min()
    }

    /// The last minute with votes.
    #[must_use]
    pub fn last(&self) -> Option<Minute> {
        let recent = self.recent.keys().next_back().copied();
        recent.max(self.settled.last())
    }

    /// All votes.
    #[must_use]
    pub fn total(&self) -> u128 {
        self.settled.total() + self.recent.values().map(Tally::total).sum::<u128>()
    }

    /// All minutes added up: what a tally kept beside the series must equal.
    ///
    /// # Errors
    /// Where a sum overflows.
    pub fn sum(&self) -> Result<Tally, TallyOverflow> {
        let mut sum = self.settled.sum(self.none())?;
        for tally in self.recent.values() {
            sum.merge(tally)?;
        }
        Ok(sum)
    }

    fn put(&mut self, minute: Minute, votes: Tally) {
        if self.settled.get(minute).is_some() {
            self.settle(minute, votes);
        } else {
            self.recent.insert(minute, votes);
        }
    }

    fn none(&self) -> Tally {
        Tally::new(self.channels, self.candidates)
    }
}

/// The same votes in the same minutes, settled or not.
impl PartialEq for MinuteSeries {
    fn eq(&self, other: &Self) -> bool {
        self.channels == other.channels
            && self.candidates == other.candidates
            && self.iter().eq(other.iter())
    }
}

impl Eq for MinuteSeries {}

/// Two series without a common minute as one.
struct InOrder<A: Iterator, B: Iterator> {
    one: Peekable<A>,
    other: Peekable<B>,
}

impl<'a, A, B> Iterator for InOrder<A, B>
where
    A: Iterator<Item = (Minute, &'a Tally)>,
    B: Iterator<Item = (Minute, &'a Tally)>,
{
    type Item = (Minute, &'a Tally);

    fn next(&mut self) -> Option<Self::Item> {
        match (self.one.peek(), self.other.peek()) {
            (Some((one, _)), Some((other, _))) if other < one => self.other.next(),
            (None, _) => self.other.next(),
            _ => self.one.next(),
        }
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

    #[test]
    fn settled_minutes_are_shared_and_are_the_same_votes() {
        let plain = series(&[("2026-11-24T00:00:00Z", 1), ("2026-11-24T02:01:00Z", 2)]);
        let mut settled = MinuteSeries::new(2, 2);
        for (minute, votes) in plain.iter() {
            settled.settle(minute, votes.clone());
        }
        assert_eq!(settled, plain);
        assert!(settled.recent.is_empty());
        let mut next = settled.clone();
        let between = Minute::from_timestamp(at("2026-11-24T01:00:00Z"));
        next.add(between, 0, 0, 4).expect("fits");
        assert!(Arc::ptr_eq(&next.settled, &settled.settled));
        let minutes: Vec<_> = next
            .iter()
            .map(|(minute, _)| minute.since_epoch())
            .collect();
        assert!(minutes.is_sorted() && minutes.len() == 3);
        assert_eq!((next.total(), settled.total()), (7, 3));
        assert_eq!(next.sum().map(|sum| sum.total()), Ok(7));
        assert_eq!((next.first(), next.last()), (plain.first(), plain.last()));
        // What is added to a settled minute is seen by nobody else.
        let first = plain.first().expect("it has votes");
        next.add(first, 1, 1, 8).expect("fits");
        assert_eq!((next.total(), settled.total()), (15, 3));
        next.settle(first, Tally::new(2, 2));
        assert_eq!((next.first(), next.total()), (Some(between), 6));
        assert_eq!(next.sum().map(|sum| sum.total()), Ok(6));
    }
}
