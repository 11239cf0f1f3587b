//! The names of the fields inside the hashes, and how they are read back.

use std::collections::HashMap;

use vote_domain::{CandidateId, ChannelId, Fate, PollDefinition, QuarantineReason, WriterId};

/// What the mark of a drained writer read once the writer had ended, before such writers left the ledger.
pub(crate) const ENDED: &str = "ended";

/// The ledger's sums of the writers that have ended: how many they are, their last sequences and their votes.
pub(crate) const ENDED_WRITERS: &str = "ended/writers";
/// See [`ENDED_WRITERS`].
pub(crate) const ENDED_BATCHES: &str = "ended/batches";
/// See [`ENDED_WRITERS`].
pub(crate) const ENDED_VOTES: &str = "ended/votes";

/// `<channel>/<candidate>`; ids are slugs, so the slash is theirs alone.
pub(crate) fn pair(channel: &ChannelId, candidate: &CandidateId) -> String {
    format!("{channel}/{candidate}")
}

/// The field of votes that were set aside: `<fate>/<reason>/<channel>/<candidate>`.
pub(crate) fn set_aside(fate: Fate, reason: QuarantineReason, pair: &str) -> String {
    format!("{fate}/{reason}/{pair}")
}

/// What [`set_aside`] has written: the fate, the reason, and the pair of channel and candidate.
pub(crate) fn parse_set_aside(field: &[u8]) -> Option<(Fate, QuarantineReason, &[u8])> {
    let text = std::str::from_utf8(field).ok()?;
    let (fate, rest) = text.split_once('/')?;
    let (reason, pair) = rest.split_once('/')?;
    Some((fate.parse().ok()?, reason.parse().ok()?, pair.as_bytes()))
}

/// Indices of the channel and the candidate that `field` names in `poll`.
pub(crate) fn parse_pair(poll: &PollDefinition, field: &str) -> Option<(usize, usize)> {
    let (channel, candidate) = field.split_once('/')?;
    Some((
        poll.channel_index(channel)?,
        poll.candidate_index(candidate)?,
    ))
}

/// Where the fields of a poll's tallies and minutes belong: the indices of channel and candidate by the field's name.
#[derive(Debug)]
pub(crate) struct Places(HashMap<Box<[u8]>, (usize, usize)>);

impl Places {
    pub(crate) fn of(poll: &PollDefinition) -> Self {
        let mut places = HashMap::new();
        for (of_channel, channel) in poll.channels().iter().enumerate() {
            for (of_candidate, candidate) in poll.candidates().iter().enumerate() {
                let field = pair(&channel.id, &candidate.id).into_bytes();
                places.insert(field.into_boxed_slice(), (of_channel, of_candidate));
            }
        }
        Self(places)
    }

    /// How many fields a tally or a minute has at most.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Indices of the channel and the candidate that `field` names.
    pub(crate) fn get(&self, field: &[u8]) -> Option<(usize, usize)> {
        self.0.get(field).copied()
    }
}

/// What a field of the ledger says of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LedgerField {
    Sequence,
    Votes,
    Drained,
    Lost,
}

/// The sequence of a writer's last batch.
pub(crate) fn sequence(writer: &WriterId) -> String {
    format!("{writer}/sequence")
}

/// All votes that a writer has recorded.
pub(crate) fn votes(writer: &WriterId) -> String {
    format!("{writer}/votes")
}

/// The closing time for which a writer has nothing left to send.
pub(crate) fn drained(writer: &WriterId) -> String {
    format!("{writer}/drained")
}

/// The votes that the lane which began as this writer has counted as lost.
pub(crate) fn lost(writer: &WriterId) -> String {
    format!("{writer}/lost")
}

/// What is kept of a writer that has ended: its last sequence and its votes.
pub(crate) fn ended(last_sequence: u64, votes: u64) -> String {
    format!("{last_sequence} {votes}")
}

/// The last sequence and the votes that [`ended`] has written.
pub(crate) fn parse_ended(value: &str) -> Option<(u64, u64)> {
    let (last_sequence, votes) = value.split_once(' ')?;
    Some((last_sequence.parse().ok()?, votes.parse().ok()?))
}

/// The writer and the figure that `<writer>/sequence`, `…/votes`, `…/drained` or `…/lost` names.
pub(crate) fn parse_ledger(field: &str) -> Option<(WriterId, LedgerField)> {
    let (writer, figure) = field.split_once('/')?;
    let figure = match figure {
        "sequence" => LedgerField::Sequence,
        "votes" => LedgerField::Votes,
        "drained" => LedgerField::Drained,
        "lost" => LedgerField::Lost,
        _ => return None,
    };
    Some((WriterId::parse(writer).ok()?, figure))
}
