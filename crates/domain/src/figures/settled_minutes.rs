//! Minutes that hardly change any more, shared by the series that have them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::figures::minute::Minute;
use crate::figures::tally::{Tally, TallyOverflow};

/// Votes by the minute, in hours that are shared, with their sums.
#[derive(Debug, Clone)]
pub(super) struct SettledMinutes {
    hours: BTreeMap<i64, Arc<BTreeMap<Minute, Tally>>>,
    total: u128,
    /// `None` once it has overflowed.
    sum: Option<Tally>,
}

impl SettledMinutes {
    pub(super) fn new(channels: usize, candidates: usize) -> Self {
        Self {
            hours: BTreeMap::new(),
            total: 0,
            sum: Some(Tally::new(channels, candidates)),
        }
    }

    /// `votes` instead of what the minute had.
    pub(super) fn put(&mut self, minute: Minute, votes: Tally) {
        let mut sum = self.sum.take();
        self.total += votes.total();
        sum = sum.and_then(|mut sum| sum.merge(&votes).is_ok().then_some(sum));
        let hour = self.hours.entry(minute.hour()).or_default();
        let minutes = Arc::make_mut(hour);
        let before = if votes.is_zero() {
            minutes.remove(&minute)
        } else {
            minutes.insert(minute, votes)
        };
        if minutes.is_empty() {
            self.hours.remove(&minute.hour());
        }
        if let Some(before) = before {
            self.total -= before.total();
            sum = sum.and_then(|sum| sum.without(&before));
        }
        self.sum = sum;
    }

    pub(super) fn get(&self, minute: Minute) -> Option<&Tally> {
        self.hours.get(&minute.hour())?.get(&minute)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Minute, &Tally)> {
        let minutes = self.hours.values().flat_map(|hour| hour.iter());
        minutes.map(|(&minute, tally)| (minute, tally))
    }

    pub(super) fn first(&self) -> Option<Minute> {
        self.hours.values().next()?.keys().next().copied()
    }

    pub(super) fn last(&self) -> Option<Minute> {
        self.hours.values().next_back()?.keys().next_back().copied()
    }

    pub(super) const fn total(&self) -> u128 {
        self.total
    }

    /// All of them added to `none`.
    pub(super) fn sum(&self, none: Tally) -> Result<Tally, TallyOverflow> {
        if let Some(sum) = &self.sum {
            return Ok(sum.clone());
        }
        let mut sum = none;
        for (_, tally) in self.iter() {
            sum.merge(tally)?;
        }
        Ok(sum)
    }
}
