//! Makes one snapshot of the figures of all shards.

use std::sync::Arc;

use jiff::Timestamp;
use vote_domain::{MinuteSeries, Poll, Quarantine, SealedPoll, Tally, TallyOverflow};

use super::ended::EndedWriters;
use super::snapshots::PollSnapshot;
use crate::error::StoreError;
use crate::figures::ShardFigures;

fn overflow(error: TallyOverflow) -> StoreError {
    StoreError::corrupt("the sum of all shards", &error)
}

/// Whether the sums of tallies and ledgers agree, with what of the quarantine is in no tally: enough at each read; the audit compares shard by shard.
pub(super) fn ledgers_agree(shards: &[ShardFigures]) -> bool {
    let recorded: u128 = shards.iter().map(ShardFigures::recorded_total).sum();
    let ledger: u128 = shards.iter().map(ShardFigures::ledger_total).sum();
    recorded == ledger
}

/// The snapshot that these shards make.
pub(super) fn assemble(
    poll: &Poll,
    shards: Vec<ShardFigures>,
    minutes: MinuteSeries,
    ended: Vec<EndedWriters>,
    sealed: Option<Arc<SealedPoll>>,
) -> Result<PollSnapshot, StoreError> {
    let mut tally = Tally::empty(&poll.definition);
    let mut late = tally.clone();
    let mut quarantine = Quarantine::default();
    let mut ledger = Vec::with_capacity(shards.len());
    let mut revision = poll.revision;
    let annulled = poll.annulled(&minutes).map_err(overflow)?;
    let mut received_at = minutes.last().map(|minute| minute.start());
    for shard in shards {
        tally.merge(&shard.tally).map_err(overflow)?;
        late.merge(&shard.late).map_err(overflow)?;
        quarantine.merge(&shard.quarantine).map_err(overflow)?;
        revision += shard.sequences();
        let latest = shard.received_at_ms;
        let latest = latest.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        received_at = received_at.max(latest);
        ledger.push(shard.writers);
    }
    Ok(PollSnapshot {
        poll: poll.clone(),
        tally,
        annulled,
        minutes,
        late,
        quarantine,
        ledger,
        ended,
        revision,
        received_at,
        sealed,
    })
}
