//! Reads the figures of shards: each as of one instant, so that they agree with each other.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use redis::{FromRedisValue as _, Value};
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

/// How often a shard is read by plain commands before it is read by a script.
const TRIES: u32 = 2;

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
    let (tally, late) = (keys.tally(), keys.late());
    let names: Vec<String> = minutes.iter().map(|&minute| keys.minutes(minute)).collect();
    let hashes: Vec<&String> = [&tally, &late].into_iter().chain(&names).collect();
    let mut answers = None;
    for _ in 0..TRIES {
        answers = piecemeal(nodes, &keys, &hashes).await?;
        if answers.is_some() {
            break;
        }
    }
    let answers = match answers {
        Some(answers) => answers,
        None => in_one_step(nodes, &keys, &hashes).await?,
    };
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(Value::Nil);

    let mut fields =
        Vec::<Option<String>>::from_redis_value(next()).map_err(redis::RedisError::from)?;
    let received_at = fields.pop().flatten();
    let fence = Fence::parse(&fields);
    let tally = parse::tally(poll, places, &tally, next())?;
    let late = parse::tally(poll, places, &late, next())?;
    let mut series = MinuteSeries::empty(poll);
    for (key, &minute) in names.iter().zip(minutes) {
        let votes = parse::tally(poll, places, key, next())?;
        let minute = Minute::from_since_epoch(minute)
            .ok_or_else(|| StoreError::corrupt(key, "there is no such minute"))?;
        series
            .add_minute(minute, &votes)
            .map_err(|overflow| StoreError::corrupt(key, &overflow))?;
    }
    let (writers, unlisted) = parse::ledger(&keys.writers(), next())?;
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
