//! Finds the minutes that make up what a poll's tallies have and what is kept of its minutes lacks: all of them where a
//! process begins to read a poll, one where a batch has come late.
//!
//! It goes from the newest minute backwards, in pieces, and ends where nothing is missing any more: what was not read has
//! no votes then.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use vote_domain::{Minute, PollDefinition, Tally};

use super::kept::{KeptMinutes, MinuteVotes, Sums};
use crate::error::StoreError;
use crate::fields::Places;
use crate::figures::minutes::{self, MOST_FIELDS, MOST_MINUTES, Pace, Piece};
use crate::keys::ShardKeys;
use crate::nodes::Nodes;

/// Minutes that are read of each shard before they are looked at, in pieces of a first look's size.
const PIECES_AT_ONCE: usize = 8;
/// The least minutes of a look.
const LEAST_MINUTES: usize = 4;

/// How a search may go on.
pub(super) enum Effort<'a> {
    /// A look at the first minutes, and one at the next: for what is found so nearly always.
    Look,
    /// To the end, one piece at a time of all searches that share this, with pauses.
    Patient(&'a Semaphore),
}

/// A search in one poll.
#[derive(Debug)]
pub(super) struct Search {
    nodes: Nodes,
    poll: PollDefinition,
    places: Arc<Places>,
    pub(super) kept: KeptMinutes,
    /// What is to be made up by the kept minutes, as of the last tick.
    wanted: Arc<Mutex<Sums>>,
    /// What was missing after an earlier search that has read everything: nothing, where nothing was.
    unexplained: Option<Sums>,
    /// Minutes that are not over yet: others read them.
    newest: BTreeSet<i64>,
    /// What is left to be read, each from its end backwards.
    left: Vec<RangeInclusive<i64>>,
    /// Minutes that were kept otherwise.
    pub(super) changed: BTreeSet<i64>,
}

/// What a search is made for.
pub(super) struct Lack {
    pub(super) wanted: Arc<Mutex<Sums>>,
    pub(super) unexplained: Option<Sums>,
    pub(super) newest: BTreeSet<i64>,
    pub(super) left: Vec<RangeInclusive<i64>>,
}

impl Search {
    pub(super) fn new(
        nodes: Nodes,
        poll: PollDefinition,
        places: Arc<Places>,
        kept: KeptMinutes,
        lack: Lack,
    ) -> Self {
        Self {
            nodes,
            poll,
            places,
            kept,
            wanted: lack.wanted,
            unexplained: lack.unexplained,
            newest: lack.newest,
            left: lack.left,
            changed: BTreeSet::new(),
        }
    }

    /// What is missing still.
    pub(super) fn missing(&self) -> Sums {
        self.kept.missing(&self.wanted.lock())
    }

    /// Whether nothing is missing but what nothing explains.
    pub(super) fn has_all(&self) -> bool {
        let missing = self.missing();
        missing.is_zero() || self.unexplained.as_ref() == Some(&missing)
    }

    /// What is left to be read.
    pub(super) fn into_left(self) -> (KeptMinutes, Vec<RangeInclusive<i64>>) {
        (self.kept, self.left)
    }

    /// Goes on until nothing is missing, or nothing is left to be read; or for one look.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read: it can be gone on with then.
    pub(super) async fn go(&mut self, effort: Effort<'_>) -> Result<(), StoreError> {
        let of_look = MOST_FIELDS / self.places.count().max(1);
        let of_look = of_look.clamp(LEAST_MINUTES, MOST_MINUTES);
        // A poll that has rested has its last votes in one of the first minutes.
        let sizes: &mut (dyn Iterator<Item = usize> + Send) = match effort {
            Effort::Look => &mut [LEAST_MINUTES, of_look].into_iter(),
            Effort::Patient(_) => {
                &mut std::iter::repeat((of_look * PIECES_AT_ONCE).min(MOST_MINUTES))
            }
        };
        while !self.has_all() {
            let minutes = sizes.next().and_then(|most| self.next(most));
            let Some(minutes) = minutes else {
                return Ok(());
            };
            self.read(&minutes, &effort).await?;
            self.has_read(&minutes);
        }
        Ok(())
    }

    /// The next minutes to be read, the newest first: at most so many.
    fn next(&mut self, most: usize) -> Option<Vec<i64>> {
        loop {
            let range = self.left.first()?;
            let minutes = range.clone().rev();
            let minutes = minutes.filter(|minute| !self.newest.contains(minute));
            let minutes: Vec<i64> = minutes.take(most).collect();
            if !minutes.is_empty() {
                return Some(minutes);
            }
            self.left.remove(0);
        }
    }

    fn has_read(&mut self, minutes: &[i64]) {
        if let (Some(range), Some(last)) = (self.left.first_mut(), minutes.last()) {
            *range = *range.start()..=last - 1;
            if range.is_empty() {
                self.left.remove(0);
            }
        }
    }

    /// Reads minutes of the shards that lack votes, and keeps what has changed of them.
    async fn read(&mut self, minutes: &[i64], effort: &Effort<'_>) -> Result<(), StoreError> {
        let mut missing = self.missing().of_shards;
        if let Some(unexplained) = &self.unexplained {
            for (missing, unexplained) in missing.iter_mut().zip(&unexplained.of_shards) {
                *missing -= unexplained;
            }
        }
        // None lacks any where votes are of other candidates than they were.
        let all = missing.iter().all(|missing| *missing == 0);
        let lacking: Vec<usize> = (0..missing.len())
            .filter(|&shard| all || missing[shard] != 0)
            .collect();
        let mut read: BTreeMap<i64, BTreeMap<usize, Tally>> = BTreeMap::new();
        for &shard in &lacking {
            for (minute, votes) in self.pieces(shard, minutes, effort).await? {
                let of_minute = read.entry(minute.since_epoch()).or_default();
                of_minute.insert(shard, votes);
            }
        }
        let is_changed = |minute: &i64| {
            let read = read.get(minute);
            lacking.iter().any(|shard| {
                let votes = read.and_then(|read| read.get(shard)).map_or(0, total);
                votes != self.kept.votes(*shard, *minute)
            })
        };
        let changed: Vec<i64> = minutes
            .iter()
            .copied()
            .filter(|minute| all || is_changed(minute))
            .collect();
        // By candidate they are kept of all shards together: those that lack nothing are needed as well.
        for shard in (0..missing.len()).filter(|shard| !lacking.contains(shard)) {
            let has_votes = |minute: &i64| self.kept.votes(shard, *minute) > 0;
            let minutes: Vec<i64> = changed.iter().copied().filter(has_votes).collect();
            for (minute, votes) in self.pieces(shard, &minutes, effort).await? {
                let of_minute = read.entry(minute.since_epoch()).or_default();
                of_minute.insert(shard, votes);
            }
        }
        for minute in changed {
            self.keep(minute, read.remove(&minute).unwrap_or_default())?;
        }
        Ok(())
    }

    fn keep(&mut self, minute: i64, shards: BTreeMap<usize, Tally>) -> Result<(), StoreError> {
        let Some(minute) = Minute::from_since_epoch(minute) else {
            return Ok(());
        };
        let mut of_shards = vec![0; usize::from(self.poll.shards())];
        let mut votes = Tally::empty(&self.poll);
        for (shard, tally) in shards {
            of_shards[shard] = total(&tally);
            let merged = votes.merge(&tally);
            merged.map_err(|overflow| {
                StoreError::corrupt("the sum of all shards' minutes", &overflow)
            })?;
        }
        let read = MinuteVotes { of_shards, votes };
        if !self.kept.has(minute, &read) {
            self.changed.insert(minute.since_epoch());
            self.kept.put(minute, read);
        }
        Ok(())
    }

    /// Minutes of one shard, in as many calls as they take.
    async fn pieces(
        &self,
        shard: usize,
        minutes: &[i64],
        effort: &Effort<'_>,
    ) -> Result<Vec<(Minute, Tally)>, StoreError> {
        let shard = u16::try_from(shard).unwrap_or(u16::MAX);
        let keys = ShardKeys::new(self.poll.id(), shard);
        let (mut read, mut found) = (0, Vec::new());
        while read < minutes.len() {
            let piece = self.piece(&keys, &minutes[read..], effort).await?;
            read += piece.read;
            found.extend(piece.found);
        }
        Ok(found)
    }

    async fn piece(
        &self,
        keys: &ShardKeys,
        minutes: &[i64],
        effort: &Effort<'_>,
    ) -> Result<Piece, StoreError> {
        let piece = minutes::piece(&self.nodes, &self.poll, &self.places, keys, minutes);
        let Effort::Patient(turn) = effort else {
            return piece.await;
        };
        // It is never closed.
        let _turn = turn.acquire().await.ok();
        let mut pace = Pace::start();
        let piece = piece.await;
        pace.pause().await;
        piece
    }
}

fn total(votes: &Tally) -> u64 {
    u64::try_from(votes.total()).unwrap_or(u64::MAX)
}
