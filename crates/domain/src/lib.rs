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
//! | what of it may go on air? | [`Poll::is_on_air`], [`Release`], [`HeldFigures`] |
//! | is this receipt ours? | [`Receipt`] |
//! | what was the final result, and is it unchanged? | [`SealedPoll`] |
#![forbid(unsafe_code)]

mod clock;
mod definition;
mod figures;
#[cfg(test)]
mod fixtures;
pub mod instant;
mod line;
mod names;
#[cfg(feature = "openapi")]
mod openapi;
mod poll;
mod secret;
mod shown;
mod vote;
pub mod wire_time;
pub mod zone;

pub use clock::{Clock, ManualClock};
pub use definition::choices::{
    Direction, Eligibility, Kind, Language, LimitPeriod, ReleaseRule, Visibility,
};
pub use definition::difference::Difference;
pub use definition::poll_definition::{Candidate, Channel, PollDefinition};
pub use definition::poll_file::{MAX_FILE_BYTES, PollFile};
pub use definition::reapplied::{Held, Reapplied};
pub use definition::slug::{CandidateId, ChannelId, PollId, SlugError};
pub use definition::violation::{Violation, Violations};
pub use figures::buckets::{Bucket, dense_hours, dense_minutes, series_range};
pub use figures::canonical::canonical_json;
pub use figures::minute::Minute;
pub use figures::percent::Percent;
pub use figures::quarantine::{Fate, Quarantine, QuarantineReason};
pub use figures::recorded::{RecordedCandidate, RecordedChannel, RecordedVotes};
pub use figures::sealed::{FiguresError, SealedPoll, SealedPollError, ShardTotals, WriterTotals};
pub use figures::series::MinuteSeries;
pub use figures::standing::{CandidateStanding, ChannelStanding, Standing, standing, unweighted};
pub use figures::tally::{Tally, TallyOverflow};
pub use names::UnknownName;
pub use poll::annulment::{AnnulError, Annulled, Annulment};
pub use poll::journal::AuditEntry;
pub use poll::key_seed::KeySeed;
pub use poll::phase::{Phase, Status};
pub use poll::quarantine::{QuarantineDecision, QuarantineError, QuarantineSelection};
pub use poll::reason::{Reason, ReasonError};
pub use poll::redefine::RedefineError;
pub use poll::release_order::{HeldCandidate, HeldFigures, Release, ReleaseOrder};
pub use poll::schedule::{ExtendError, NOTICE, RescheduleError};
pub use poll::state::{IllegalTransition, PollState, Transition};
pub use poll::voters::{FirstLimit, ForgetVotersError};
pub use poll::withdrawal::{WithdrawError, Withdrawal};
pub use poll::{DeleteError, OpenError, Poll};
pub use secret::Secret;
pub use shown::escaped;
pub use vote::admission::{Refusal, admit};
pub use vote::digest::{KeyDigest, VoterDigest};
pub use vote::idempotency_key::{IdempotencyKey, IdempotencyKeyError};
pub use vote::period::VotingPeriod;
pub use vote::receipt::{Receipt, ReceiptError, ReceiptKey};
pub use vote::writer::{WriterId, WriterIdError};
