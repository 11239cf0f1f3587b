//! A poll as the requests of this process see it: where they cast their votes.

use std::sync::Arc;
use std::time::Duration;

use vote_domain::{Poll, Refusal};

use super::poll_lanes::PollLanes;
use crate::commit::outcome::{Outcome, Verdict};
use crate::commit::queue::Pending;
use crate::commit::ticket::{Ticket, Waiting};
use crate::commit::vote::VoteToCast;

/// A poll as this process knows it, with its lanes.
pub struct OpenPoll {
    poll: Poll,
    /// `None`: it takes no votes.
    lanes: Option<Arc<PollLanes>>,
    accept_timeout: Duration,
}

impl OpenPoll {
    pub(super) fn new(poll: Poll, lanes: Option<Arc<PollLanes>>, accept_timeout: Duration) -> Self {
        Self {
            poll,
            lanes,
            accept_timeout,
        }
    }

    /// The poll, as last read.
    #[must_use]
    pub fn poll(&self) -> &Poll {
        &self.poll
    }

    pub(super) fn has_lanes(&self) -> bool {
        self.lanes.is_some()
    }

    /// Casts a vote and waits for its outcome, at most the accept timeout.
    pub async fn cast(&self, vote: VoteToCast) -> Outcome {
        let lanes = self.lanes.as_ref();
        let Some((lanes, lane)) = lanes.and_then(|lanes| Some((lanes, lanes.lane_of(&vote)?)))
        else {
            return Outcome::NotRecorded;
        };
        let (channel, candidate) = (vote.channel, vote.candidate);
        let ticket = Ticket::new();
        let pending = Pending::new(vote, Arc::clone(&ticket));
        if lanes.push(lane, pending).is_err() {
            lane.metrics.vote(channel, candidate, &Verdict::QueueFull);
            return Outcome::QueueFull;
        }
        let waiting = Waiting(Arc::clone(&ticket));
        match tokio::time::timeout(self.accept_timeout, waiting).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let outcome = ticket.recall();
                if matches!(outcome, Outcome::NotRecorded | Outcome::Unknown) {
                    lane.metrics.vote(channel, candidate, &outcome);
                }
                outcome
            }
        }
    }

    /// Counts a vote that was refused before it came to its lane.
    pub fn count_refused(&self, channel: u8, candidate: u8) {
        if let Some(lane) = self.lanes.as_ref().and_then(|lanes| lanes.first()) {
            // Whatever the reason, but for a late one: they have one label.
            let refused = Verdict::Refused(Refusal::NotOpenYet);
            lane.metrics.vote(channel, candidate, &refused);
        }
    }
}
