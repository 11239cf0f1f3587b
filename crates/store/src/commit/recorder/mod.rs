//! Gets a lane's batches recorded exactly once, and what Redis forgets of them recorded again.

mod exactly_once;
mod heartbeat;
mod repair;
mod spill;
mod start_over;

pub(super) use exactly_once::{NewWriter, Recorder};
