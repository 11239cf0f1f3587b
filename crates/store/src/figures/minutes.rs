//! Minutes that are over, read in pieces: each call keeps Redis for a millisecond or two, and leaves it to the votes for
//! as long afterwards.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use redis::Value;
use vote_domain::{Minute, Poll, PollDefinition, Tally};

use super::parse;
use crate::error::StoreError;
use crate::fields::Places;
use crate::keys::ShardKeys;
use crate::nodes::Nodes;
use crate::script::MINUTES;

/// The fields after which a call reads no further minute: some 0.7 ms of Redis, and as much again for the last minute of
/// a poll with all the channels and candidates that there can be.
pub(crate) const MOST_FIELDS: usize = 2_048;
/// The minutes that a call names at most: some 0.2 ms of Redis where none has votes.
pub(crate) const MOST_MINUTES: usize = 480;

/// What one call has read.
#[derive(Debug)]
pub(crate) struct Piece {
    /// So many of the minutes that were asked for, from the first one on.
    pub(crate) read: usize,
    /// Those of them that have votes.
    pub(crate) found: Vec<(Minute, Tally)>,
}

/// The minutes (since the Unix epoch) in which a vote of `poll` can have been received until `now`; an hour more, since
/// the clock of the process that received it may be ahead.
pub(crate) fn range(poll: &Poll, now: jiff::Timestamp) -> RangeInclusive<i64> {
    let first = Minute::from_timestamp(poll.definition.opens_at()).hour();
    // `closes_at` may have been brought forward after votes had been taken.
    let last = poll.definition.closes_at().max(poll.closes_at);
    let now = Minute::from_timestamp(now).hour() + 1;
    let last = Minute::from_timestamp(last).hour().min(now);
    first * 60..=last * 60 + 59
}

/// The first of `minutes`, at most [`MOST_MINUTES`], of one shard.
pub(crate) async fn piece(
    nodes: &Nodes,
    poll: &PollDefinition,
    places: &Places,
    keys: &ShardKeys,
    minutes: &[i64],
) -> Result<Piece, StoreError> {
    let names: Vec<String> = minutes.iter().map(|&minute| keys.minutes(minute)).collect();
    let (read, hashes) = hashes(nodes, keys, &names).await?;
    let mut found = Vec::new();
    for (place, votes) in hashes {
        let minute = Minute::from_since_epoch(minutes[place]);
        let minute =
            minute.ok_or_else(|| StoreError::corrupt(&names[place], "there is no such minute"))?;
        found.push((minute, parse::tally(poll, places, &names[place], votes)?));
    }
    Ok(Piece { read, found })
}

/// What one call reads of hashes of one shard, at most [`MOST_MINUTES`]: how many of them from the first one on, and those of these
/// that have fields, by their place.
pub(super) async fn hashes(
    nodes: &Nodes,
    keys: &ShardKeys,
    names: &[String],
) -> Result<(usize, Vec<(usize, Value)>), StoreError> {
    let mut command = MINUTES.read_command(names.len());
    command.arg(names).arg(MOST_FIELDS);
    let state = keys.state();
    let answer = nodes.run(&MINUTES, &state, &command).await?;
    let mut answer = parse::list(&state, answer)?.into_iter();
    let count = |value: Option<Value>| match value {
        Some(Value::Int(count)) => usize::try_from(count).ok(),
        _ => None,
    };
    let strange = || StoreError::corrupt(&state, "the answer is none of the script's");
    let read = count(answer.next()).filter(|read| *read > 0 && *read <= names.len());
    let read = read.ok_or_else(strange)?;
    let mut found = Vec::new();
    while let Some(place) = answer.next() {
        let place = count(Some(place)).and_then(|place| place.checked_sub(1));
        let place = place.filter(|place| *place < read).ok_or_else(strange)?;
        found.push((place, answer.next().unwrap_or(Value::Nil)));
    }
    Ok((read, found))
}

/// Leaves Redis to others for as long as it has worked for us.
pub(crate) struct Pace(Instant);

impl Pace {
    const LEAST: Duration = Duration::from_millis(1);
    const MOST: Duration = Duration::from_millis(50);

    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// After a call.
    pub(crate) async fn pause(&mut self) {
        let pause = self.0.elapsed().clamp(Self::LEAST, Self::MOST);
        tokio::time::sleep(pause).await;
        self.0 = Instant::now();
    }
}
