//! A poll as the requests of this process see it: where they cast their votes.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use vote_domain::{Poll, PollId, Refusal, VoterDigest, VotingPeriod};

use super::earlier::EarlierVotes;
use super::poll_lanes::PollLanes;
use super::sent_vote::SentVote;
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
    /// Those of channels that count voters since a moment of the open poll.
    earlier: EarlierVotes,
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
        earlier: EarlierVotes,
        accept_timeout: Duration,
    ) -> Self {
        Self {
            poll,
            lanes,
            voter_key,
            earlier,
            accept_timeout,
        }
    }

    /// What stands for a voter whom a token names, and whose vote by a channel was received then; `None` where the channel counts
    /// no voters, so that nothing has to.
    ///
    /// # Errors
    /// [`NoVoterKey`].
    pub fn voter(
        &self,
        channel: u8,
        subject: &str,
        received_at: Timestamp,
    ) -> Result<Option<VoterDigest>, NoVoterKey> {
        self.digest(channel, received_at, |key, poll| {
            VoterDigest::new(key, poll, subject)
        })
    }

    /// The same of a voter whom the gateways of that group know. None of them is one whom a token names.
    ///
    /// # Errors
    /// [`NoVoterKey`].
    pub fn voter_of_gateways(
        &self,
        channel: u8,
        (group, voter): (&str, &str),
        received_at: Timestamp,
    ) -> Result<Option<VoterDigest>, NoVoterKey> {
        self.digest(channel, received_at, |key, poll| {
            VoterDigest::of_gateway(key, poll, group, voter)
        })
    }

    fn digest(
        &self,
        channel: u8,
        received_at: Timestamp,
        make: impl FnOnce(&[u8; 32], &PollId) -> VoterDigest,
    ) -> Result<Option<VoterDigest>, NoVoterKey> {
        let definition = &self.poll.definition;
        let channel = definition.channels().get(usize::from(channel));
        let Some(channel) = channel.filter(|channel| channel.votes_per_voter.is_some()) else {
            return Ok(None);
        };
        let key = self.voter_key.as_ref().and_then(|key| key.load());
        let voter = make(&*key.ok_or(NoVoterKey)?, definition.id());
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

    /// Whether the vote may be in another shard already than the one that it goes to: then [`Self::cast`] looks there first, and
    /// [`Self::send`] can't, so that who sends it looks by [`Self::look_elsewhere`].
    #[must_use]
    pub fn may_be_elsewhere(&self, vote: &VoteToCast) -> bool {
        self.earlier.shard(&self.poll, vote).is_some()
    }

    /// How the vote ended, where it was cast before it would have gone where it goes now; else it is to be sent.
    pub async fn look_elsewhere(&self, vote: &VoteToCast) -> Option<Outcome> {
        let shard = self.earlier.shard(&self.poll, vote)?;
        self.found_earlier(shard, vote).await
    }

    /// What came of the vote before its channel counted the votes of each voter; `None` where it was not cast then.
    async fn found_earlier(&self, shard: u16, vote: &VoteToCast) -> Option<Outcome> {
        let found = match self.earlier.find(&self.poll, shard, vote).await {
            Ok(found) => found?,
            // While its shard can't be asked it is not recorded anywhere else.
            Err(_) => Verdict::NotRecorded,
        };
        let lanes = self.lanes.as_ref();
        if let Some(lane) = lanes.and_then(|lanes| lanes.at(usize::from(shard))) {
            lane.metrics.poll.vote(vote.channel, vote.candidate, &found);
        }
        Some(match found {
            // No batch of now proves it.
            Verdict::Duplicate(()) => Outcome::Duplicate(None),
            Verdict::NotRecorded => Outcome::NotRecorded,
            _ => Outcome::Mismatch,
        })
    }

    /// Casts a vote that comes now and waits for its outcome, at most the accept timeout.
    pub async fn cast(&self, vote: VoteToCast) -> Outcome {
        self.cast_since(vote, Instant::now()).await
    }

    /// Casts a vote that came then, at the time that it says that it was received. One with a key is not recorded any more once a
    /// quarter of the key window has passed since, whatever it has waited for.
    pub async fn cast_since(&self, vote: VoteToCast, since: Instant) -> Outcome {
        if let Some(shard) = self.earlier.shard(&self.poll, &vote) {
            // In a place of its own: all other votes carry no room for it.
            let found = Box::pin(self.found_earlier(shard, &vote)).await;
            if let Some(outcome) = found {
                return outcome;
            }
        }
        let lanes = self.lanes.as_ref();
        let Some((lanes, lane)) = lanes.and_then(|lanes| Some((lanes, lanes.lane_of(&vote)?)))
        else {
            return Outcome::NotRecorded;
        };
        let (channel, candidate) = (vote.channel, vote.candidate);
        let ticket = Ticket::new();
        let pending = Pending::since(vote, Arc::clone(&ticket), since);
        if lanes.push(lane, pending).is_err() {
            lane.metrics
                .poll
                .vote(channel, candidate, &Verdict::QueueFull);
            return Outcome::QueueFull;
        }
        let waiting = Waiting(Arc::clone(&ticket));
        let outcome = match tokio::time::timeout(self.accept_timeout, waiting).await {
            Ok(outcome) => outcome,
            Err(_) => ticket.recall(),
        };
        lane.told(channel, candidate, &outcome);
        outcome
    }

    /// Gives a vote that comes now to its lane, and waits for nothing: for who has many at once, and asks for their outcomes in
    /// their order.
    #[must_use]
    pub fn send(&self, vote: VoteToCast) -> SentVote {
        self.send_since(vote, Instant::now())
    }

    /// The same of a vote that came then, as [`Self::cast_since`].
    #[must_use]
    pub fn send_since(&self, vote: VoteToCast, since: Instant) -> SentVote {
        let found = self.lanes.as_ref().and_then(|lanes| {
            let shard = lanes.shard_of(&vote)?;
            Some((lanes, shard, lanes.at(shard)?))
        });
        let Some((lanes, shard, lane)) = found else {
            return SentVote::over(Outcome::NotRecorded);
        };
        let (channel, candidate) = (vote.channel, vote.candidate);
        let ticket = Ticket::new();
        let until = Instant::now() + self.accept_timeout;
        if lanes
            .push(lane, Pending::since(vote, Arc::clone(&ticket), since))
            .is_err()
        {
            lane.metrics
                .poll
                .vote(channel, candidate, &Verdict::QueueFull);
            return SentVote::over(Outcome::QueueFull);
        }
        SentVote::on_its_way(
            ticket,
            until,
            Arc::clone(lanes),
            shard,
            (channel, candidate),
        )
    }

    /// Counts a vote that was refused before it came to its lane.
    pub fn count_refused(&self, channel: u8, candidate: u8) {
        if let Some(lane) = self.lanes.as_ref().and_then(|lanes| lanes.first()) {
            // Whatever the reason, but for a late one: they have one label.
            let refused = Verdict::Refused(Refusal::NotOpenYet);
            lane.metrics.poll.vote(channel, candidate, &refused);
        }
    }
}
