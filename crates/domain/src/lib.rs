//! The rules of a live vote: what a poll is, who may vote when, how votes become a standing, and how
//! all of it can be proven afterwards.
//!
//! Pure by construction: no I/O, no async, and no clock of its own ([`Clock`] is passed in). Types are
//! made by `parse` or `new` and can't hold an illegal value.
//!
//! | question | where |
//! | --- | --- |
//! | what is in a poll file, and is it right? | [`PollDefinition`] |
//! | which state is a poll in, and what may happen to it? | [`Poll`], [`PollState`], [`Phase`] |
//! | may a vote that arrives now be counted? | [`admit`] |
//! | how many votes are there, and when did they come? | [`Tally`], [`MinuteSeries`] |
//! | who leads? | [`standing`], [`Standing`] |
//! | is this receipt ours? | [`Receipt`] |
//! | what was the final result, and is it unchanged? | [`SealedPoll`] |
#![forbid(unsafe_code)]

mod admission;
mod canonical;
mod clock;
mod definition;
mod digest;
mod names;
mod node;
#[cfg(feature = "openapi")]
mod openapi;
mod opening;
mod percent;
mod poll;
mod receipt;
mod sealed;
mod secret;
mod series;
mod shares;
mod slug;
mod standing;
mod state;
mod tally;
mod validate;
mod violation;
pub mod wire_time;
mod writer;

#[cfg(test)]
mod tests;

pub use admission::{Refusal, admit};
pub use canonical::canonical_json;
pub use clock::{Clock, ManualClock};
pub use definition::{
    Candidate, Channel, DEFAULT_CHANNEL, Difference, MAX_FILE_BYTES, PollDefinition,
};
pub use digest::{IdempotencyKey, IdempotencyKeyError, KeyDigest, VoterDigest};
pub use names::{Direction, Eligibility, Kind, Status, UnknownName, Visibility};
pub use percent::Percent;
pub use poll::{AuditEntry, ExtendError, OpenError, Poll, RedefineError};
pub use receipt::{Receipt, ReceiptError, ReceiptKey};
pub use sealed::{SealError, SealedPoll, SealedPollError, ShardTotals, WriterTotals};
pub use secret::Secret;
pub use series::{Bucket, Minute, MinuteSeries, dense_hours, dense_minutes, series_range};
pub use shares::{Shares, weighted_shares};
pub use slug::{CandidateId, ChannelId, PollId, SlugError};
pub use standing::{CandidateStanding, ChannelStanding, Standing, standing};
pub use state::{IllegalTransition, Phase, PollState, Transition};
pub use tally::{Tally, TallyOverflow};
pub use violation::{DefinitionError, Violation, Violations};
pub use writer::{WriterId, WriterIdError};
