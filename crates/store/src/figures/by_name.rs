//! Reads a shard whose ledger is long: of that the writers that have changed of late, by their names. Processes that were killed
//! stay in the ledger for as long as the poll is there; to read all of them at each change would keep Redis from the votes.
//!
//! What is known of the others is not taken on trust. Who is new is said by the shard (`joined`), and asked for. Last sequences
//! only grow, and their sum is the shard's number of batches (`commit.lua`): where that is what is known with what was read, each
//! writer is as it is known. The votes make the tally, and there are as many fields as are known, so that nobody has left.
//! Where one of these is not so, nothing is given.

use redis::{FromRedisValue as _, RedisError, Value};

use super::known_ledger::KnownLedger;
use super::minutes::Pace;
use super::parse;
use super::read::Wanted;
use super::shard::ShardFigures;
use crate::error::StoreError;
use crate::fence::Fence;
use crate::forbidden::is_forbidden;
use crate::nodes::Nodes;

/// How often a shard is read so: a writer that is new is known by its name after the first time.
const TRIES: u32 = 3;
/// The fields that one call of a look through the ledger reads, about: 0.8 ms of Redis on a machine that others used as well.
const PIECE: usize = 1_024;

/// The figures of one shard, all of one instant; `None` where what is known of its ledger does not prove them.
///
/// # Errors
/// [`StoreError`] where Redis can't be read.
pub(crate) async fn shard(
    nodes: &Nodes,
    wanted: &Wanted<'_>,
    known: &mut KnownLedger,
) -> Result<Option<ShardFigures>, StoreError> {
    for _ in 0..TRIES {
        let Some(reading) = Reading::make(nodes, wanted, known).await? else {
            return Ok(None);
        };
        if let Some(shard) = reading.proved_by(known) {
            return Ok(Some(shard));
        }
    }
    Ok(None)
}

/// Reads all of a long ledger in pieces, so that no call keeps Redis for long. What is known then is of many instants, and
/// proves nothing by itself. Says whether the server lets us.
///
/// # Errors
/// [`StoreError`] where Redis can't be read.
pub(crate) async fn look_through(
    nodes: &Nodes,
    wanted: &Wanted<'_>,
    known: &mut KnownLedger,
) -> Result<bool, StoreError> {
    let key = wanted.keys.writers();
    let (mut cursor, mut pace) = (0_u64, Pace::start());
    let mut fields = Vec::new();
    loop {
        let mut command = redis::cmd("HSCAN");
        command.arg(&key).arg(cursor).arg("COUNT").arg(PIECE);
        let answer: Value = match nodes.query(&key, &command).await {
            Err(StoreError::Redis(error)) if is_forbidden(&error) => return Ok(false),
            answer => answer?,
        };
        let (next, found) =
            <(u64, Vec<Value>)>::from_redis_value(answer).map_err(RedisError::from)?;
        fields.extend(found);
        if next == 0 {
            break;
        }
        cursor = next;
        pace.pause().await;
    }
    let (writers, _) = parse::ledger(&key, Value::Array(fields))?;
    known.replace(writers);
    Ok(true)
}

/// How many fields a ledger has; `None` where the server does not let us ask.
///
/// # Errors
/// [`StoreError`] where Redis can't be read.
pub(crate) async fn length(
    nodes: &Nodes,
    wanted: &Wanted<'_>,
) -> Result<Option<usize>, StoreError> {
    let key = wanted.keys.writers();
    match nodes.query(&key, &redis::Cmd::hlen(&key)).await {
        Err(StoreError::Redis(error)) if is_forbidden(&error) => Ok(None),
        length => length.map(Some),
    }
}

/// What one reading has found, beside what is known of the ledger since.
struct Reading {
    shard: ShardFigures,
    /// The shard's number of batches before anything else was read, and after it.
    batches: [Option<i128>; 2],
    /// How many fields the ledger has.
    fields: i128,
    /// Whether all writers that are new were asked for.
    has_joined: bool,
}

impl Reading {
    /// In one piece: the fence's hash, the figures, the ledger, and the number of batches once more, without which nothing of
    /// these changes.
    async fn make(
        nodes: &Nodes,
        wanted: &Wanted<'_>,
        known: &mut KnownLedger,
    ) -> Result<Option<Self>, StoreError> {
        let (state, writers) = (wanted.keys.state(), wanted.keys.writers());
        let hashes = wanted.hashes();
        let named = known.next_names();
        let mut pipeline = redis::pipe();
        let fence = pipeline.cmd("HMGET").arg(&state).arg(&Fence::FIELDS);
        fence.arg(&[Fence::RECEIVED_AT, Fence::BATCHES, Fence::JOINED]);
        for key in &hashes {
            pipeline.cmd("HGETALL").arg(*key);
        }
        pipeline.cmd("HMGET").arg(&writers).arg(named.fields());
        pipeline.cmd("HLEN").arg(&writers);
        pipeline.cmd("HMGET").arg(&state).arg(Fence::BATCHES);
        let Some(answers) = nodes.read_shared(&state, &pipeline).await? else {
            return Ok(None);
        };
        let mut answers = answers.into_iter();
        let mut fields = texts(answers.next())?;
        let joined = fields.pop().flatten();
        let before = batches(fields.pop());
        let shard = wanted.figures(&fields, &mut answers)?;
        known.take(&writers, &named, texts(answers.next())?)?;
        let has_joined = known.note_joined(joined.as_deref().unwrap_or_default());
        let length = answers.next().unwrap_or(Value::Nil);
        let length = i64::from_redis_value(length).map_err(RedisError::from)?;
        let after = batches(texts(answers.next())?.pop());
        Ok(Some(Self {
            shard,
            batches: [before, after],
            fields: length.into(),
            has_joined,
        }))
    }

    /// The figures with the ledger, if they are of one instant and the ledger is what is known of it.
    fn proved_by(mut self, known: &KnownLedger) -> Option<ShardFigures> {
        let sums = known.sums();
        let [before, after] = self.batches;
        let recorded = i128::try_from(self.shard.recorded_total()).ok();
        let is_proved = self.has_joined
            && before.is_some()
            && before == after
            && before == Some(sums.batches)
            && recorded == Some(sums.votes)
            && self.fields == sums.fields;
        if !is_proved {
            return None;
        }
        self.shard.writers = known.writers().clone();
        self.shard.unlisted = known.ended();
        Some(self.shard)
    }
}

fn texts(answer: Option<Value>) -> Result<Vec<Option<String>>, StoreError> {
    let answer = Vec::from_redis_value(answer.unwrap_or(Value::Nil));
    Ok(answer.map_err(RedisError::from)?)
}

/// A shard that has had no batch yet has no such field, and no writer.
fn batches(field: Option<Option<String>>) -> Option<i128> {
    field
        .flatten()
        .map_or(Some(0), |digits| digits.parse().ok())
}
