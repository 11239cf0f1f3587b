//! Reads the figures of shards: each in one step, so that they agree with each other.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use redis::FromRedisValue as _;
use vote_domain::{Minute, MinuteSeries, Poll, PollDefinition, Tally, WriterId};

use super::shard::{Drained, ShardFigures, WriterLedger};
use crate::error::StoreError;
use crate::fence::Fence;
use crate::fields::{self, LedgerField};
use crate::keys::{self, ShardKeys};
use crate::nodes::Nodes;
use crate::script::FIGURES;

/// Shards that are read at the same time: they may be on servers of their own, and one that answers
/// late need not keep the others.
const SHARDS_AT_ONCE: usize = 8;

/// All figures of all shards of `poll`.
pub(crate) async fn all(nodes: &Nodes, poll: &Poll) -> Result<Vec<ShardFigures>, StoreError> {
    let hours = hours_by_redis(nodes, poll).await?;
    shards(nodes, &poll.definition, hours).await
}

/// The same without minutes.
pub(crate) async fn without_minutes(
    nodes: &Nodes,
    poll: &Poll,
) -> Result<Vec<ShardFigures>, StoreError> {
    shards(nodes, &poll.definition, std::iter::empty()).await
}

/// The same with the minutes of `hours`.
pub(crate) async fn shards(
    nodes: &Nodes,
    poll: &PollDefinition,
    hours: impl Iterator<Item = i64> + Clone,
) -> Result<Vec<ShardFigures>, StoreError> {
    let mut shards: Vec<ShardFigures> = stream::iter(0..poll.shards())
        .map(|number| shard(nodes, poll, number, hours.clone()))
        .buffer_unordered(SHARDS_AT_ONCE)
        .try_collect()
        .await?;
    shards.sort_unstable_by_key(|shard| shard.shard);
    Ok(shards)
}

/// The [`hours`] until now, by the clock of Redis.
pub(crate) async fn hours_by_redis(
    nodes: &Nodes,
    poll: &Poll,
) -> Result<RangeInclusive<i64>, StoreError> {
    let key = keys::poll(poll.definition.id());
    let (seconds, _microseconds): (i64, i64) = nodes.query(&key, &redis::cmd("TIME")).await?;
    let now = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    Ok(hours(poll, now))
}

/// The hours (since the Unix epoch) in which a vote of `poll` can have been received until `now`;
/// one more, since the clock of the process that received it may be ahead.
pub(crate) fn hours(poll: &Poll, now: Timestamp) -> RangeInclusive<i64> {
    let first = Minute::from_timestamp(poll.definition.opens_at()).hour();
    // `closes_at` may have been brought forward after votes had been taken.
    let last = poll.definition.closes_at().max(poll.closes_at);
    let now = Minute::from_timestamp(now).hour() + 1;
    first..=Minute::from_timestamp(last).hour().min(now)
}

/// One shard, with the minutes of `hours`.
pub(crate) async fn shard(
    nodes: &Nodes,
    poll: &PollDefinition,
    number: u16,
    hours: impl Iterator<Item = i64> + Clone,
) -> Result<ShardFigures, StoreError> {
    let keys = ShardKeys::new(poll.id(), number);
    let minutes_keys: Vec<String> = hours.clone().map(|hour| keys.minutes(hour)).collect();
    let mut command = FIGURES.read_command(4 + minutes_keys.len());
    command
        .arg(keys.state())
        .arg(keys.tally())
        .arg(keys.late())
        .arg(keys.writers())
        .arg(minutes_keys)
        .arg(&Fence::FIELDS)
        .arg(Fence::RECEIVED_AT);
    let answers: Vec<redis::Value> = nodes.run(&FIGURES, &keys.state(), &command).await?;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(redis::Value::Nil);

    let mut fields =
        Vec::<Option<String>>::from_redis_value(next()).map_err(redis::RedisError::from)?;
    let received_at = fields.pop().flatten();
    let fence = Fence::parse(&fields);
    let tally = parse_tally(poll, &keys.tally(), next())?;
    let late = parse_tally(poll, &keys.late(), next())?;
    let writers = parse_ledger(&keys.writers(), next())?;
    let mut minutes = MinuteSeries::empty(poll);
    for hour in hours {
        let key = keys.minutes(hour);
        for (field, votes) in figures(&key, next())? {
            let (minute, channel, candidate) = fields::parse_minute(poll, hour, &field)
                .ok_or_else(|| unknown_field(&key, &field))?;
            minutes
                .add(minute, channel, candidate, votes)
                .map_err(|overflow| StoreError::corrupt(&key, &overflow))?;
        }
    }
    Ok(ShardFigures {
        shard: number,
        fence,
        received_at_ms: received_at.and_then(|ms| ms.parse().ok()),
        tally,
        minutes,
        late,
        writers,
    })
}

fn parse_tally(
    poll: &PollDefinition,
    key: &str,
    answer: redis::Value,
) -> Result<Tally, StoreError> {
    let mut tally = Tally::empty(poll);
    for (field, votes) in figures(key, answer)? {
        let (channel, candidate) =
            fields::parse_pair(poll, &field).ok_or_else(|| unknown_field(key, &field))?;
        tally
            .add(channel, candidate, votes)
            .map_err(|overflow| StoreError::corrupt(key, &overflow))?;
    }
    Ok(tally)
}

fn parse_ledger(
    key: &str,
    answer: redis::Value,
) -> Result<BTreeMap<WriterId, WriterLedger>, StoreError> {
    let mut writers: BTreeMap<WriterId, WriterLedger> = BTreeMap::new();
    let ledger = HashMap::<String, String>::from_redis_value(answer)
        .map_err(|error| StoreError::corrupt(key, &error))?;
    for (field, value) in ledger {
        let wrong = || StoreError::corrupt(key, &format!("the field {field:?} reads {value:?}"));
        let number = || value.parse().map_err(|_| wrong());
        let (writer, figure) =
            fields::parse_ledger(&field).ok_or_else(|| unknown_field(key, &field))?;
        let entry = writers.entry(writer).or_default();
        match figure {
            LedgerField::Sequence => entry.last_sequence = number()?,
            LedgerField::Votes => entry.votes = number()?,
            LedgerField::Lost => entry.lost = number()?,
            LedgerField::Drained => entry.drained = parse_drained(&value).ok_or_else(wrong)?,
        }
    }
    Ok(writers)
}

/// `ended`, or a closing time.
fn parse_drained(value: &str) -> Option<Drained> {
    match value {
        fields::ENDED => Some(Drained::Ended),
        closes_at_ms => closes_at_ms.parse().ok().map(Drained::At),
    }
}

fn figures(key: &str, answer: redis::Value) -> Result<HashMap<String, u64>, StoreError> {
    HashMap::from_redis_value(answer).map_err(|error| StoreError::corrupt(key, &error))
}

fn unknown_field(key: &str, field: &str) -> StoreError {
    StoreError::corrupt(
        key,
        &format!("the field {field:?} is not one of the poll's"),
    )
}
