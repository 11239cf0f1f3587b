//! The figures of a shard as the hashes that Redis has of them.

use vote_domain::{PollDefinition, Quarantine, Tally};

use crate::fields;
use crate::figures::{Drained, EndedSums, EndedWriter, ShardFigures};
use crate::keys::ShardKeys;

/// A field and its value.
pub(super) type Field = (String, String);

/// The hashes of a shard with their fields.
pub(super) fn hashes(
    poll: &PollDefinition,
    shard: &ShardFigures,
    keys: &ShardKeys,
) -> impl Iterator<Item = (String, Vec<Field>)> {
    let hashes = [
        (keys.tally(), pairs(poll, &shard.tally)),
        (keys.late(), pairs(poll, &shard.late)),
        (keys.quarantine(), aside(poll, &shard.quarantine)),
        (keys.writers(), ledger(shard)),
        (keys.ended(), ended(shard)),
    ];
    let minutes = shard.minutes.iter();
    let minutes =
        minutes.map(|(minute, votes)| (keys.minutes(minute.since_epoch()), pairs(poll, votes)));
    let set_aside = shard.quarantine_minutes.iter();
    let set_aside =
        set_aside.map(|(minute, votes)| (keys.quarantine_minute(*minute), aside(poll, votes)));
    hashes.into_iter().chain(minutes).chain(set_aside)
}

fn aside(poll: &PollDefinition, quarantine: &Quarantine) -> Vec<Field> {
    let mut aside = Vec::new();
    for (fate, reason, votes) in quarantine.rows() {
        for (pair, votes) in pairs(poll, votes) {
            aside.push((fields::set_aside(fate, reason, &pair), votes));
        }
    }
    aside
}

fn ledger(shard: &ShardFigures) -> Vec<Field> {
    let mut ledger = Vec::new();
    let mut ended = shard.unlisted;
    for (writer, entry) in &shard.writers {
        if entry.lost > 0 {
            ledger.push((fields::lost(writer), entry.lost.to_string()));
        }
        match entry.drained {
            Drained::No => {}
            Drained::At(ms) => ledger.push((fields::drained(writer), ms.to_string())),
            Drained::Ended => {
                ended.add(EndedWriter::from(entry));
                continue;
            }
        }
        // Votes first: of a writer whose last batch is there all votes are, where a long ledger is written in parts.
        ledger.push((fields::votes(writer), entry.votes.to_string()));
        ledger.push((fields::sequence(writer), entry.last_sequence.to_string()));
    }
    if ended != EndedSums::default() {
        ledger.push((fields::ENDED_WRITERS.to_owned(), ended.writers.to_string()));
        ledger.push((fields::ENDED_BATCHES.to_owned(), ended.batches.to_string()));
        ledger.push((fields::ENDED_VOTES.to_owned(), ended.votes.to_string()));
    }
    ledger
}

fn ended(shard: &ShardFigures) -> Vec<Field> {
    let writers = shard.writers.iter();
    let ended = writers.filter(|(_, entry)| entry.drained == Drained::Ended);
    ended
        .map(|(writer, entry)| {
            let value = fields::ended(entry.last_sequence, entry.votes);
            (writer.to_string(), value)
        })
        .collect()
}

fn pairs(poll: &PollDefinition, votes: &Tally) -> Vec<Field> {
    let mut fields = Vec::new();
    for (channel, row) in poll.channels().iter().zip(votes.rows()) {
        for (candidate, &votes) in poll.candidates().iter().zip(row) {
            if votes > 0 {
                let pair = fields::pair(&channel.id, &candidate.id);
                fields.push((pair, votes.to_string()));
            }
        }
    }
    fields
}
