//! The lanes of one poll: which of them carries a vote, and what they know of the poll.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use vote_domain::{Poll, PollState};

use crate::commit::metrics::LaneMetrics;
use crate::commit::outcome::Outcome;
use crate::commit::queue::Pending;
use crate::commit::shared::{LaneShared, NOT_CLOSED};
use crate::commit::traffic::Traffic;
use crate::commit::vote::VoteToCast;
use crate::commit::voter_limits::VoterLimits;

/// The lanes of one poll, a lane per shard.
pub(super) struct PollLanes {
    shards: Vec<LaneHandle>,
    /// What each voter has.
    limits: Arc<VoterLimits>,
    /// The turn of the next vote that could go to any of them.
    next: AtomicU64,
    /// When the poll was made: another one may have its id, once Redis has forgotten it.
    created_at: Option<Timestamp>,
    is_forgotten: AtomicBool,
    /// What all lanes of the process have to do.
    traffic: Arc<Traffic>,
    drain: CancellationToken,
}

/// Lanes of which it is known whether they can write.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownLanes {
    /// They can't.
    pub(super) blocked: usize,
    /// They can.
    pub(super) writing: usize,
}

/// What requests have of a lane.
pub(super) struct LaneHandle {
    pub(super) shared: Arc<LaneShared>,
    pub(super) metrics: LaneMetrics,
}

impl LaneHandle {
    /// Counts a vote of which its client is told that it was not recorded, or that this is not known. How it ended otherwise its lane
    /// counts, also where nobody waits any more.
    pub(super) fn told(&self, channel: u8, candidate: u8, outcome: &Outcome) {
        if matches!(outcome, Outcome::NotRecorded | Outcome::Unknown) {
            self.metrics.poll.vote(channel, candidate, outcome);
        }
    }
}

impl PollLanes {
    /// `drain` ends these lanes.
    pub(super) fn new(
        shards: Vec<LaneHandle>,
        limits: Arc<VoterLimits>,
        created_at: Option<Timestamp>,
        traffic: Arc<Traffic>,
        drain: CancellationToken,
    ) -> Self {
        Self {
            shards,
            limits,
            next: AtomicU64::new(0),
            created_at,
            is_forgotten: AtomicBool::new(false),
            traffic,
            drain,
        }
    }

    /// Whether they are lanes of this poll, and not of another one that had its id.
    pub(super) fn are_of(&self, poll: &Poll) -> bool {
        self.created_at == poll.created_at()
            && self.shards.len() == usize::from(poll.definition.shards())
    }

    /// Whether Redis has forgotten the poll: then nobody sends votes to its lanes. Tells whether that is news.
    pub(super) fn note_forgotten(&self, is_forgotten: bool) -> bool {
        !self.is_forgotten.swap(is_forgotten, Ordering::Relaxed) && is_forgotten
    }

    /// How many of them can't write to Redis right now, and how many are known to: none of a closed or forgotten poll,
    /// which takes no votes.
    pub(super) fn known(&self) -> KnownLanes {
        let mut known = KnownLanes::default();
        if self.is_forgotten.load(Ordering::Relaxed) {
            return known;
        }
        for LaneHandle { shared, .. } in &self.shards {
            if shared.closed_at_ms.load(Ordering::Relaxed) != NOT_CLOSED {
                continue;
            }
            if shared.blocked.load(Ordering::Relaxed) {
                known.blocked += 1;
            } else if shared.in_use.load(Ordering::Relaxed) {
                known.writing += 1;
            }
        }
        known
    }

    /// Lets them send what waits, and end.
    pub(super) fn drain(&self) {
        self.drain.cancel();
    }

    /// Tells them when the poll closes, and how many votes each voter has.
    pub(super) fn follow(&self, poll: &Poll) {
        self.limits.follow(&poll.definition);
        for lane in &self.shards {
            lane.shared
                .closes_at_ms
                .store(poll.closes_at.as_millisecond(), Ordering::Relaxed);
            let closed_at_ms = closed_at_ms(poll);
            let before = lane
                .shared
                .closed_at_ms
                .swap(closed_at_ms, Ordering::Relaxed);
            if before != closed_at_ms {
                lane.shared.has_closed.notify_one();
            }
        }
    }

    /// Gives a vote to its lane, or back where that takes no more.
    pub(super) fn push(&self, lane: &LaneHandle, pending: Pending) -> Result<(), Pending> {
        lane.shared.queue.push(pending)?;
        self.traffic.arrive();
        Ok(())
    }

    pub(super) fn first(&self) -> Option<&LaneHandle> {
        self.shards.first()
    }

    /// The lane of a vote: by its voter, else by its key, else in turn. The same key always comes
    /// to the same lane, and so to the same shard.
    pub(super) fn lane_of(&self, vote: &VoteToCast) -> Option<&LaneHandle> {
        self.at(self.shard_of(vote)?)
    }

    /// Which lane that is.
    pub(super) fn shard_of(&self, vote: &VoteToCast) -> Option<usize> {
        let shards = u16::try_from(self.shards.len()).ok()?;
        Some(if shards == 1 {
            0
        } else if let Some(voter) = &vote.voter {
            usize::from(voter.shard(shards))
        } else if let Some(key) = &vote.key {
            usize::from(key.shard(shards))
        } else {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % u64::from(shards);
            usize::try_from(turn).ok()?
        })
    }

    pub(super) fn at(&self, shard: usize) -> Option<&LaneHandle> {
        self.shards.get(shard)
    }
}

/// When a poll has closed that is closed for good. One whose time has only come may still be extended, by
/// whoever has another clock.
pub(super) fn closed_at_ms(poll: &Poll) -> i64 {
    match poll.state {
        PollState::Closed => poll.closes_at.as_millisecond(),
        _ => NOT_CLOSED,
    }
}
