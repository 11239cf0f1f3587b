//! A poll as the requests of this process see it: where they cast their votes.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use vote_domain::{Poll, Refusal, VoterDigest, VotingPeriod};

use super::poll_lanes::PollLanes;
use crate::commit::outcome::{Outcome, Verdict};
use crate::commit::queue::Pending;
use crate::commit::ticket::{Ticket, Waiting};
use crate::commit::vote::VoteToCast;
use crate::polls::VoterKey;

/// A poll as this process knows it, with its lanes.
pub struct OpenPoll {
    poll: Poll,
    /// `None`: it takes no votes.
    lanes: Option<Arc<PollLanes>>,
    /// Where voters are counted.
    voter_key: Option<Arc<VoterKey>>,
    accept_timeout: Duration,
}

/// The key of the voters' digests is not known: Redis could not be read yet, or the poll's voters are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of the voters' digests is not known")]
pub struct NoVoterKey;

impl OpenPoll {
    pub(super) fn new(
        poll: Poll,
        lanes: Option<Arc<PollLanes>>,
        voter_key: Option<Arc<VoterKey>>,
        accept_timeout: Duration,
    ) -> Self {
        Self {
            poll,
            lanes,
            voter_key,
            accept_timeout,
        }
    }

    /// What stands for a voter whose vote by a channel was received then; `None` where the channel counts no voters, so that
    /// nothing has to.
    ///
    /// # Errors
    /// [`NoVoterKey`].
    pub fn voter(
        &self,
        channel: u8,
        subject: &str,
        received_at: Timestamp,
    ) -> Result<Option<VoterDigest>, NoVoterKey> {
        let definition = &self.poll.definition;
        let channel = definition.channels().get(usize::from(channel));
        let Some(channel) = channel.filter(|channel| channel.votes_per_voter.is_some()) else {
            return Ok(None);
        };
        let key = self.voter_key.as_ref().and_then(|key| key.load());
        let voter = VoterDigest::new(&*key.ok_or(NoVoterKey)?, definition.id(), subject);
        let period = VotingPeriod::of(channel.period(), received_at, definition.zone());
        Ok(Some(match period {
            Some(period) => voter.in_period(period),
            None => voter,
        }))
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
