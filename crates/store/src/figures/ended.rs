//! Writers that have ended: the ledger has their sums, and a hash of their own has them one by one, which grows with each
//! process that was ever there and is read in pieces, by those who need it.

use std::collections::BTreeMap;

use redis::{FromRedisValue as _, Value};
use vote_domain::WriterId;

use super::ended_sums::EndedWriter;
use super::minutes::Pace;
use super::parse;
use super::shard::{Drained, ShardFigures};
use crate::error::StoreError;
use crate::keys::ShardKeys;
use crate::nodes::Nodes;

/// The entries that one call reads, about: 0.4 ms of Redis on a machine that others used as well.
pub(crate) const PIECE: usize = 256;

/// Some of a shard's ended writers, and where the next piece begins: 0 says that this was the last one. All pieces
/// together have each writer that had ended before the first.
pub(crate) async fn piece(
    nodes: &Nodes,
    keys: &ShardKeys,
    cursor: u64,
) -> Result<(u64, BTreeMap<WriterId, EndedWriter>), StoreError> {
    let key = keys.ended();
    let mut command = redis::cmd("HSCAN");
    command.arg(&key).arg(cursor).arg("COUNT").arg(PIECE);
    let answer: Value = nodes.query(&key, &command).await?;
    let (cursor, entries) =
        <(u64, Value)>::from_redis_value(answer).map_err(redis::RedisError::from)?;
    Ok((cursor, parse::ended(&key, entries)?))
}

/// Those of `writers` that have ended.
pub(crate) async fn among(
    nodes: &Nodes,
    keys: &ShardKeys,
    writers: &[WriterId],
) -> Result<BTreeMap<WriterId, EndedWriter>, StoreError> {
    let key = keys.ended();
    let mut found = BTreeMap::new();
    for part in writers.chunks(PIECE) {
        let names: Vec<String> = part.iter().map(ToString::to_string).collect();
        let mut command = redis::cmd("HMGET");
        command.arg(&key).arg(&names);
        let entries: Vec<Option<Vec<u8>>> = nodes.query(&key, &command).await?;
        for ((writer, name), entry) in part.iter().zip(&names).zip(entries) {
            if let Some(entry) = entry {
                let entry = parse::ended_writer(&key, name.as_bytes(), &entry)?;
                found.insert(*writer, entry);
            }
        }
    }
    Ok(found)
}

/// Lists the ended writers of `shard` among its others. One that ends meanwhile is left as it was.
pub(crate) async fn list(
    nodes: &Nodes,
    keys: &ShardKeys,
    shard: &mut ShardFigures,
) -> Result<(), StoreError> {
    let (mut cursor, mut pace) = (0, Pace::start());
    let mut ended = BTreeMap::new();
    loop {
        let (next, found) = piece(nodes, keys, cursor).await?;
        ended.extend(found);
        cursor = next;
        if cursor == 0 {
            break;
        }
        pace.pause().await;
    }
    for (writer, ended) in ended {
        let entry = shard.writers.entry(writer).or_default();
        if entry.last_sequence > 0 {
            continue;
        }
        entry.last_sequence = ended.last_sequence;
        entry.votes = ended.votes;
        entry.drained = Drained::Ended;
        shard.unlisted.subtract(ended);
    }
    Ok(())
}
