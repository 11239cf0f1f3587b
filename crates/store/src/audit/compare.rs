//! The comparisons that audits, sealing and backups share. A difference is a sentence.

use vote_domain::{Difference, Fate, Poll, SealedPoll};

use crate::fence::Fence;
use crate::figures::{EndedSums, ShardFigures, quarantine};

/// How the fence of a shard differs from the poll's; `None` where it does not.
pub(crate) fn fence_difference(poll: &Poll, shard: &ShardFigures) -> Option<String> {
    let number = shard.shard;
    let wanted = Fence::of(poll);
    match &shard.fence {
        // A draft's shards are fenced as well: `poll apply` writes them.
        Some(fence) if *fence == wanted => None,
        Some(fence) => Some(format!(
            "shard {number}: the fence says {} until {} (revision {}), the poll {} until {} (revision {})",
            fence.state,
            fence.closes_at_ms,
            fence.revision,
            wanted.state,
            wanted.closes_at_ms,
            wanted.revision
        )),
        None => Some(format!(
            "shard {number}: it has no fence, and so takes no votes"
        )),
    }
}

/// Where the tally of a shard differs from its minutes, by channel and candidate, and from its ledger.
pub(crate) fn figure_differences(poll: &Poll, shard: &ShardFigures) -> Vec<String> {
    let number = shard.shard;
    let Ok(sums) = shard.minutes.sum() else {
        return vec![format!(
            "shard {number}: the minutes add up to more than a figure holds"
        )];
    };
    let mut differences = Vec::new();
    for (channel_index, channel) in poll.definition.channels().iter().enumerate() {
        for (candidate_index, candidate) in poll.definition.candidates().iter().enumerate() {
            let tally = shard.tally.get(channel_index, candidate_index);
            let minutes = sums.get(channel_index, candidate_index);
            if tally != minutes {
                differences.push(format!(
                    "shard {number}, channel {}, candidate {}: tally {tally}, minutes {minutes}",
                    channel.id, candidate.id
                ));
            }
        }
    }
    let (recorded, ledger) = (shard.recorded_total(), shard.ledger_total());
    if recorded != ledger {
        let (tally, outside) = (shard.tally.total(), shard.quarantine.outside());
        let and_outside = match outside {
            0 => String::new(),
            votes => format!(" and {votes} in quarantine"),
        };
        differences.push(format!(
            "shard {number}: tally {tally}{and_outside}, ledger {ledger}"
        ));
    }
    differences.extend(quarantine_differences(shard));
    let unlisted = shard.unlisted;
    if unlisted != EndedSums::default() {
        differences.push(format!(
            "shard {number}: the ledger's sums of its ended writers have {unlisted} more than these themselves"
        ));
    }
    differences
}

/// Where the votes that a shard has set aside differ from their minutes, and from what was released into the tally.
fn quarantine_differences(shard: &ShardFigures) -> Vec<String> {
    let number = shard.shard;
    let mut differences = Vec::new();
    match quarantine::sum(shard) {
        Ok(minutes) if minutes == shard.quarantine => {}
        Ok(minutes) => {
            for fate in Fate::ALL {
                let (sums, minutes) = (shard.quarantine.total(*fate), minutes.total(*fate));
                differences.push(format!(
                    "shard {number}, quarantine, {fate}: {sums} votes, minutes {minutes}"
                ));
            }
        }
        Err(_) => differences.push(format!(
            "shard {number}, quarantine: the minutes add up to more than a figure holds"
        )),
    }
    if !shard.quarantine.is_released_into(&shard.tally) {
        differences.push(format!(
            "shard {number}, quarantine: more was released than the tally has"
        ));
    }
    differences
}

/// Where the figures differ from those that were sealed.
pub(super) fn sealed_differences(
    poll: &Poll,
    shards: &[ShardFigures],
    sealed: &SealedPoll,
) -> Vec<String> {
    let mut differences = Vec::new();
    if let Err(error) = sealed.verify() {
        differences.push(format!("the sealed result: {error}"));
    }
    if sealed.shards.len() != shards.len() {
        differences.push(format!(
            "the sealed result has {} shards, the poll {}",
            sealed.shards.len(),
            shards.len()
        ));
    }
    for (shard, sealed) in shards.iter().zip(&sealed.shards) {
        if shard.totals(poll).as_ref() != Ok(sealed) {
            differences.push(format!(
                "shard {}: its figures are not those that were sealed",
                shard.shard
            ));
        }
    }
    differences
}

/// What was changed in a poll since it was sealed, and may not be: all but what [`Difference::may_follow_sealing`].
pub(crate) fn changes_since_sealed(
    sealed: &SealedPoll,
    poll: &Poll,
) -> impl Iterator<Item = Difference> {
    let sealed = &sealed.poll.definition;
    sealed
        .differences(&poll.definition)
        .into_iter()
        .filter(|difference| !difference.may_follow_sealing())
}
