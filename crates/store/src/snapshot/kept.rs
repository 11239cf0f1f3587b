//! Minutes that are over, as they were read: kept, since they hardly change any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use vote_domain::{Minute, MinuteSeries, PollDefinition, Tally};

use crate::figures::ShardFigures;

const MINUTES: usize = 60;

/// What all shards have of one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MinuteVotes {
    /// All votes of each shard.
    pub(super) of_shards: Vec<u64>,
    /// The votes of all shards, by channel and candidate.
    pub(super) votes: Tally,
}

/// The minutes of one poll that were read and may be taken as they were. Cheap to clone.
///
/// By channel and candidate they are kept of all shards together. Of each shard its votes are known: from these it is
/// told which minute has changed.
#[derive(Debug, Clone)]
pub(super) struct KeptMinutes {
    series: MinuteSeries,
    shards: Vec<KeptShard>,
}

#[derive(Debug, Clone, Default)]
struct KeptShard {
    /// Votes by hour and minute.
    hours: BTreeMap<i64, Arc<[u64; MINUTES]>>,
    total: i128,
}

impl KeptShard {
    fn get(&self, minute: i64) -> u64 {
        let hour = self.hours.get(&hour_of(minute));
        hour.map_or(0, |minutes| minutes[place_of(minute)])
    }

    fn put(&mut self, minute: i64, votes: u64) {
        let before = self.get(minute);
        if before == votes {
            return;
        }
        let hour = self.hours.entry(hour_of(minute));
        let hour = hour.or_insert_with(|| Arc::new([0; MINUTES]));
        Arc::make_mut(hour)[place_of(minute)] = votes;
        self.total += i128::from(votes) - i128::from(before);
    }
}

const fn hour_of(minute: i64) -> i64 {
    minute.div_euclid(60)
}

fn place_of(minute: i64) -> usize {
    usize::try_from(minute.rem_euclid(60)).unwrap_or_default()
}

impl KeptMinutes {
    pub(super) fn none(poll: &PollDefinition) -> Self {
        Self {
            series: MinuteSeries::empty(poll),
            shards: vec![KeptShard::default(); usize::from(poll.shards())],
        }
    }

    /// All of them.
    pub(super) const fn series(&self) -> &MinuteSeries {
        &self.series
    }

    /// The votes that one shard has of a minute.
    pub(super) fn votes(&self, shard: usize, minute: i64) -> u64 {
        self.shards.get(shard).map_or(0, |shard| shard.get(minute))
    }

    /// What is kept of a minute; `None` where it has no votes.
    pub(super) fn get(&self, minute: Minute) -> Option<MinuteVotes> {
        let votes = self.series.get(minute)?.clone();
        let shards = self.shards.iter();
        Some(MinuteVotes {
            of_shards: shards
                .map(|shard| shard.get(minute.since_epoch()))
                .collect(),
            votes,
        })
    }

    /// Keeps this of a minute, whatever was known of it.
    pub(super) fn put(&mut self, minute: Minute, read: MinuteVotes) {
        let since_epoch = minute.since_epoch();
        for (shard, votes) in self.shards.iter_mut().zip(read.of_shards) {
            shard.put(since_epoch, votes);
        }
        if self.series.get(minute).is_some() || !read.votes.is_zero() {
            self.series.settle(minute, read.votes);
        }
    }

    /// Whether a minute is as it was kept.
    pub(super) fn has(&self, minute: Minute, read: &MinuteVotes) -> bool {
        let since_epoch = minute.since_epoch();
        let mut shards = self.shards.iter().zip(&read.of_shards);
        shards.all(|(shard, votes)| shard.get(since_epoch) == *votes)
            && match self.series.get(minute) {
                Some(votes) => *votes == read.votes,
                None => read.votes.is_zero(),
            }
    }

    /// What `wanted` has that is not kept.
    pub(super) fn missing(&self, wanted: &Sums) -> Sums {
        let shards = wanted.of_shards.iter().zip(&self.shards);
        let mut missing = Sums {
            of_shards: shards.map(|(wanted, kept)| wanted - kept.total).collect(),
            votes: wanted.votes.clone(),
        };
        // What overflows is more than any tally holds: that there is something missing is said by the shards.
        if let Ok(sum) = self.series.sum() {
            missing.subtract(&sum);
        }
        missing
    }
}

/// Votes by shard, and those of all shards by channel and candidate: what two readings differ by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) of_shards: Vec<i128>,
    votes: Vec<i128>,
}

impl Sums {
    /// Those of the tallies of all shards.
    pub(super) fn of(shards: &[ShardFigures]) -> Self {
        let mut votes: Vec<i128> = Vec::new();
        for shard in shards {
            for (place, tally) in shard.tally.rows().flatten().enumerate() {
                if place == votes.len() {
                    votes.push(0);
                }
                votes[place] += i128::from(*tally);
            }
        }
        let total = |shard: &ShardFigures| i128::try_from(shard.tally.total()).unwrap_or(i128::MAX);
        Self {
            of_shards: shards.iter().map(total).collect(),
            votes,
        }
    }

    /// Without the votes of a minute.
    pub(super) fn without(&mut self, minute: &MinuteVotes) {
        for (sum, votes) in self.of_shards.iter_mut().zip(&minute.of_shards) {
            *sum -= i128::from(*votes);
        }
        self.subtract(&minute.votes);
    }

    fn subtract(&mut self, tally: &Tally) {
        for (sum, votes) in self.votes.iter_mut().zip(tally.rows().flatten()) {
            *sum -= i128::from(*votes);
        }
    }

    /// Whether there is nothing.
    pub(super) fn is_zero(&self) -> bool {
        let mut all = self.of_shards.iter().chain(&self.votes);
        all.all(|votes| *votes == 0)
    }
}

#[cfg(test)]
mod tests {
    use vote_testkit::fixtures::demo_poll;

    use super::*;

    fn minute(since_epoch: i64) -> Minute {
        Minute::from_since_epoch(since_epoch).expect("a minute")
    }

    fn votes(of_shards: [u64; 2]) -> MinuteVotes {
        let all = of_shards.iter().sum();
        let votes = Tally::from_rows(&[vec![all, 0], vec![0, 0]]).expect("a tally");
        MinuteVotes {
            of_shards: of_shards.to_vec(),
            votes,
        }
    }

    fn wanted(of_shards: [i128; 2]) -> Sums {
        let all = of_shards.iter().sum();
        Sums {
            of_shards: of_shards.to_vec(),
            votes: vec![all, 0, 0, 0],
        }
    }

    #[test]
    fn what_is_missing_is_what_no_kept_minute_has() {
        let poll = demo_poll().shards(2).definition();
        let mut kept = KeptMinutes::none(&poll);
        assert!(kept.missing(&wanted([0, 0])).is_zero());
        kept.put(minute(59), votes([3, 4]));
        kept.put(minute(60), votes([0, 5]));
        let before = kept.clone();
        assert!(kept.missing(&wanted([3, 9])).is_zero());
        assert_eq!(kept.missing(&wanted([3, 10])).of_shards, [0, 1]);
        assert_eq!((kept.votes(1, 60), kept.votes(0, 60)), (5, 0));
        assert!(kept.has(minute(60), &votes([0, 5])) && kept.has(minute(61), &votes([0, 0])));
        // A batch that came late, and one that Redis has forgotten.
        kept.put(minute(60), votes([2, 1]));
        assert!(kept.missing(&wanted([5, 5])).is_zero());
        assert_eq!(kept.series().total(), 10);
        kept.put(minute(60), votes([0, 0]));
        assert_eq!(kept.series().total(), 7);
        assert_eq!(before.series().total(), 12);
    }

    #[test]
    fn votes_of_another_candidate_are_missing_though_no_shard_lacks_any() {
        let poll = demo_poll().shards(2).definition();
        let mut kept = KeptMinutes::none(&poll);
        kept.put(minute(59), votes([3, 4]));
        let mut other = wanted([3, 4]);
        other.votes = vec![6, 1, 0, 0];
        let missing = kept.missing(&other);
        assert!(!missing.is_zero() && missing.of_shards == [0, 0]);
    }
}
