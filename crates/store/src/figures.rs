//! The figures of one shard, read in one step so that they agree with each other.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use redis::FromRedisValue as _;
use vote_domain::{Minute, MinuteSeries, Poll, PollDefinition, Tally, WriterId};

use crate::{
    error::StoreError,
    fence::Fence,
    fields::{self, LedgerField},
    keys::ShardKeys,
    nodes::Nodes,
    script::FIGURES,
};

/// What the ledger of a shard has of one writer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriterLedger {
    /// The sequence of its last batch.
    pub last_sequence: u64,
    /// All votes that it has recorded.
    pub votes: u64,
    /// Whether it has said that all it had accepted is here.
    pub drained: Drained,
}

/// A writer's word that all votes that it has accepted are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Drained {
    /// Not given.
    #[default]
    No,
    /// For a poll that closes at this time, in milliseconds since the Unix epoch.
    At(i64),
    /// Whenever the poll closes: it has ended.
    Ended,
}

impl WriterLedger {
    /// Whether the writer has nothing left to send to a poll that has closed at this time.
    #[must_use]
    pub const fn is_drained(&self, closes_at_ms: i64) -> bool {
        match self.drained {
            Drained::No => false,
            Drained::At(ms) => ms == closes_at_ms,
            Drained::Ended => true,
        }
    }
}

/// All figures of one shard, as of one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardFigures {
    /// The shard's number, from 0.
    pub shard: u16,
    /// The fence; `None` where the shard has none.
    pub fence: Option<Fence>,
    /// Votes by channel and candidate.
    pub tally: Tally,
    /// The same votes by minute.
    pub minutes: MinuteSeries,
    /// Votes that came too late, and are not in the tally.
    pub late: Tally,
    /// The same votes as in the tally, by writer.
    pub writers: BTreeMap<WriterId, WriterLedger>,
}

impl ShardFigures {
    /// All votes of the ledger.
    #[must_use]
    pub fn ledger_total(&self) -> u128 {
        self.writers
            .values()
            .map(|writer| u128::from(writer.votes))
            .sum()
    }
}

/// The hours (since the Unix epoch) in which a vote of `poll` can have been received until `now`;
/// one more, since the clock of the process that received it may be ahead.
pub(crate) fn hours(poll: &Poll, now: Timestamp) -> std::ops::RangeInclusive<i64> {
    let first = Minute::from_timestamp(poll.definition.opens_at()).hour();
    // `closes_at` may have been brought forward after votes had been taken.
    let last = poll.definition.closes_at().max(poll.closes_at);
    let now = Minute::from_timestamp(now).hour() + 1;
    first..=Minute::from_timestamp(last).hour().min(now)
}

/// Reads one shard, with the minutes of `hours`.
pub(crate) async fn read_shard(
    nodes: &Nodes,
    poll: &PollDefinition,
    shard: u16,
    hours: impl Iterator<Item = i64> + Clone,
) -> Result<ShardFigures, StoreError> {
    let keys = ShardKeys::new(poll.id(), shard);
    let minutes_keys: Vec<String> = hours.clone().map(|hour| keys.minutes(hour)).collect();
    let mut command = FIGURES.read_command(4 + minutes_keys.len());
    command
        .arg(keys.state())
        .arg(keys.tally())
        .arg(keys.late())
        .arg(keys.writers())
        .arg(minutes_keys)
        .arg(&Fence::FIELDS);
    let answers: Vec<redis::Value> = nodes.run(&FIGURES, &keys.state(), &command).await?;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(redis::Value::Nil);

    let fence = Fence::parse(
        &Vec::<Option<String>>::from_redis_value(next()).map_err(redis::RedisError::from)?,
    );
    let tally = parse_tally(poll, &keys.tally(), next())?;
    let late = parse_tally(poll, &keys.late(), next())?;
    let writers = parse_ledger(&keys.writers(), next())?;
    let mut minutes = MinuteSeries::new(poll.channels().len(), poll.candidates().len());
    for hour in hours {
        let key = keys.minutes(hour);
        for (field, votes) in figures(&key, next())? {
            let (minute, channel, candidate) = fields::parse_minute(poll, hour, &field)
                .ok_or_else(|| unknown_field(&key, &field))?;
            minutes
                .add(minute, channel, candidate, votes)
                .map_err(|overflow| corrupt(&key, overflow.to_string()))?;
        }
    }
    Ok(ShardFigures {
        shard,
        fence,
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
    let mut tally = Tally::new(poll.channels().len(), poll.candidates().len());
    for (field, votes) in figures(key, answer)? {
        let (channel, candidate) =
            fields::parse_pair(poll, &field).ok_or_else(|| unknown_field(key, &field))?;
        tally
            .add(channel, candidate, votes)
            .map_err(|overflow| corrupt(key, overflow.to_string()))?;
    }
    Ok(tally)
}

fn parse_ledger(
    key: &str,
    answer: redis::Value,
) -> Result<BTreeMap<WriterId, WriterLedger>, StoreError> {
    let mut writers: BTreeMap<WriterId, WriterLedger> = BTreeMap::new();
    let ledger = HashMap::<String, String>::from_redis_value(answer)
        .map_err(|error| corrupt(key, error.to_string()))?;
    for (field, value) in ledger {
        let wrong = || corrupt(key, format!("the field {field:?} reads {value:?}"));
        match fields::parse_ledger(&field).ok_or_else(|| unknown_field(key, &field))? {
            LedgerField::Sequence(writer) => {
                let sequence = value.parse().map_err(|_| wrong())?;
                writers.entry(writer).or_default().last_sequence = sequence;
            }
            LedgerField::Votes(writer) => {
                let votes = value.parse().map_err(|_| wrong())?;
                writers.entry(writer).or_default().votes = votes;
            }
            LedgerField::Drained(writer) => {
                let drained = parse_drained(&value).ok_or_else(wrong)?;
                writers.entry(writer).or_default().drained = drained;
            }
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
    HashMap::from_redis_value(answer).map_err(|error| corrupt(key, error.to_string()))
}

fn unknown_field(key: &str, field: &str) -> StoreError {
    corrupt(key, format!("the field {field:?} is not one of the poll's"))
}

fn corrupt(key: &str, reason: String) -> StoreError {
    StoreError::Corrupt {
        key: key.to_owned(),
        reason,
    }
}
