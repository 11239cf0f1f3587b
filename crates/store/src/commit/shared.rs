//! What requests, the following of the polls, and a lane share.

use std::sync::atomic::{AtomicBool, AtomicI64};

use tokio::sync::Notify;

use super::queue::Queue;

/// [`LaneShared::closed_at_ms`] of a poll that is not closed.
pub(crate) const NOT_CLOSED: i64 = i64::MAX;

/// What requests and the lane share.
#[derive(Debug)]
pub(crate) struct LaneShared {
    pub(crate) queue: Queue,
    /// Milliseconds since the epoch; follows the poll, and what the fence says.
    pub(crate) closes_at_ms: AtomicI64,
    /// The same of a poll that is known to be closed, and takes no vote any more; else [`NOT_CLOSED`].
    pub(crate) closed_at_ms: AtomicI64,
    /// Whether the lane can't write to Redis right now, for all that it knows.
    pub(crate) blocked: AtomicBool,
    /// Whether it has written anything: only such a lane asks while it is idle, and so knows that it can write.
    pub(crate) in_use: AtomicBool,
    /// Told when the poll has closed: an idle lane may sleep for long.
    pub(crate) has_closed: Notify,
}

impl LaneShared {
    /// Of a lane that starts.
    pub(crate) fn new(queue: Queue, closes_at_ms: i64, closed_at_ms: i64) -> Self {
        Self {
            queue,
            closes_at_ms: AtomicI64::new(closes_at_ms),
            closed_at_ms: AtomicI64::new(closed_at_ms),
            blocked: AtomicBool::new(false),
            in_use: AtomicBool::new(false),
            has_closed: Notify::new(),
        }
    }
}
