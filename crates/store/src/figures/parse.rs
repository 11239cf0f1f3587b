//! What Redis answers, as figures.

use std::collections::BTreeMap;

use redis::{FromRedisValue as _, Value};
use vote_domain::{PollDefinition, Quarantine, Tally, WriterId};

use super::ended_sums::{EndedSums, EndedWriter};
use super::shard::{Drained, WriterLedger};
use crate::error::StoreError;
use crate::fields::{self, LedgerField, Places};

/// The votes of a hash of channels and candidates.
pub(super) fn tally(
    poll: &PollDefinition,
    places: &Places,
    key: &str,
    answer: Value,
) -> Result<Tally, StoreError> {
    let mut tally = Tally::empty(poll);
    for (field, value) in pairs(key, answer)? {
        let field = bytes(key, &field)?;
        let (channel, candidate) = places.get(field).ok_or_else(|| unknown(key, field))?;
        let value = bytes(key, &value)?;
        let votes = number(value).ok_or_else(|| wrong(key, field, value))?;
        tally
            .add(channel, candidate, votes)
            .map_err(|overflow| StoreError::corrupt(key, &overflow))?;
    }
    Ok(tally)
}

/// The votes that were set aside, of a hash by fate, reason, channel and candidate.
pub(super) fn quarantine(
    poll: &PollDefinition,
    places: &Places,
    key: &str,
    answer: Value,
) -> Result<Quarantine, StoreError> {
    let mut quarantine = Quarantine::default();
    for (field, value) in pairs(key, answer)? {
        let field = bytes(key, &field)?;
        let parsed = fields::parse_set_aside(field);
        let (of, place) = parsed
            .and_then(|(fate, reason, pair)| Some(((fate, reason), places.get(pair)?)))
            .ok_or_else(|| unknown(key, field))?;
        let value = bytes(key, &value)?;
        let votes = number(value).ok_or_else(|| wrong(key, field, value))?;
        quarantine
            .add(poll, of, place, votes)
            .map_err(|overflow| StoreError::corrupt(key, &overflow))?;
    }
    Ok(quarantine)
}

/// What a shard has of its writers: of those that have ended the sums.
pub(super) fn ledger(
    key: &str,
    answer: Value,
) -> Result<(BTreeMap<WriterId, WriterLedger>, EndedSums), StoreError> {
    let mut writers: BTreeMap<WriterId, WriterLedger> = BTreeMap::new();
    let mut ended = EndedSums::default();
    for (field, value) in pairs(key, answer)? {
        let (field, value) = (bytes(key, &field)?, bytes(key, &value)?);
        let wrong = || wrong(key, field, value);
        if let Some(sum) = ended.field(field) {
            *sum = number(value).ok_or_else(wrong)?.into();
            continue;
        }
        let (writer, figure) = std::str::from_utf8(field)
            .ok()
            .and_then(fields::parse_ledger)
            .ok_or_else(|| unknown(key, field))?;
        let entry = writers.entry(writer).or_default();
        match figure {
            LedgerField::Sequence => entry.last_sequence = number(value).ok_or_else(wrong)?,
            LedgerField::Votes => entry.votes = number(value).ok_or_else(wrong)?,
            LedgerField::Lost => entry.lost = number(value).ok_or_else(wrong)?,
            LedgerField::Drained => entry.drained = drained(value).ok_or_else(wrong)?,
        }
    }
    Ok((writers, ended))
}

/// Entries of ended writers, as `HSCAN` gives them.
pub(super) fn ended(
    key: &str,
    answer: Value,
) -> Result<BTreeMap<WriterId, EndedWriter>, StoreError> {
    let mut writers = BTreeMap::new();
    for (field, value) in pairs(key, answer)? {
        let (field, value) = (bytes(key, &field)?, bytes(key, &value)?);
        let writer = std::str::from_utf8(field).ok();
        let writer = writer.and_then(|writer| WriterId::parse(writer).ok());
        let writer = writer.ok_or_else(|| unknown(key, field))?;
        writers.insert(writer, ended_writer(key, field, value)?);
    }
    Ok(writers)
}

/// One entry of an ended writer.
pub(super) fn ended_writer(
    key: &str,
    field: &[u8],
    value: &[u8],
) -> Result<EndedWriter, StoreError> {
    let text = std::str::from_utf8(value).ok();
    let entry = text.and_then(fields::parse_ended);
    let (last_sequence, votes) = entry.ok_or_else(|| wrong(key, field, value))?;
    Ok(EndedWriter {
        last_sequence,
        votes,
    })
}

/// A number of the ledger.
pub(super) fn figure(key: &str, field: &str, value: &str) -> Result<u64, StoreError> {
    let found = number(value.as_bytes());
    found.ok_or_else(|| wrong(key, field.as_bytes(), value.as_bytes()))
}

/// The mark of a drained writer.
pub(super) fn mark(key: &str, field: &str, value: &str) -> Result<Drained, StoreError> {
    let found = drained(value.as_bytes());
    found.ok_or_else(|| wrong(key, field.as_bytes(), value.as_bytes()))
}

/// `ended`, or a closing time.
fn drained(value: &[u8]) -> Option<Drained> {
    match std::str::from_utf8(value).ok()? {
        fields::ENDED => Some(Drained::Ended),
        closes_at_ms => closes_at_ms.parse().ok().map(Drained::At),
    }
}

/// The fields and values of a hash, as a script gives them: a flat list.
fn pairs(key: &str, answer: Value) -> Result<impl Iterator<Item = (Value, Value)>, StoreError> {
    let Value::Array(list) = answer else {
        return Err(strange(key, &answer));
    };
    let mut list = list.into_iter();
    Ok(std::iter::from_fn(move || {
        Some((list.next()?, list.next().unwrap_or(Value::Nil)))
    }))
}

fn bytes<'a>(key: &str, value: &'a Value) -> Result<&'a [u8], StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.as_bytes()),
        other => Err(strange(key, other)),
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The whole answer of a script.
pub(super) fn list(key: &str, answer: Value) -> Result<Vec<Value>, StoreError> {
    Vec::from_redis_value(answer).map_err(|error| StoreError::corrupt(key, &error))
}

pub(super) fn strange(key: &str, answer: &Value) -> StoreError {
    StoreError::corrupt(
        key,
        &format!("the answer {answer:?} is none of the script's"),
    )
}

fn wrong(key: &str, field: &[u8], value: &[u8]) -> StoreError {
    let (field, value) = (
        String::from_utf8_lossy(field),
        String::from_utf8_lossy(value),
    );
    StoreError::corrupt(key, &format!("the field {field:?} reads {value:?}"))
}

fn unknown(key: &str, field: &[u8]) -> StoreError {
    let field = String::from_utf8_lossy(field);
    StoreError::corrupt(
        key,
        &format!("the field {field:?} is not one of the poll's"),
    )
}
