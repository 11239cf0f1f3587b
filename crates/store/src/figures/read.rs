//! Reads the figures of shards: each as of one instant, so that they agree with each other.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use redis::{FromRedisValue as _, Value};
use vote_domain::{Minute, MinuteSeries, Poll, PollDefinition, Quarantine};

use super::ended_sums::EndedSums;
use super::parse;
use super::shard::ShardFigures;
use crate::error::StoreError;
use crate::fence::Fence;
use crate::fields::Places;
use crate::keys::ShardKeys;
use crate::nodes::Nodes;
use crate::script::FIGURES;

/// Shards that are read at the same time: they may be on servers of their own, and one that answers
/// late need not keep the others.
pub(crate) const SHARDS_AT_ONCE: usize = 8;

/// How often a shard is read by plain commands before it is read by a script.
const TRIES: u32 = 2;

/// All figures of all shards of `poll` but their minutes.
pub(crate) async fn without_minutes(
    nodes: &Nodes,
    poll: &Poll,
) -> Result<Vec<ShardFigures>, StoreError> {
    let poll = &poll.definition;
    let places = &Places::of(poll);
    stream::iter(0..poll.shards())
        .map(|number| shard(nodes, poll, places, number, &[], Aside::Sums))
        .buffered(SHARDS_AT_ONCE)
        .try_collect()
        .await
}

/// What is read of the votes that were set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aside {
    /// Their sums alone.
    Sums,
    /// Also those of the minutes that are named.
    Minutes,
}

/// One shard, with these minutes.
pub(crate) async fn shard(
    nodes: &Nodes,
    poll: &PollDefinition,
    places: &Places,
    number: u16,
    minutes: &[i64],
    aside: Aside,
) -> Result<ShardFigures, StoreError> {
    whole(nodes, &Wanted::new(poll, places, number, minutes, aside)).await
}

/// The same with its whole ledger in one answer.
pub(crate) async fn whole(nodes: &Nodes, wanted: &Wanted<'_>) -> Result<ShardFigures, StoreError> {
    let (keys, hashes) = (&wanted.keys, wanted.hashes());
    let mut answers = None;
    for _ in 0..TRIES {
        answers = piecemeal(nodes, keys, &hashes).await?;
        if answers.is_some() {
            break;
        }
    }
    let answers = match answers {
        Some(answers) => answers,
        None => in_one_step(nodes, keys, &hashes).await?,
    };
    let mut answers = answers.into_iter();
    let fields = answers.next().unwrap_or(Value::Nil);
    let fields =
        Vec::<Option<String>>::from_redis_value(fields).map_err(redis::RedisError::from)?;
    let mut shard = wanted.figures(&fields, &mut answers)?;
    let ledger = answers.next().unwrap_or(Value::Nil);
    (shard.writers, shard.unlisted) = parse::ledger(&keys.writers(), ledger)?;
    Ok(shard)
}

/// What is to be read of one shard.
pub(crate) struct Wanted<'a> {
    poll: &'a PollDefinition,
    places: &'a Places,
    number: u16,
    pub(super) keys: ShardKeys,
    tally: String,
    late: String,
    quarantine: String,
    minutes: &'a [i64],
    names: Vec<String>,
    aside_names: Vec<String>,
}

impl<'a> Wanted<'a> {
    pub(crate) fn new(
        poll: &'a PollDefinition,
        places: &'a Places,
        number: u16,
        minutes: &'a [i64],
        aside: Aside,
    ) -> Self {
        let keys = ShardKeys::new(poll.id(), number);
        let set_aside = |&minute: &i64| keys.quarantine_minute(minute);
        Self {
            poll,
            places,
            number,
            tally: keys.tally(),
            late: keys.late(),
            quarantine: keys.quarantine(),
            minutes,
            names: minutes.iter().map(|&minute| keys.minutes(minute)).collect(),
            aside_names: match aside {
                Aside::Sums => Vec::new(),
                Aside::Minutes => minutes.iter().map(set_aside).collect(),
            },
            keys,
        }
    }

    /// The keys of all hashes that are read whole, but the ledger.
    pub(super) fn hashes(&self) -> Vec<&String> {
        let sums = [&self.tally, &self.late, &self.quarantine].into_iter();
        sums.chain(&self.names).chain(&self.aside_names).collect()
    }

    /// The figures without the ledger: by the first fields of the fence's hash, those of the fence and the time of the latest
    /// vote, and by the answers for [`Wanted::hashes`].
    pub(super) fn figures(
        &self,
        fields: &[Option<String>],
        answers: &mut impl Iterator<Item = Value>,
    ) -> Result<ShardFigures, StoreError> {
        let Self { poll, places, .. } = *self;
        let mut next = || answers.next().unwrap_or(Value::Nil);
        let (of_fence, others) = fields.split_at(fields.len().min(Fence::FIELDS.len()));
        let received_at = others.first().and_then(Option::as_deref);
        let tally = parse::tally(poll, places, &self.tally, next())?;
        let late = parse::tally(poll, places, &self.late, next())?;
        let quarantine = parse::quarantine(poll, places, &self.quarantine, next())?;
        let named = self.minutes.iter().copied();
        let minutes = series(
            poll,
            places,
            self.names.iter().zip(named.clone()),
            &mut next,
        )?;
        let aside_names = self.aside_names.iter().zip(named);
        let quarantine_minutes = set_aside(poll, places, aside_names, &mut next)?;
        Ok(ShardFigures {
            shard: self.number,
            fence: Fence::parse(of_fence),
            received_at_ms: received_at.and_then(|ms| ms.parse().ok()),
            tally,
            minutes,
            late,
            quarantine,
            quarantine_minutes,
            writers: BTreeMap::new(),
            unlisted: EndedSums::default(),
        })
    }
}

/// The minutes that were named, by the next answers.
fn series<'n>(
    poll: &PollDefinition,
    places: &Places,
    minutes: impl Iterator<Item = (&'n String, i64)>,
    mut next: impl FnMut() -> Value,
) -> Result<MinuteSeries, StoreError> {
    let mut series = MinuteSeries::empty(poll);
    for (key, minute) in minutes {
        let votes = parse::tally(poll, places, key, next())?;
        let minute = Minute::from_since_epoch(minute)
            .ok_or_else(|| StoreError::corrupt(key, "there is no such minute"))?;
        series
            .add_minute(minute, &votes)
            .map_err(|overflow| StoreError::corrupt(key, &overflow))?;
    }
    Ok(series)
}

/// What is set aside in the minutes that were named, by the next answers.
fn set_aside<'n>(
    poll: &PollDefinition,
    places: &Places,
    minutes: impl Iterator<Item = (&'n String, i64)>,
    mut next: impl FnMut() -> Value,
) -> Result<BTreeMap<i64, Quarantine>, StoreError> {
    let mut found = BTreeMap::new();
    for (key, minute) in minutes {
        let aside = parse::quarantine(poll, places, key, next())?;
        if !aside.is_empty() {
            found.insert(minute, aside);
        }
    }
    Ok(found)
}

/// The fence, these hashes and the ledger, by plain commands: they cost Redis a quarter of a script, which makes a Lua value of
/// all that it gives. Nothing changes but with the ledger, which is read before all else and after it; `None` where it is not
/// the same, or the server refuses.
///
/// It hardly ever is another one: Redis takes commands that come in one piece one behind the other.
async fn piecemeal(
    nodes: &Nodes,
    keys: &ShardKeys,
    hashes: &[&String],
) -> Result<Option<Vec<Value>>, StoreError> {
    let (state, writers) = (keys.state(), keys.writers());
    let mut pipeline = redis::pipe();
    pipeline.cmd("HGETALL").arg(&writers);
    let fence = pipeline.cmd("HMGET").arg(&state);
    fence.arg(&Fence::FIELDS).arg(Fence::RECEIVED_AT);
    for key in hashes.iter().copied().chain([&writers]) {
        pipeline.cmd("HGETALL").arg(key);
    }
    let answers = nodes.read_shared(&state, &pipeline).await?;
    let mut answers = answers.unwrap_or_default().into_iter();
    let before = answers.next();
    let answers: Vec<Value> = answers.collect();
    Ok((answers.last() == before.as_ref() && before.is_some()).then_some(answers))
}

/// The same by a script.
async fn in_one_step(
    nodes: &Nodes,
    keys: &ShardKeys,
    hashes: &[&String],
) -> Result<Vec<Value>, StoreError> {
    let state = keys.state();
    let mut command = FIGURES.read_command(2 + hashes.len());
    command.arg(&state).arg(hashes).arg(keys.writers());
    command.arg(&Fence::FIELDS).arg(Fence::RECEIVED_AT);
    nodes.run_shared(&FIGURES, &state, &command).await
}
