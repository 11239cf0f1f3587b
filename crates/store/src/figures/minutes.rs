//! Minutes that are over, read in pieces: each call keeps Redis for about a millisecond, and leaves it to the votes for
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

/// The fields after which a call reads no further minute: some 0.4 ms of Redis, and as much again for the last minute of
/// a poll with all the channels and candidates that there can be.
pub(crate) const MOST_FIELDS: usize = 1_024;
/// The minutes that a call names at most: a hash costs as much as some thirty fields. Of four fields each they take 0.4 to 0.8 ms, as
/// quick as the machine is. With four times as many a poll of a year is read a quarter sooner, and each call keeps a slow machine's Redis for
/// 3.5 ms.
pub(crate) const MOST_MINUTES: usize = 120;

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
        tokio::time::sleep(Self::after(self.0.elapsed())).await;
        self.0 = Instant::now();
    }

    /// The pause after a call that has taken so long.
    fn after(call: Duration) -> Duration {
        call.clamp(Self::LEAST, Self::MOST)
    }
}

#[cfg(test)]
mod tests {
    use redis::AsyncCommands as _;
    use vote_testkit::RedisServer;
    use vote_testkit::fixtures::demo_poll;

    use super::*;
    use crate::config::RedisConfig;

    #[test]
    fn a_pause_is_as_long_as_the_call_within_bounds() {
        let ms = Duration::from_millis;
        for (call, pause) in [
            (Duration::ZERO, ms(1)),
            (Duration::from_micros(999), ms(1)),
            (ms(1), ms(1)),
            (ms(7), ms(7)),
            (ms(50), ms(50)),
            (ms(51), ms(50)),
            (Duration::MAX, ms(50)),
        ] {
            assert_eq!(Pace::after(call), pause, "{call:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_call_is_followed_by_a_pause() {
        let mut pace = Pace::start();
        for _ in 0..3 {
            let before = tokio::time::Instant::now();
            pace.pause().await;
            let pause = before.elapsed();
            assert!((Pace::LEAST..=Pace::MOST * 2).contains(&pause), "{pause:?}");
        }
    }

    /// How long a call keeps Redis follows from this: the dearest one reads so many fields and no more, whatever there is.
    #[tokio::test]
    async fn no_call_reads_more_than_its_fields_and_the_last_minute() {
        const CANDIDATES: usize = 64;
        const CHANNELS: usize = 8;
        const LARGEST: usize = CANDIDATES * CHANNELS;
        let redis = RedisServer::start().await;
        let nodes = Nodes::new(&RedisConfig::new(redis.url()).expect("an address"));
        let nodes = nodes.expect("usable");
        let candidates: Vec<_> = (0..CANDIDATES)
            .map(|number| serde_json::json!({ "id": format!("a{number}"), "name": "A" }))
            .collect();
        let channels: Vec<_> = (0..CHANNELS)
            .map(|number| serde_json::json!({ "id": format!("c{number}"), "weight": 1, "eligibility": "open" }))
            .collect();
        let poll = demo_poll()
            .with("candidates", candidates)
            .with("channels", channels);
        let poll = poll.definition();
        let (places, keys) = (Places::of(&poll), ShardKeys::new(poll.id(), 0));
        let first = poll.opens_at().as_second() / 60;
        let votes = |fields: usize| -> Vec<(String, u32)> {
            let pairs = (0..CHANNELS).flat_map(|c| (0..CANDIDATES).map(move |a| (c, a)));
            let fields = pairs.take(fields).map(|(c, a)| (format!("c{c}/a{a}"), 1));
            fields.collect()
        };
        // Full ones, some of a few fields, one full one just before the bound and one at it, and a long time of nothing.
        let mut filled: Vec<usize> = vec![LARGEST; 12];
        filled.extend(vec![3; 700]);
        filled.extend([LARGEST, LARGEST, LARGEST, LARGEST - 1, LARGEST, LARGEST]);
        filled.extend(vec![0; 1_000]);
        filled.extend(vec![1; 600]);
        let mut connection = redis.connection().await;
        for (minute, fields) in (first..).zip(&filled) {
            if *fields > 0 {
                let votes = votes(*fields);
                let set = connection.hset_multiple(keys.minutes(minute), &votes);
                let () = set.await.expect("filled");
            }
        }
        let last = first + i64::try_from(filled.len()).expect("it fits");
        let all: Vec<i64> = (first..last).collect();
        let (mut rest, mut calls, mut found) = (all.as_slice(), 0, 0);
        while !rest.is_empty() {
            let asked = &rest[..rest.len().min(MOST_MINUTES)];
            let piece = piece(&nodes, &poll, &places, &keys, asked).await;
            let piece = piece.expect("read");
            let fields: u128 = piece.found.iter().map(|(_, votes)| votes.total()).sum();
            let fields = usize::try_from(fields).expect("it fits");
            assert!(fields < MOST_FIELDS + LARGEST, "{fields} fields");
            // It goes on for as long as it may.
            assert!(
                piece.read == asked.len() || fields >= MOST_FIELDS,
                "{fields}"
            );
            (calls, found) = (calls + 1, found + fields);
            rest = &rest[piece.read..];
        }
        assert_eq!(found, filled.iter().sum::<usize>());
        assert!(calls > filled.len() / MOST_MINUTES + 3, "{calls} calls");
    }
}
