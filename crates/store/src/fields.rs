//! The names of the fields inside the hashes, and how they are read back.

use vote_domain::{CandidateId, ChannelId, Minute, PollDefinition, WriterId};

/// What the mark of a drained writer reads once the writer has ended.
pub(crate) const ENDED: &str = "ended";

/// `<channel>/<candidate>`; ids are slugs, so the slash is theirs alone.
pub(crate) fn pair(channel: &ChannelId, candidate: &CandidateId) -> String {
    format!("{channel}/{candidate}")
}

/// Indices of the channel and the candidate that `field` names in `poll`.
pub(crate) fn parse_pair(poll: &PollDefinition, field: &str) -> Option<(usize, usize)> {
    let (channel, candidate) = field.split_once('/')?;
    Some((
        poll.channel_index(channel)?,
        poll.candidate_index(candidate)?,
    ))
}

/// The minute and the indices that `<minute>/<channel>/<candidate>` names among those of `hour`.
pub(crate) fn parse_minute(
    poll: &PollDefinition,
    hour: i64,
    field: &str,
) -> Option<(Minute, usize, usize)> {
    let (minute, rest) = field.split_once('/')?;
    let minute = Minute::from_parts(hour, minute.parse().ok()?)?;
    let (channel, candidate) = parse_pair(poll, rest)?;
    Some((minute, channel, candidate))
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

/// What a writer has left to send: a closing time, or [`ENDED`].
pub(crate) fn drained(writer: &WriterId) -> String {
    format!("{writer}/drained")
}

/// The votes that the lane which began as this writer has counted as lost.
pub(crate) fn lost(writer: &WriterId) -> String {
    format!("{writer}/lost")
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
