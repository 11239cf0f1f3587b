//! Votes that were set aside, by minute: read only by those who need them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use redis::Cmd;
use vote_domain::{PollDefinition, Quarantine, TallyOverflow};

use super::minutes::{self, MOST_MINUTES, Pace};
use super::parse;
use super::shard::ShardFigures;
use crate::error::StoreError;
use crate::fields::Places;
use crate::keys::ShardKeys;
use crate::nodes::Nodes;

/// What one shard has set aside in each of these minutes (since the Unix epoch), in pieces; nothing is read of a shard that never
/// set anything aside.
pub(super) async fn minutes(
    nodes: &Nodes,
    poll: &PollDefinition,
    places: &Places,
    keys: &ShardKeys,
    range: RangeInclusive<i64>,
) -> Result<BTreeMap<i64, Quarantine>, StoreError> {
    let mut found = BTreeMap::new();
    let key = keys.quarantine();
    let fields: u64 = nodes.query(&key, &Cmd::hlen(&key)).await?;
    if fields == 0 {
        return Ok(found);
    }
    let mut pace = Pace::start();
    let (mut from, end) = (*range.start(), *range.end());
    let span = i64::try_from(MOST_MINUTES).unwrap_or(i64::MAX);
    while from <= end {
        let asked: Vec<i64> = (from..=end.min(from + span - 1)).collect();
        let names: Vec<String> = asked
            .iter()
            .map(|&minute| keys.quarantine_minute(minute))
            .collect();
        let (read, hashes) = minutes::hashes(nodes, keys, &names).await?;
        for (place, votes) in hashes {
            let aside = parse::quarantine(poll, places, &names[place], votes)?;
            if !aside.is_empty() {
                found.insert(asked[place], aside);
            }
        }
        from += i64::try_from(read).unwrap_or(i64::MAX);
        pace.pause().await;
    }
    Ok(found)
}

/// The sum of a shard's minutes.
pub(crate) fn sum(shard: &ShardFigures) -> Result<Quarantine, TallyOverflow> {
    let mut sum = Quarantine::default();
    for aside in shard.quarantine_minutes.values() {
        sum.merge(aside)?;
    }
    Ok(sum)
}
