//! The write-only service: takes votes.
//!
//! It holds a [`vote_store::VoteWriter`], which can't read a tally, and nothing else of the store.
#![forbid(unsafe_code)]

mod batch;
mod form;
mod gateways;
mod judge;
mod limits;
mod proofs;
mod reread;
mod routes;
mod service;
mod spill;
mod suspicion;
mod vote;
mod voters;

pub use routes::cast_vote::VOTES;
pub use service::Ingest;
pub use vote::{Checks, ReadVote, Received, answer, read_vote};
