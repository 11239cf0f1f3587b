//! The figures of a shard as the hashes that Redis has of them.

use std::collections::BTreeSet;

use vote_domain::{PollDefinition, Tally};

use crate::fields;
use crate::figures::{Drained, ShardFigures};
use crate::keys::ShardKeys;

/// The hours (since the Unix epoch) in which a shard has votes.
pub(super) fn hours(shard: &ShardFigures) -> BTreeSet<i64> {
    shard
        .minutes
        .iter()
        .map(|(minute, _)| minute.hour())
        .collect()
}

/// The hashes of a shard with their fields; those without votes are not there.
pub(super) fn hashes(
    poll: &PollDefinition,
    shard: &ShardFigures,
    keys: &ShardKeys,
) -> Vec<(String, Vec<(String, String)>)> {
    let mut hashes = vec![
        (keys.tally(), pairs(poll, "", &shard.tally)),
        (keys.late(), pairs(poll, "", &shard.late)),
    ];
    let mut ledger = Vec::new();
    for (writer, entry) in &shard.writers {
        ledger.push((fields::sequence(writer), entry.last_sequence.to_string()));
        ledger.push((fields::votes(writer), entry.votes.to_string()));
        if entry.lost > 0 {
            ledger.push((fields::lost(writer), entry.lost.to_string()));
        }
        match entry.drained {
            Drained::No => {}
            Drained::At(ms) => ledger.push((fields::drained(writer), ms.to_string())),
            Drained::Ended => ledger.push((fields::drained(writer), fields::ENDED.to_owned())),
        }
    }
    hashes.push((keys.writers(), ledger));
    for hour in hours(shard) {
        let minutes = shard.minutes.iter();
        let of_hour = minutes.filter(|(minute, _)| minute.hour() == hour);
        let fields = of_hour
            .flat_map(|(minute, votes)| pairs(poll, &format!("{}/", minute.within_hour()), votes));
        hashes.push((keys.minutes(hour), fields.collect()));
    }
    hashes
}

fn pairs(poll: &PollDefinition, prefix: &str, votes: &Tally) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (channel, row) in poll.channels().iter().zip(votes.rows()) {
        for (candidate, &votes) in poll.candidates().iter().zip(row) {
            if votes > 0 {
                let pair = fields::pair(&channel.id, &candidate.id);
                fields.push((format!("{prefix}{pair}"), votes.to_string()));
            }
        }
    }
    fields
}
