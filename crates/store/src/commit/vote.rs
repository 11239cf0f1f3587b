//! A vote on its way to its lane.

use opentelemetry::trace::SpanContext;
use vote_domain::{KeyDigest, QuarantineReason, VoterDigest};

/// One vote, parsed and admitted, on its way to its lane.
#[derive(Debug, Clone)]
pub struct VoteToCast {
    /// Index of the channel in the poll's definition.
    pub channel: u8,
    /// Index of the candidate in the poll's definition.
    pub candidate: u8,
    /// When the vote was received, in milliseconds since the Unix epoch. It decides whether the
    /// vote came in time, and the minute it counts in.
    pub received_at_ms: i64,
    /// Digest of the client's idempotency key.
    pub key: Option<KeyDigest>,
    /// Digest of the voter, where the channel knows one.
    pub voter: Option<VoterDigest>,
    /// Whether the candidate is out of the poll: the vote is not recorded then, but it may be the repeat of one that was.
    pub is_withdrawn: bool,
    /// Why it is set aside as suspect, if it is: it is recorded, and told so, as any other, and in no figure until an operator
    /// releases it.
    pub quarantine: Option<QuarantineReason>,
    /// The span of the request, where it is traced.
    pub span: Option<Box<SpanContext>>,
}

#[cfg(test)]
impl VoteToCast {
    /// For the first channel and candidate, with nothing that would be looked up.
    pub(crate) const fn plain(received_at_ms: i64) -> Self {
        Self {
            channel: 0,
            candidate: 0,
            received_at_ms,
            key: None,
            voter: None,
            is_withdrawn: false,
            quarantine: None,
            span: None,
        }
    }
}
