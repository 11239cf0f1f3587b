//! Reads all figures of shards, however long their poll has been open: minutes that are over in pieces, and all else with
//! the newest minutes in one step.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use vote_domain::{Minute, MinuteSeries, Poll, Quarantine, Tally};

use super::ended;
use super::ended_sums::EndedSums;
use super::minutes::{self, MOST_MINUTES, Pace};
use super::quarantine;
use super::read::{self, Aside};
use super::shard::ShardFigures;
use crate::error::StoreError;
use crate::fields::Places;
use crate::keys::{self, ShardKeys};
use crate::nodes::Nodes;

/// Shards that are read at the same time.
const SHARDS_AT_ONCE: usize = 2;
/// How often a shard is read where votes have come meanwhile that count in minutes that are over.
const TRIES: u32 = 4;

/// The most minutes that are over and are read with the newest ones.
const MOST_LATE: usize = 16;

/// What a long reading is told of: how far it is.
pub type Progress = dyn Fn(u64, u64) + Send + Sync;

/// What one shard has of the minutes that are over.
struct Over {
    minutes: MinuteSeries,
    quarantine: BTreeMap<i64, Quarantine>,
}

/// Reads whole shards of one poll.
pub(crate) struct WholeShards<'a> {
    nodes: &'a Nodes,
    poll: &'a Poll,
    places: Places,
    /// Minutes that are over, and those that may change: both read in the end.
    over: RangeInclusive<i64>,
    newest: Vec<i64>,
}

impl<'a> WholeShards<'a> {
    /// Until now, by the clock of Redis.
    pub(crate) async fn until_now(nodes: &'a Nodes, poll: &'a Poll) -> Result<Self, StoreError> {
        let key = keys::poll(poll.definition.id());
        let (seconds, _microseconds): (i64, i64) = nodes.query(&key, &redis::cmd("TIME")).await?;
        let now = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        let all = minutes::range(poll, now);
        let newest = Minute::from_timestamp(now).since_epoch() - 1;
        let newest = newest.clamp(*all.start(), *all.end());
        Ok(Self {
            nodes,
            poll,
            places: Places::of(&poll.definition),
            over: *all.start()..=newest - 1,
            newest: (newest..=*all.end()).collect(),
        })
    }

    /// The minutes of one shard that are read in pieces.
    pub(crate) fn minutes(&self) -> u64 {
        self.over.clone().count() as u64
    }

    /// All shards; `progress` is told how many of all their minutes are read.
    pub(crate) async fn all(&self, progress: &Progress) -> Result<Vec<ShardFigures>, StoreError> {
        let shards = self.poll.definition.shards();
        let all = self.minutes() * u64::from(shards);
        let read = AtomicU64::new(0);
        let read = |minutes: u64| {
            let before = read.fetch_add(minutes, Ordering::Relaxed);
            progress(before + minutes, all);
        };
        stream::iter(0..shards)
            .map(|number| self.shard(number, &read))
            .buffered(SHARDS_AT_ONCE)
            .try_collect()
            .await
    }

    /// One shard; `read` is told how many minutes more are read.
    ///
    /// Minutes that are over can still change by a batch that comes late. Then they are read again, and those that have
    /// changed meanwhile with the tally: until all agrees, or is the same again, since then it is the figures that disagree.
    pub(crate) async fn shard(
        &self,
        number: u16,
        read: &(dyn Fn(u64) + Sync),
    ) -> Result<ShardFigures, StoreError> {
        let mut over = self.over(number, read).await?;
        let mut late: BTreeSet<i64> = BTreeSet::new();
        let mut before: Option<ShardFigures> = None;
        for attempt in 1..=TRIES {
            let shard = self.with_newest(number, &over, &late).await?;
            // A writer that ends while the ended ones are listed may be missing among them.
            let agrees = shard.minutes.sum().is_ok_and(|sum| sum == shard.tally)
                && quarantine::sum(&shard).is_ok_and(|sum| sum == shard.quarantine)
                && shard.unlisted == EndedSums::default();
            let is_same = before.is_some_and(|before| {
                before.tally == shard.tally
                    && before.minutes == shard.minutes
                    && before.quarantine == shard.quarantine
                    && before.quarantine_minutes == shard.quarantine_minutes
                    && before.unlisted == shard.unlisted
            });
            if agrees || is_same || attempt == TRIES {
                return Ok(shard);
            }
            before = Some(shard);
            let again = self.over(number, &|_| {}).await?;
            late.extend(changed(&over, &again));
            while late.len() > MOST_LATE {
                late.pop_first();
            }
            over = again;
        }
        self.with_newest(number, &over, &late).await
    }

    /// All else of one shard in one step, with the newest minutes and `late` ones.
    async fn with_newest(
        &self,
        number: u16,
        over: &Over,
        late: &BTreeSet<i64>,
    ) -> Result<ShardFigures, StoreError> {
        let poll = &self.poll.definition;
        let minutes: Vec<i64> = self.newest.iter().chain(late).copied().collect();
        let mut shard = read::shard(
            self.nodes,
            poll,
            &self.places,
            number,
            &minutes,
            Aside::Minutes,
        )
        .await?;
        let keys = ShardKeys::new(poll.id(), number);
        ended::list(self.nodes, &keys, &mut shard).await?;
        let of_others = over.minutes.iter();
        for (minute, votes) in of_others.filter(|(minute, _)| !late.contains(&minute.since_epoch()))
        {
            let added = shard.minutes.add_minute(minute, votes);
            let key = keys.minutes(minute.since_epoch());
            added.map_err(|overflow| StoreError::corrupt(&key, &overflow))?;
        }
        for (minute, aside) in &over.quarantine {
            if !late.contains(minute) {
                shard.quarantine_minutes.insert(*minute, aside.clone());
            }
        }
        Ok(shard)
    }

    /// The minutes of one shard that are over.
    async fn over(&self, number: u16, read: &(dyn Fn(u64) + Sync)) -> Result<Over, StoreError> {
        let poll = &self.poll.definition;
        let keys = ShardKeys::new(poll.id(), number);
        let over = self.over.clone();
        let quarantine = quarantine::minutes(self.nodes, poll, &self.places, &keys, over).await?;
        let mut series = MinuteSeries::empty(poll);
        let mut pace = Pace::start();
        let (mut from, end) = (*self.over.start(), *self.over.end());
        let span = i64::try_from(MOST_MINUTES).unwrap_or(i64::MAX);
        while from <= end {
            let minutes: Vec<i64> = (from..=end.min(from + span - 1)).collect();
            let piece = minutes::piece(self.nodes, poll, &self.places, &keys, &minutes).await?;
            for (minute, votes) in &piece.found {
                let added = series.add_minute(*minute, votes);
                let key = keys.minutes(minute.since_epoch());
                added.map_err(|overflow| StoreError::corrupt(&key, &overflow))?;
            }
            from += i64::try_from(piece.read).unwrap_or(i64::MAX);
            read(piece.read as u64);
            pace.pause().await;
        }
        Ok(Over {
            minutes: series,
            quarantine,
        })
    }
}

/// All figures of all shards but their minutes, with each writer by itself.
pub(crate) async fn without_minutes(
    nodes: &Nodes,
    poll: &Poll,
) -> Result<Vec<ShardFigures>, StoreError> {
    let mut shards = read::without_minutes(nodes, poll).await?;
    let places = Places::of(&poll.definition);
    for shard in &mut shards {
        let keys = ShardKeys::new(poll.definition.id(), shard.shard);
        ended::list(nodes, &keys, shard).await?;
        for _ in 1..TRIES {
            if shard.unlisted == EndedSums::default() {
                break;
            }
            let number = shard.shard;
            *shard =
                read::shard(nodes, &poll.definition, &places, number, &[], Aside::Sums).await?;
            ended::list(nodes, &keys, shard).await?;
        }
    }
    Ok(shards)
}

/// The minutes that are other ones in `after` than they were.
fn changed(before: &Over, after: &Over) -> BTreeSet<i64> {
    let mut changed = changed_votes(&before.minutes, &after.minutes);
    let (before, after) = (&before.quarantine, &after.quarantine);
    changed.extend(
        before
            .keys()
            .chain(after.keys())
            .filter(|minute| before.get(minute) != after.get(minute)),
    );
    changed
}

fn changed_votes(before: &MinuteSeries, after: &MinuteSeries) -> BTreeSet<i64> {
    let is_other = |(minute, votes): &(Minute, &Tally)| before.get(*minute) != Some(*votes);
    let gone = before
        .iter()
        .filter(|(minute, _)| after.get(*minute).is_none());
    let changed = after.iter().filter(is_other).chain(gone);
    changed.map(|(minute, _)| minute.since_epoch()).collect()
}
