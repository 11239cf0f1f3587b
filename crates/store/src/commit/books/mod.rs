//! The books of a lane: what it has sent, what was acknowledged, and what the ledger should have of it. All that
//! is worked out here needs no Redis.

mod lane_books;
mod predecessor;
mod remains;
mod replay_budget;
mod replay_log;

pub(super) use lane_books::Books;
pub(super) use predecessor::Predecessor;
pub(super) use remains::Remains;
pub(crate) use replay_budget::ReplayBudget;
pub(super) use replay_log::Acknowledged;
