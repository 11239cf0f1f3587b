//! The ingest service's capability: polls that take votes, and the lanes that carry them.

mod directory;
mod earlier;
mod lanes;
mod open_poll;
mod poll_lanes;
mod sent_vote;
mod vote_writer;

pub use open_poll::{NoVoterKey, OpenPoll};
pub use sent_vote::SentVote;
pub use vote_writer::{Ended, VoteWriter, VoteWriterConfig};
