//! Reads the figures of shards: each in one step, so that they agree with each other.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use redis::FromRedisValue as _;
use vote_domain::{Minute, MinuteSeries, Poll, PollDefinition};

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
const SHARDS_AT_ONCE: usize = 8;

/// All figures of all shards of `poll` but their minutes.
pub(crate) async fn without_minutes(
    nodes: &Nodes,
    poll: &Poll,
) -> Result<Vec<ShardFigures>, StoreError> {
    let places = Places::of(&poll.definition);
    shards(nodes, &poll.definition, &places, &[]).await
}

/// The same with these minutes (since the Unix epoch), which should be few: they are read in one step with all else.
pub(crate) async fn shards(
    nodes: &Nodes,
    poll: &PollDefinition,
    places: &Places,
    minutes: &[i64],
) -> Result<Vec<ShardFigures>, StoreError> {
    stream::iter(0..poll.shards())
        .map(|number| shard(nodes, poll, places, number, minutes))
        .buffered(SHARDS_AT_ONCE)
        .try_collect()
        .await
}

/// One shard, with these minutes.
pub(crate) async fn shard(
    nodes: &Nodes,
    poll: &PollDefinition,
    places: &Places,
    number: u16,
    minutes: &[i64],
) -> Result<ShardFigures, StoreError> {
    let keys = ShardKeys::new(poll.id(), number);
    let (state, tally, late) = (keys.state(), keys.tally(), keys.late());
    let names: Vec<String> = minutes.iter().map(|&minute| keys.minutes(minute)).collect();
    let mut command = FIGURES.read_command(4 + names.len());
    command
        .arg(&state)
        .arg(&tally)
        .arg(&late)
        .arg(keys.writers())
        .arg(&names)
        .arg(&Fence::FIELDS)
        .arg(Fence::RECEIVED_AT);
    let answers: Vec<redis::Value> = nodes.run_shared(&FIGURES, &state, &command).await?;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(redis::Value::Nil);

    let mut fields =
        Vec::<Option<String>>::from_redis_value(next()).map_err(redis::RedisError::from)?;
    let received_at = fields.pop().flatten();
    let fence = Fence::parse(&fields);
    let tally = parse::tally(poll, places, &tally, next())?;
    let late = parse::tally(poll, places, &late, next())?;
    let (writers, unlisted) = parse::ledger(&keys.writers(), next())?;
    let mut series = MinuteSeries::empty(poll);
    for (key, &minute) in names.iter().zip(minutes) {
        let votes = parse::tally(poll, places, key, next())?;
        let minute = Minute::from_since_epoch(minute)
            .ok_or_else(|| StoreError::corrupt(key, "there is no such minute"))?;
        series
            .add_minute(minute, &votes)
            .map_err(|overflow| StoreError::corrupt(key, &overflow))?;
    }
    Ok(ShardFigures {
        shard: number,
        fence,
        received_at_ms: received_at.and_then(|ms| ms.parse().ok()),
        tally,
        minutes: series,
        late,
        writers,
        unlisted,
    })
}
