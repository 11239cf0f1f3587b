//! The minutes of one poll as they are read: the newest at each tick, older ones once, and again where they lack votes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use vote_domain::{Minute, MinuteSeries, Poll, PollDefinition, Tally};

use super::kept::{KeptMinutes, MinuteVotes, Sums};
use super::search::{Effort, Lack, Search};
use crate::error::StoreError;
use crate::fields::Places;
use crate::figures::{self, ShardFigures};
use crate::nodes::Nodes;

/// How long after its end a minute is read at each tick: batches of it are still on their way.
const GRACE_S: i64 = 5;
/// How long a minute that has changed after that is read at each tick: more batches may come late.
const HOT: Duration = Duration::from_secs(10);
/// The most such minutes.
const MOST_HOT: usize = 16;
/// The pause before another search, where one has failed or found nothing; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// What is known of a poll's minutes, at a tick.
pub(super) enum Known {
    /// All of them.
    All(MinuteSeries),
    /// All of them, and they do not make the tally.
    Disagreeing(MinuteSeries),
    /// Not all: others are being looked for.
    Searching,
}

/// The minutes of one poll.
pub(super) struct PollMinutes {
    poll: PollDefinition,
    places: Arc<Places>,
    kept: KeptMinutes,
    /// Minutes that are not over, as they were last read; none of them is kept.
    newest: BTreeMap<i64, MinuteVotes>,
    /// Kept minutes that have changed, and when.
    hot: BTreeMap<i64, Instant>,
    search: Option<Running>,
    /// What a search that was ended by a failure has left, to go on with.
    left: Option<Vec<RangeInclusive<i64>>>,
    /// What was missing when everything had been read.
    unexplained: Option<Sums>,
    /// When the next search may begin, and after how many that have not found everything.
    pause: Option<(Instant, u32)>,
}

/// A search in the background.
struct Running {
    task: AbortOnDropHandle<(Search, Result<(), StoreError>)>,
    since: Instant,
    /// What it is to find, as of the last tick.
    wanted: Arc<Mutex<Sums>>,
    /// Whether nothing was known before.
    is_first: bool,
    /// Minutes that have come to their end meanwhile.
    over: Vec<(Minute, MinuteVotes)>,
}

impl PollMinutes {
    pub(super) fn new(poll: &Poll) -> Self {
        let poll = poll.definition.clone();
        Self {
            places: Arc::new(Places::of(&poll)),
            kept: KeptMinutes::none(&poll),
            poll,
            newest: BTreeMap::new(),
            hot: BTreeMap::new(),
            search: None,
            left: None,
            unexplained: None,
            pause: None,
        }
    }

    /// Whether they are those of this poll, and not of another one that has its id.
    pub(super) fn are_of(&self, poll: &Poll) -> bool {
        let (ours, its) = (&self.poll, &poll.definition);
        let places = |poll: &PollDefinition| {
            let channels = poll.channels().iter().map(|channel| channel.id.clone());
            let candidates = poll.candidates().iter();
            let candidates = candidates.map(|candidate| candidate.id.clone());
            (channels.collect::<Vec<_>>(), candidates.collect::<Vec<_>>())
        };
        ours.shards() == its.shards() && places(ours) == places(its)
    }

    pub(super) const fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// The minutes to be read with the tallies at this time: those that are not over, and those that have changed lately.
    pub(super) fn at(&mut self, poll: &Poll, now: Timestamp) -> Vec<i64> {
        let range = figures::minutes::range(poll, now);
        let minute = |seconds: i64| (now.as_second() + seconds).div_euclid(60);
        let newest: BTreeSet<i64> = (minute(-GRACE_S)..=minute(60))
            .filter(|minute| range.contains(minute))
            .collect();
        let over = self.newest.keys().copied();
        let over: Vec<i64> = over.filter(|minute| !newest.contains(minute)).collect();
        for since_epoch in over {
            let votes = self.newest.remove(&since_epoch);
            let minute = Minute::from_since_epoch(since_epoch);
            let (Some(minute), Some(votes)) = (minute, votes) else {
                continue;
            };
            if let Some(search) = &mut self.search {
                search.over.push((minute, votes.clone()));
            }
            self.kept.put(minute, votes);
        }
        for &since_epoch in &newest {
            if !self.newest.contains_key(&since_epoch) {
                let votes = self.take_kept(since_epoch);
                self.newest.insert(since_epoch, votes);
                self.hot.remove(&since_epoch);
            }
        }
        self.hot.retain(|_, since| since.elapsed() < HOT);
        newest.into_iter().chain(self.hot.keys().copied()).collect()
    }

    /// A minute that is one of the newest from now on: one that was kept, if the clock was put back.
    fn take_kept(&mut self, since_epoch: i64) -> MinuteVotes {
        let none = self.no_votes();
        let minute = Minute::from_since_epoch(since_epoch);
        let votes = minute.and_then(|minute| self.kept.get(minute));
        if let (Some(minute), Some(_)) = (minute, &votes) {
            self.kept.put(minute, none.clone());
        }
        votes.unwrap_or(none)
    }

    fn no_votes(&self) -> MinuteVotes {
        MinuteVotes {
            of_shards: vec![0; usize::from(self.poll.shards())],
            votes: Tally::empty(&self.poll),
        }
    }

    /// Takes over what was read of the minutes that [`Self::at`] has named, and says whether these and the kept ones make
    /// up the tallies. If not, they are looked for: at once, and from then on in the background.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read, or what it has can't be added up.
    pub(super) async fn take(
        &mut self,
        nodes: &Nodes,
        turn: &Arc<Semaphore>,
        poll: &Poll,
        now: Timestamp,
        shards: &[ShardFigures],
        read: &[i64],
    ) -> Result<Known, StoreError> {
        self.take_search(poll).await;
        let mut wanted = Sums::of(shards);
        for &since_epoch in read {
            let Some(minute) = Minute::from_since_epoch(since_epoch) else {
                continue;
            };
            let votes = self.votes_of(minute, shards)?;
            if let Some(newest) = self.newest.get_mut(&since_epoch) {
                wanted.without(&votes);
                *newest = votes;
            } else if !self.kept.has(minute, &votes) {
                self.hot.insert(since_epoch, Instant::now());
                self.kept.put(minute, votes);
            }
        }
        if let Some(search) = &self.search {
            for (_, votes) in &search.over {
                wanted.without(votes);
            }
            *search.wanted.lock() = wanted;
            return Ok(Known::Searching);
        }
        let missing = self.kept.missing(&wanted);
        if missing.is_zero() {
            (self.left, self.unexplained, self.pause) = (None, None, None);
            return Ok(Known::All(self.series()?));
        }
        let is_pausing = self.pause.is_some_and(|(until, _)| Instant::now() < until);
        if self.unexplained.as_ref() == Some(&missing) || (is_pausing && self.unexplained.is_some())
        {
            return Ok(Known::Disagreeing(self.series()?));
        }
        if is_pausing {
            return Ok(Known::Searching);
        }
        self.search(nodes, turn, poll, now, shards, wanted).await
    }

    /// What all shards have of a minute.
    fn votes_of(&self, minute: Minute, shards: &[ShardFigures]) -> Result<MinuteVotes, StoreError> {
        let mut sum = self.no_votes();
        for (of_shard, shard) in sum.of_shards.iter_mut().zip(shards) {
            let Some(votes) = shard.minutes.get(minute) else {
                continue;
            };
            *of_shard = u64::try_from(votes.total()).unwrap_or(u64::MAX);
            let merged = sum.votes.merge(votes);
            merged.map_err(|overflow| StoreError::corrupt("the sum of all shards", &overflow))?;
        }
        Ok(sum)
    }

    /// The kept and the newest minutes.
    fn series(&self) -> Result<MinuteSeries, StoreError> {
        let mut series = self.kept.series().clone();
        for (&since_epoch, newest) in &self.newest {
            if let Some(minute) = Minute::from_since_epoch(since_epoch) {
                let added = series.add_minute(minute, &newest.votes);
                added
                    .map_err(|overflow| StoreError::corrupt("the sum of all shards", &overflow))?;
            }
        }
        Ok(series)
    }

    async fn search(
        &mut self,
        nodes: &Nodes,
        turn: &Arc<Semaphore>,
        poll: &Poll,
        now: Timestamp,
        shards: &[ShardFigures],
        wanted: Sums,
    ) -> Result<Known, StoreError> {
        let is_first = self.kept.series().first().is_none();
        let range = figures::minutes::range(poll, now);
        let left = self.left.take();
        let wanted = Arc::new(Mutex::new(wanted));
        let lack = Lack {
            wanted: Arc::clone(&wanted),
            unexplained: self.unexplained.clone(),
            newest: self.newest.keys().copied().collect(),
            left: left.unwrap_or_else(|| order(&range, shards)),
        };
        let kept = self.kept.clone();
        let (places, definition) = (Arc::clone(&self.places), poll.definition.clone());
        let mut search = Search::new(nodes.clone(), definition, places, kept, lack);
        search.go(Effort::Look).await?;
        if search.has_all() {
            self.has_found(search, is_first);
            return Ok(match self.unexplained {
                None => Known::All(self.series()?),
                Some(_) => Known::Disagreeing(self.series()?),
            });
        }
        if is_first {
            tracing::info!(poll = %self.poll.id(), "the minutes of a poll are read, its figures follow");
        }
        let turn = Arc::clone(turn);
        let task = tokio::spawn(async move {
            let ended = search.go(Effort::Patient(&turn)).await;
            (search, ended)
        });
        self.search = Some(Running {
            task: AbortOnDropHandle::new(task),
            since: Instant::now(),
            wanted,
            is_first,
            over: Vec::new(),
        });
        Ok(Known::Searching)
    }

    /// Takes over what a search has kept that has come to its end.
    async fn take_search(&mut self, poll: &Poll) {
        let Some(running) = self.search.take_if(|search| search.task.is_finished()) else {
            return;
        };
        let id = poll.definition.id();
        let Ok((search, ended)) = running.task.await else {
            tracing::error!(poll = %id, "the search for minutes of a poll has panicked");
            self.pause();
            return;
        };
        self.kept = search.kept.clone();
        for (minute, votes) in running.over {
            self.kept.put(minute, votes);
        }
        if search.has_all() {
            let seconds = running.since.elapsed().as_secs_f64();
            if running.is_first {
                tracing::info!(poll = %id, seconds, "the minutes of a poll are read");
            }
            self.add_hot(&search, running.is_first);
            self.pause = None;
        } else if let Err(error) = ended {
            tracing::warn!(poll = %id, %error, "minutes of a poll can't be read: it is tried again");
            self.left = Some(search.into_left().1);
            self.pause();
        } else {
            // Everything was read.
            self.unexplained = Some(search.missing());
            self.pause();
        }
    }

    /// Takes over what a first look has found.
    fn has_found(&mut self, search: Search, is_first: bool) {
        self.add_hot(&search, is_first);
        if search.missing().is_zero() {
            (self.unexplained, self.pause) = (None, None);
        }
        self.left = None;
        self.kept = search.kept;
    }

    /// Minutes that have changed may change again, unless they are those that a process begins with.
    fn add_hot(&mut self, search: &Search, is_first: bool) {
        if is_first {
            return;
        }
        let now = Instant::now();
        let changed = search.changed.iter().rev().take(MOST_HOT);
        self.hot.extend(changed.map(|&minute| (minute, now)));
        while self.hot.len() > MOST_HOT {
            self.hot.pop_first();
        }
    }

    fn pause(&mut self) {
        let times = self.pause.map_or(0, |(_, times)| times + 1);
        let pause = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX));
        self.pause = Some((Instant::now() + pause.min(LAST_PAUSE), times));
    }
}

/// Where to look for votes: from the minute of the latest one backwards, for a shard has none after it; then, since a
/// restored one does not say, all that is left.
fn order(range: &RangeInclusive<i64>, shards: &[ShardFigures]) -> Vec<RangeInclusive<i64>> {
    let latest = shards.iter().filter_map(|shard| shard.received_at_ms).max();
    let (first, last) = (*range.start(), *range.end());
    let latest = latest.map_or(last, |ms| ms.div_euclid(60_000).clamp(first, last));
    vec![first..=latest, latest + 1..=last]
}

#[cfg(test)]
mod tests {
    use vote_testkit::fixtures::{at, demo_poll};

    use super::*;
    use crate::config::RedisConfig;
    use crate::figures::EndedSums;
    use vote_domain::{Quarantine, Transition};

    fn open() -> Poll {
        let poll = demo_poll().draft();
        let opened = poll.transition(Transition::Open, poll.definition.opens_at(), "test");
        opened.expect("legal")
    }

    /// A shard without votes.
    fn nothing(poll: &PollDefinition) -> ShardFigures {
        ShardFigures {
            shard: 0,
            fence: None,
            received_at_ms: None,
            tally: Tally::empty(poll),
            minutes: MinuteSeries::empty(poll),
            late: Tally::empty(poll),
            quarantine: Quarantine::default(),
            quarantine_minutes: BTreeMap::new(),
            writers: BTreeMap::new(),
            unlisted: EndedSums::default(),
        }
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut minutes = PollMinutes::new(&open());
        let seconds = [1, 2, 4, 8, 16, 32, 60, 60];
        for (times, seconds) in (0..).zip(seconds) {
            let before = Instant::now();
            minutes.pause();
            let after = Instant::now();
            let (until, so_far) = minutes.pause.expect("it pauses");
            let pause = Duration::from_secs(seconds);
            assert!((before + pause..=after + pause).contains(&until), "{times}");
            assert_eq!(so_far, times);
        }
        // However long nothing is found.
        minutes.pause = Some((Instant::now(), 40));
        let before = Instant::now();
        minutes.pause();
        let after = Instant::now();
        let (until, _) = minutes.pause.expect("it pauses");
        assert!((before + LAST_PAUSE..=after + LAST_PAUSE).contains(&until));
    }

    #[tokio::test]
    async fn nobody_is_asked_while_it_pauses_and_afterwards_somebody_is() {
        let (poll, turn) = (open(), Arc::new(Semaphore::new(1)));
        // Nobody is there.
        let config = RedisConfig::new("redis://127.0.0.1:1").expect("an address");
        let nodes = Nodes::new(&config).expect("nothing to refuse");
        let now = at("2026-11-24T21:00:00Z");
        let definition = &poll.definition;
        let mut shard = nothing(definition);
        shard.tally.add(0, 0, 1).expect("it fits");
        let shards = vec![shard; usize::from(definition.shards())];
        let mut minutes = PollMinutes::new(&poll);
        let soon = Instant::now() + Duration::from_secs(3_600);

        minutes.pause = Some((soon, 3));
        let known = minutes.take(&nodes, &turn, &poll, now, &shards, &[]).await;
        assert!(
            matches!(known, Ok(Known::Searching)),
            "nothing is known yet"
        );
        // What is missing has been looked for everywhere: what there is, is shown.
        let missing = minutes.kept.missing(&Sums::of(&shards));
        minutes.unexplained = Some(missing);
        let known = minutes.take(&nodes, &turn, &poll, now, &shards, &[]).await;
        assert!(matches!(known, Ok(Known::Disagreeing(_))));

        minutes.unexplained = None;
        minutes.pause = Some((Instant::now(), 3));
        let known = minutes.take(&nodes, &turn, &poll, now, &shards, &[]).await;
        assert!(known.is_err(), "it was to be searched for");

        // Once nothing is missing, the next search is a first one.
        let none = vec![nothing(definition); shards.len()];
        minutes.pause = Some((soon, 3));
        let known = minutes.take(&nodes, &turn, &poll, now, &none, &[]).await;
        assert!(matches!(known, Ok(Known::All(_))));
        assert!(minutes.pause.is_none());
    }
}
